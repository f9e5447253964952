namespace Grid.Models;

/// <summary>Configurations of published models that ship with Grid, without weights, for <see cref="LoadFormat.Dummy"/>.</summary>
public static class ShippedConfigs
{
    private static readonly string s_root = Path.Combine(AppContext.BaseDirectory, "models", "configs");

    /// <summary>Their names, "org/name", in ordinal order.</summary>
    public static IReadOnlyList<string> Names { get; } = !Directory.Exists(s_root) ? [] :
        [.. Directory.EnumerateFiles(s_root, "config.json", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(s_root, Path.GetDirectoryName(file)!).Replace(Path.DirectorySeparatorChar, '/'))
            .Order(StringComparer.Ordinal)];

    /// <summary>The folder of a name; null when none of that name ships.</summary>
    public static string? Find(string name) =>
        Names.Contains(name, StringComparer.Ordinal) ? Path.Combine(s_root, name.Replace('/', Path.DirectorySeparatorChar)) : null;
}
