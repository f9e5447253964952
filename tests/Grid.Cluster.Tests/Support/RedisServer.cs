using System.Diagnostics;
using System.Net.Sockets;

namespace Grid.Cluster.Tests.Support;

/// <summary>A Redis of the tests' own, when the machine has one (Debian: redis-server).</summary>
public sealed class RedisServer : IAsyncLifetime
{
    public const string Password = "open-sesame-redis";

    private static readonly string? s_program = Programs.Find("redis-server");

    private readonly string _folder = Directory.CreateTempSubdirectory("grid-redis-").FullName;
    private Process? _process;
    private string? _failure;

    public int Port { get; } = Programs.FreePort();

    public string Connection => $"127.0.0.1:{Port},password={Password}";

    /// <summary>Skips the test on a machine without it, and fails it where it did not start.</summary>
    public void Require()
    {
        Assert.SkipWhen(s_program is null, "redis-server is not installed.");
        Assert.True(_failure is null, _failure);
    }

    public async ValueTask InitializeAsync()
    {
        try
        {
            await (s_program is null ? Task.CompletedTask : StartAsync(s_program));
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
            _process.Kill();
            await _process.WaitForExitAsync();
            _process.Dispose();
        }

        Directory.Delete(_folder, recursive: true);
    }

    private async Task StartAsync(string program)
    {
        _process = Programs.Start(
            program, "--port", $"{Port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", _folder, "--requirepass", Password);
        _process.OutputDataReceived += (_, _) => { };
        _process.BeginOutputReadLine();
        await Programs.UntilAsync(AnswersAsync, "redis-server did not come up.");
    }

    private async Task<bool> AnswersAsync()
    {
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync("127.0.0.1", Port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
