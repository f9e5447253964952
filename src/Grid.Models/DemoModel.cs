namespace Grid.Models;

/// <summary>The small model that ships with Grid (src/DemoModel), so that a bare machine can serve at once.</summary>
public static class DemoModel
{
    /// <summary>The model's name.</summary>
    public const string Name = "demo";

    /// <summary>Its folder, beside the program.</summary>
    public static string Path { get; } = System.IO.Path.Combine(AppContext.BaseDirectory, "models", Name);
}
