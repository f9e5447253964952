using System.Diagnostics;

namespace Grid.Grains.Tests.Support;

/// <summary>The silo's or the gateway's program as its operator starts it.</summary>
internal static class NodeProgram
{
    /// <summary>Longer than any test needs it: a test that waits for one that does not end fails then.</summary>
    private static readonly TimeSpan s_life = TimeSpan.FromMinutes(4);

    public static Process Start(string program, params string[] arguments)
    {
        // A shell's background job, which a test run may be, has Ctrl+C ignored, and so would its children.
        var start = new ProcessStartInfo("env", ["--default-signal=INT", "dotnet", Path.Combine(AppContext.BaseDirectory, program), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["HF_HUB_OFFLINE"] = "1"; // Tests ask no one.
        var process = Process.Start(start)!;
        _ = EndAsync(process.Id, process.StartTime);
        return process;
    }

    private static async Task EndAsync(int id, DateTime started)
    {
        await Task.Delay(s_life);
        try
        {
            using var process = Process.GetProcessById(id);
            if (process.StartTime == started)
            {
                process.Kill();
            }
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException)
        {
            // It has ended, as it should.
        }
    }

    /// <summary>Sends it a signal ("TERM", "INT").</summary>
    public static async Task SignalAsync(Process process, string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", $"{process.Id}"]);
        await kill.WaitForExitAsync();
    }

    /// <summary>Reads its standard output up to a line with this beginning, and gives that.</summary>
    public static async Task<string> ReadToAsync(Process process, string beginning)
    {
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (line.StartsWith(beginning, StringComparison.Ordinal))
            {
                return line;
            }
        }

        Assert.Fail($"It never said '{beginning}': {await process.StandardError.ReadToEndAsync()}");
        return "";
    }
}
