using System.Diagnostics;
using Npgsql;

namespace Grid.Cluster.Tests.Support;

/// <summary>A PostgreSQL of the tests' own, when the machine has one (Debian: postgresql). It refuses to run as root, so
/// root's tests run it as the user of its package, or as nobody.</summary>
public sealed class PostgresServer : IAsyncLifetime
{
    public const string Password = "open-sesame-postgres";

    private static readonly string? s_initdb = Programs.Find("initdb", "/usr/lib/postgresql/*/bin");

    private readonly string _folder = Directory.CreateTempSubdirectory("grid-postgres-").FullName;
    private readonly string? _user = Environment.UserName == "root"
        ? File.ReadLines("/etc/passwd").Any(line => line.StartsWith("postgres:", StringComparison.Ordinal)) ? "postgres" : "nobody"
        : null;

    private Process? _process;
    private string? _failure;

    public int Port { get; } = Programs.FreePort();

    /// <summary>Skips the test on a machine without it, and fails it where it did not start.</summary>
    public void Require()
    {
        Assert.SkipWhen(s_initdb is null, "PostgreSQL (initdb) is not installed.");
        Assert.True(_failure is null, _failure);
    }

    public string Connection(string database) =>
        $"Host=127.0.0.1;Port={Port};Username=grid;Password={Password};Database={database}";

    /// <summary>Makes an empty database, and gives its connection.</summary>
    public async Task<string> CreateDatabaseAsync(string name)
    {
        await using var connection = new NpgsqlConnection(Connection("postgres"));
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand($"CREATE DATABASE {name}", connection);
        await command.ExecuteNonQueryAsync();
        return Connection(name);
    }

    /// <summary>Whether there is a database of that name.</summary>
    public async Task<bool> ExistsAsync(string name)
    {
        await using var connection = new NpgsqlConnection(Connection("postgres"));
        await connection.OpenAsync();
        await using var there = new NpgsqlCommand("SELECT 1 FROM pg_database WHERE datname = @name", connection);
        there.Parameters.AddWithValue("name", name);
        return await there.ExecuteScalarAsync() is not null;
    }

    /// <summary>Keeps everybody from making Grid's tables in a database; ends with what is returned.</summary>
    public static async Task<NpgsqlConnection> HoldSchemaAsync(string connection)
    {
        var held = new NpgsqlConnection(connection + ";Pooling=false");
        await held.OpenAsync();
        await using var command = new NpgsqlCommand("SELECT pg_advisory_lock(x'67726964'::bigint)", held); // "grid"
        await command.ExecuteNonQueryAsync();
        return held;
    }

    /// <summary>How many sessions wait for <see cref="HoldSchemaAsync"/> or each other.</summary>
    public static async Task<long> WaitingForSchemaAsync(NpgsqlConnection held)
    {
        await using var command = new NpgsqlCommand("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted", held);
        return (long)(await command.ExecuteScalarAsync())!;
    }

    public async ValueTask InitializeAsync()
    {
        try
        {
            await (s_initdb is null ? Task.CompletedTask : StartAsync(s_initdb));
        }
        catch (Exception exception)
        {
            _failure = exception.Message; // For the tests that need it; the others can do without.
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is { HasExited: false })
        {
            await Programs.RunAsync("kill", "-INT", $"{_process.Id}"); // Its children end with it.
            await _process.WaitForExitAsync();
            _process.Dispose();
        }

        Directory.Delete(_folder, recursive: true);
    }

    private string[] AsUser() => _user is null ? [] : ["setpriv", $"--reuid={_user}", "--regid=65534", "--clear-groups"];

    private async Task StartAsync(string initdb)
    {
        string passwordFile = Path.Combine(_folder, "password");
        await File.WriteAllTextAsync(passwordFile, Password);
        if (_user is not null)
        {
            await Programs.RunAsync("chown", "-R", _user, _folder);
        }

        string data = Path.Combine(_folder, "data");
        await Programs.RunAsync("env", [.. AsUser(), initdb, "-D", data, "-U", "grid", "-A", "scram-sha-256", $"--pwfile={passwordFile}", "--no-sync", "--no-locale", "-E", "UTF8"]);
        string postgres = Path.Combine(Path.GetDirectoryName(initdb)!, "postgres");
        _process = Programs.Start("env", [
            .. AsUser(), postgres, "-D", data, "-p", $"{Port}", "-c", "listen_addresses=127.0.0.1", "-c", $"unix_socket_directories={_folder}",
            "-c", "fsync=off", "-c", "max_connections=50", "-c", "shared_buffers=16MB"]);
        _process.ErrorDataReceived += (_, _) => { };
        _process.BeginErrorReadLine();
        await Programs.UntilAsync(AnswersAsync, "postgres did not come up.");
    }

    private async Task<bool> AnswersAsync()
    {
        Assert.False(_process!.HasExited, "postgres ended at once.");
        try
        {
            await using var connection = new NpgsqlConnection(Connection("postgres") + ";Pooling=false");
            await connection.OpenAsync();
            return true;
        }
        catch (NpgsqlException)
        {
            return false;
        }
    }
}
