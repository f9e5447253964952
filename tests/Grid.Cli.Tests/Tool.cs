using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Grid.Cli.Tests;

/// <summary>The tool as its user starts it.</summary>
internal static class Tool
{
    /// <summary>Runs it to its end.</summary>
    public static async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using var process = Start(arguments);
        var error = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, output, await error);
    }

    /// <summary>Starts it.</summary>
    public static Process Start(params string[] arguments)
    {
        // A shell's background job, which a test run may be, has Ctrl+C ignored, and so would its children.
        var start = new ProcessStartInfo("env", ["--default-signal=INT", "dotnet", Program(), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment.Remove("GRID_API_KEY");
        return Process.Start(start)!;
    }

    /// <summary>Where it was built. Beside the tests it lacks what ASP.NET, which the node has and the tool has not, brings along.</summary>
    private static string Program([CallerFilePath] string here = "")
    {
        string[] built = AppContext.BaseDirectory.TrimEnd('/').Split('/')[^2..];
        return Path.Combine([Path.GetDirectoryName(here)!, "..", "..", "src", "Grid.Cli", "bin", .. built, "grid.dll"]);
    }
}
