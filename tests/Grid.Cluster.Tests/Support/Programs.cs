using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Grid.Cluster.Tests.Support;

/// <summary>Programs of the machine that the tests use.</summary>
internal static class Programs
{
    /// <summary>Longest wait for anything; only a failure reaches it.</summary>
    public static TimeSpan Patience { get; } = TimeSpan.FromSeconds(90);

    /// <summary>Where a program is, in PATH or in one of the folders named (a * stands for one part of the path).</summary>
    public static string? Find(string name, params string[] folders) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')
            .Concat(folders.SelectMany(Expand)).Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>Runs a program to its end and gives what it printed, whatever its exit code.</summary>
    public static async Task<string> OutputAsync(string program, params string[] arguments)
    {
        using var process = Start(program, arguments);
        var error = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync();
        await error;
        await process.WaitForExitAsync();
        return output;
    }

    /// <summary>Runs a program to its end; what it printed is the exception's message when it failed.</summary>
    public static async Task RunAsync(string program, params string[] arguments)
    {
        using var process = Start(program, arguments);
        var error = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}: {output}{await error}");
        }
    }

    public static Process Start(string program, params string[] arguments) => Process.Start(
        new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/" })!;

    /// <summary>Asks again and again until it works; waiting for a server has no other way.</summary>
    public static async Task UntilAsync(Func<Task<bool>> works, string otherwise)
    {
        using var patience = new CancellationTokenSource(Patience);
        while (!await works())
        {
            Assert.False(patience.IsCancellationRequested, otherwise);
            await Task.Delay(25, CancellationToken.None);
        }
    }

    private static string[] Expand(string folder)
    {
        int star = folder.IndexOf("/*/", StringComparison.Ordinal);
        return star < 0 ? [folder]
            : Directory.Exists(folder[..star]) ? [.. Directory.GetDirectories(folder[..star]).Order().Reverse().Select(found => found + folder[(star + 2)..])]
            : [];
    }
}
