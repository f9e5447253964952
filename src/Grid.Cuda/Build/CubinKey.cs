using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Grid.Cuda.Build;

/// <summary>SHA-256 over everything that decides the machine code: compiler, options, definitions, every text.</summary>
internal static class CubinKey
{
    /// <summary>Changes when the way of hashing or the file's format does.</summary>
    private const string Format = "grid cubin 1";

    /// <summary>64 hexadecimal digits.</summary>
    public static string Of(IKernelCompiler compiler, KernelSource source)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Add(hash, Format);
        Add(hash, compiler.Identity);
        AddAll(hash, compiler.Options);
        AddAll(hash, source.Definitions);
        Add(hash, source.Name);
        Add(hash, source.Text);
        AddAll(hash, [.. source.Headers.SelectMany(header => (string[])[header.Name, header.Text])]);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static void AddAll(IncrementalHash hash, IReadOnlyList<string> texts)
    {
        Add(hash, texts.Count);
        foreach (string text in texts)
        {
            Add(hash, text);
        }
    }

    // Every text goes in with its length, so that no two lists of texts hash the same bytes.
    private static void Add(IncrementalHash hash, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Add(hash, bytes.Length);
        hash.AppendData(bytes);
    }

    private static void Add(IncrementalHash hash, int number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, number);
        hash.AppendData(bytes);
    }
}
