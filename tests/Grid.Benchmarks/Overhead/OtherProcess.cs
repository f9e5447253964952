using System.Collections.Concurrent;
using System.Diagnostics;

namespace Grid.Benchmarks.Overhead;

/// <summary>This program again, in another role; it answers on standard output what it is asked on standard input, and ends
/// when that does.</summary>
internal sealed class OtherProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly ConcurrentQueue<string> _log = new();

    public OtherProcess(string role, bool serverGc, string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [typeof(OtherProcess).Assembly.Location, "overhead", role, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["DOTNET_gcServer"] = serverGc ? "1" : "0";
        _process = Process.Start(start)!;
        _process.ErrorDataReceived += (_, line) => _log.Enqueue(line.Data ?? "");
        _process.BeginErrorReadLine();
    }

    /// <summary>CPU time so far.</summary>
    public TimeSpan Cpu
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    /// <summary>The rest of the next line that begins with a word.</summary>
    public async Task<string> ReadAsync(string word)
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (line.StartsWith(word + " ", StringComparison.Ordinal))
            {
                return line[(word.Length + 1)..];
            }
        }

        throw new InvalidOperationException($"The other process ended and never said '{word}':\n{string.Join('\n', _log)}");
    }

    public async Task<string> AskAsync(string question, string answer)
    {
        await _process.StandardInput.WriteLineAsync(question);
        await _process.StandardInput.FlushAsync();
        return await ReadAsync(answer);
    }

    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close();
        var rest = _process.StandardOutput.ReadToEndAsync();
        await _process.WaitForExitAsync();
        await rest;
        _process.Dispose();
    }
}
