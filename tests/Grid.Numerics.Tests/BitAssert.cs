namespace Grid.Numerics.Tests;

/// <summary>Equality of bits, never with a tolerance.</summary>
internal static class BitAssert
{
    public static void Equal(float expected, float actual, string where)
    {
        uint e = BitConverter.SingleToUInt32Bits(expected);
        uint a = BitConverter.SingleToUInt32Bits(actual);
        Assert.True(e == a, $"{where}: expected {e:X8} ({expected:R}), got {a:X8} ({actual:R})");
    }
}
