using System.Diagnostics;

[assembly: AssemblyFixture(typeof(Grid.Cli.Tests.FaultyNode))]

namespace Grid.Cli.Tests;

/// <summary>A node of two workers of a small model, on parts of this machine's CPU, whose norms can be made to depend on the batch; so the tests
/// that ask it run one after the other: one collection, named as this class.</summary>
public sealed class FaultyNode : IAsyncLifetime
{
    private Process _process = null!;

    /// <summary>Where it listens.</summary>
    public string Url { get; private set; } = "";

    /// <summary>The line to try that it prints.</summary>
    public string Line { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        var start = new ProcessStartInfo("dotnet", [
            Path.Combine(AppContext.BaseDirectory, "Grid.FaultySilo.dll"), "--port", "0", "--kv-cache-memory", "64MiB", "--device", "cpu,cpu",
            "--model-path", Path.Combine(AppContext.BaseDirectory, "models", "small"), "--load-format", "dummy", "--answer-cache", "memory"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        start.Environment["HF_HUB_OFFLINE"] = "1"; // Tests ask no one.
        _process = Process.Start(start)!;
        const string Ready = "Ready: ";
        Url = (await ReadToAsync(Ready))[Ready.Length..];
        Line = (await ReadToAsync("  grid ")).Trim();
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    /// <summary>Both workers, from now on.</summary>
    public async Task DependOnBatchAsync(bool depends)
    {
        foreach (string device in (string[])["cpu:0", "cpu:1"])
        {
            string order = $"{(depends ? "depend" : "do not depend")} on the batch on {device}";
            await _process.StandardInput.WriteLineAsync(order);
            await _process.StandardInput.FlushAsync();
            await ReadToAsync($"Obeyed: {order}");
        }
    }

    private async Task<string> ReadToAsync(string beginning)
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (line.StartsWith(beginning, StringComparison.Ordinal))
            {
                return line;
            }
        }

        Assert.Fail($"The node never said '{beginning}'.");
        return "";
    }
}
