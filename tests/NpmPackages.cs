using System.ComponentModel;
using System.Diagnostics;

namespace Grid;

/// <summary>npm packages that tests need: restored into the build folder by 'npm ci', which compares them with the digests of the lock
/// file.</summary>
internal static class NpmPackages
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    /// <summary>Restores the packages of a folder's package-lock.json into its node_modules, unless they are there.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="withoutBundles">Whether their bundled scripts are dropped.</param>
    /// <returns>Null when they are there, else why not.</returns>
    public static string? Restore(string folder, bool withoutBundles = false)
    {
        string marker = Path.Combine(folder, "restored.json");
        byte[] wanted = File.ReadAllBytes(Path.Combine(folder, "package-lock.json"));
        if (File.Exists(marker) && File.ReadAllBytes(marker).AsSpan().SequenceEqual(wanted))
        {
            return null;
        }

        if (Install(folder) is { } failure)
        {
            return failure;
        }

        if (withoutBundles)
        {
            foreach (string bundle in Directory.GetDirectories(Path.Combine(folder, "node_modules"), "dist", SearchOption.AllDirectories))
            {
                Directory.Delete(bundle, recursive: true);
            }
        }

        File.WriteAllBytes(marker, wanted);
        return null;
    }

    private static string? Install(string folder)
    {
        string[] arguments =
            ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000"];
        var start = new ProcessStartInfo
        {
            // npm is a script on Windows, which only the command interpreter starts.
            FileName = OperatingSystem.IsWindows() ? "cmd.exe" : "npm",
            WorkingDirectory = folder,
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
