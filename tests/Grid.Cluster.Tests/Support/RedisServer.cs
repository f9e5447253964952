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

    public int Port { get; } = Programs.FreePort();

    public string Connection => $"127.0.0.1:{Port},password={Password}";

    /// <summary>Skips the test on a machine without Redis.</summary>
    public static void Require() => Assert.SkipWhen(s_program is null, "redis-server is not installed.");

    public async ValueTask InitializeAsync()
    {
        if (s_program is null)
        {
            return;
        }

        _process = Programs.Start(
            s_program, "--port", $"{Port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", _folder, "--requirepass", Password);
        _process.OutputDataReceived += (_, _) => { };
        _process.BeginOutputReadLine();
        await Programs.UntilAsync(AnswersAsync, "redis-server did not come up.");
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            _process.Kill();
            await _process.WaitForExitAsync();
            _process.Dispose();
        }

        Directory.Delete(_folder, recursive: true);
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
