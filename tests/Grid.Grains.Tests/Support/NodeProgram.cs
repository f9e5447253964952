using System.Diagnostics;

namespace Grid.Grains.Tests.Support;

/// <summary>The silo's or the gateway's program as its operator starts it.</summary>
internal static class NodeProgram
{
    public static Process Start(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, program), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["HF_HUB_OFFLINE"] = "1"; // Tests ask no one.
        return Process.Start(start)!;
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
