namespace Grid.Cuda.Tests;

/// <summary>Texts that travel inside this assembly.</summary>
internal static class TestResource
{
    public static string Read(string name)
    {
        using var stream = typeof(TestResource).Assembly.GetManifestResourceStream(name)
            ?? throw new ArgumentException($"There is no resource {name}.", nameof(name));
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
