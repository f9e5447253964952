using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Grid.Text.Tests.RealModels;

/// <summary>What the Hugging Face libraries said; written by Reference/make_cases.py.</summary>
internal static class Reference
{
    private static readonly Lazy<string[]> AllTexts = new(
        () => [.. Lines("strings.jsonl.gz").Select(line => JsonSerializer.Deserialize<string>(line)!)]);

    /// <summary>10,000 texts.</summary>
    public static string[] Texts => AllTexts.Value;

    /// <summary>The lines of a file of the reference folder.</summary>
    public static IEnumerable<string> Lines(string file)
    {
        using var packed = File.OpenRead(Path.Combine(AppContext.BaseDirectory, "RealModels", "Reference", file));
        using var reader = new StreamReader(new GZipStream(packed, CompressionMode.Decompress));
        while (reader.ReadLine() is { } line)
        {
            yield return line;
        }
    }

    /// <summary>Digest of a text, as in the reference files.</summary>
    public static string Digest(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 5));

    /// <summary>Digest of ids, as in the reference files.</summary>
    public static string Digest(int[] ids) => Digest(string.Join(' ', ids));
}
