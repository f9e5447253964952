using System.Buffers.Binary;

namespace Grid.Cuda.Tests;

/// <summary>Some output bits of a device, and what they are called.</summary>
internal sealed record Result(string What, int Width, int ElementBytes, byte[] Bits)
{
    public int Elements => Bits.Length / ElementBytes;

    public string Difference(Result actual)
    {
        if (What != actual.What || Bits.Length != actual.Bits.Length)
        {
            return $"{What} of {Bits.Length} bytes is {actual.What} of {actual.Bits.Length} bytes";
        }

        int[] differing = [.. Enumerable.Range(0, Elements).Where(i => At(i) != actual.At(i))];
        int first = differing[0];
        string format = $"X{2 * ElementBytes}";
        return $"{What}: {differing.Length} of {Elements} elements in {differing.Select(i => i / Width).Distinct().Count()} rows differ, "
            + $"first row {first / Width}, column {first % Width}: expected {At(first).ToString(format)}, got {actual.At(first).ToString(format)}";
    }

    private uint At(int element)
    {
        ReadOnlySpan<byte> bits = Bits.AsSpan(element * ElementBytes);
        return ElementBytes == 2 ? BinaryPrimitives.ReadUInt16LittleEndian(bits) : BinaryPrimitives.ReadUInt32LittleEndian(bits);
    }
}

/// <summary>Compares results byte for byte and counts what it compared.</summary>
internal static class Comparison
{
    private const int ShownDifferences = 8;
    private static long s_elements;

    /// <summary>Elements compared so far, over all tests of this run.</summary>
    public static long Elements => Interlocked.Read(ref s_elements);

    public static void RequireEqual(IReadOnlyList<Result> expected, IReadOnlyList<Result> actual)
    {
        Assert.Equal(expected.Count, actual.Count);
        long compared = 0;
        var differences = new List<string>();
        for (int i = 0; i < expected.Count; i++)
        {
            compared += expected[i].Elements;
            if (!expected[i].Bits.AsSpan().SequenceEqual(actual[i].Bits) || expected[i].What != actual[i].What)
            {
                differences.Add(expected[i].Difference(actual[i]));
            }
        }

        Count(compared);
        Assert.True(
            differences.Count == 0,
            $"{differences.Count} of {expected.Count} results differ:\n{string.Join('\n', differences.Take(ShownDifferences))}");
    }

    /// <summary>Adds to the count and tells the test's reader; GRID_COMPARED names a file that keeps it.</summary>
    public static void Count(long elements)
    {
        long all = Interlocked.Add(ref s_elements, elements);
        string line = $"{TestContext.Current.TestCase?.TestCaseDisplayName}: compared {elements:N0} elements, {all:N0} in all";
        TestContext.Current.TestOutputHelper?.WriteLine(line);
        if (Environment.GetEnvironmentVariable("GRID_COMPARED") is { Length: > 0 } file)
        {
            File.AppendAllText(file, line + "\n");
        }
    }
}
