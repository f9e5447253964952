namespace Grid.Cuda.Tests;

/// <summary>Equality of bytes, never with a tolerance; a failure shows the first differing coordinate.</summary>
internal static class Bits
{
    public static void Equal(ReadOnlySpan<ushort> expected, ReadOnlySpan<ushort> actual, int width, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        int same = expected.CommonPrefixLength(actual);
        if (same < expected.Length)
        {
            Assert.Fail($"{what}: row {same / width}, column {same % width}: expected {expected[same]:X4}, got {actual[same]:X4}");
        }
    }
}
