using System.Numerics;

namespace Grid.Numerics;

/// <summary>
/// The contract's fused step: an fp32 accumulator plus 16 products of bf16 values, added as the Hopper tensor core adds
/// them. This is the reference implementation, in integers; fast forms elsewhere must give its bits.
/// </summary>
public static class Dot16
{
    /// <summary>Products in one step.</summary>
    public const int Terms = 16;

    private const int FractionBits = 25;
    private const int LeastExponent = -133;

    /// <summary>
    /// acc + Σ a[i]*b[i] over 16 terms: every term is aligned to the largest exponent, truncated to 25 fraction bits,
    /// added exactly, and the sum truncated to fp32. A non-finite input gives NaN (outside the contract).
    /// </summary>
    /// <param name="acc">The accumulator.</param>
    /// <param name="a">16 bf16 values.</param>
    /// <param name="b">16 bf16 values.</param>
    public static float Step(float acc, ReadOnlySpan<ushort> a, ReadOnlySpan<ushort> b)
    {
        Span<int> significands = stackalloc int[Terms];
        Span<int> exponents = stackalloc int[Terms];
        uint c = BitConverter.SingleToUInt32Bits(acc);
        int cExponent = Math.Max((int)(c >> 23) & 0xFF, 1) - 127;
        long cSignificand = (c & 0x7F800000) == 0 ? c & 0x7FFFFF : (c & 0x7FFFFF) | 0x800000;
        if ((c & 0x7F800000) == 0x7F800000)
        {
            return float.NaN;
        }

        int largest = cSignificand != 0 ? Math.Max(cExponent, LeastExponent) : LeastExponent;
        for (int i = 0; i < Terms; i++)
        {
            int fa = (a[i] >> 7) & 0xFF;
            int fb = (b[i] >> 7) & 0xFF;
            if (fa == 0xFF || fb == 0xFF)
            {
                return float.NaN;
            }

            // Subnormals have no hidden bit and the exponent of the smallest normal.
            int product = ((a[i] & 0x7F) | (fa == 0 ? 0 : 0x80)) * ((b[i] & 0x7F) | (fb == 0 ? 0 : 0x80));
            int exponent = Math.Max(fa, 1) + Math.Max(fb, 1) - 254;
            significands[i] = ((a[i] ^ b[i]) & 0x8000) != 0 ? -product : product;
            exponents[i] = exponent;
            if (product != 0 && exponent > largest)
            {
                largest = exponent;
            }
        }

        long sum = Align(cSignificand, FractionBits - 23 + cExponent - largest);
        if ((int)c < 0)
        {
            sum = -sum;
        }

        for (int i = 0; i < Terms; i++)
        {
            long magnitude = Align(Math.Abs(significands[i]), FractionBits - 14 + exponents[i] - largest);
            sum += significands[i] < 0 ? -magnitude : magnitude;
        }

        return Truncate(sum, largest - FractionBits);
    }

    /// <summary>
    /// One chain: acc = +0, then <see cref="Step"/> over ascending k in sixteens; the tail is padded with zeros.
    /// </summary>
    /// <param name="x">K bf16 values.</param>
    /// <param name="w">K bf16 values.</param>
    public static float Chain(ReadOnlySpan<ushort> x, ReadOnlySpan<ushort> w)
    {
        if (x.Length != w.Length)
        {
            throw new ArgumentException($"w has {w.Length} values and x has {x.Length}; a chain needs as many of each.", nameof(w));
        }

        float acc = 0f;
        int k = 0;
        for (; k + Terms <= x.Length; k += Terms)
        {
            acc = Step(acc, x.Slice(k, Terms), w.Slice(k, Terms));
        }

        if (k < x.Length)
        {
            Span<ushort> px = stackalloc ushort[Terms];
            Span<ushort> pw = stackalloc ushort[Terms];
            px.Clear();
            pw.Clear();
            x[k..].CopyTo(px);
            w[k..].CopyTo(pw);
            acc = Step(acc, px, pw);
        }

        return acc;
    }

    private static long Align(long magnitude, int shift) =>
        shift >= 0 ? magnitude << shift : shift < -62 ? 0 : magnitude >> -shift;

    /// <summary>sum * 2^exponent truncated toward zero to fp32; a zero result is +0.</summary>
    private static float Truncate(long sum, int exponent)
    {
        ulong magnitude = (ulong)Math.Abs(sum);
        if (magnitude == 0)
        {
            return 0f;
        }

        int leading = BitOperations.Log2(magnitude) + exponent;
        if (leading > 127)
        {
            return sum < 0 ? float.NegativeInfinity : float.PositiveInfinity;
        }

        int resultExponent = Math.Max(leading, -126);
        int drop = resultExponent - 23 - exponent;
        uint significand = (uint)(drop > 0 ? (drop > 63 ? 0 : magnitude >> drop) : magnitude << -drop);
        if (significand == 0)
        {
            return 0f; // also where something negative was truncated away
        }

        uint bits = significand < 0x800000 ? significand : ((uint)(resultExponent + 127) << 23) | (significand & 0x7FFFFF);
        return BitConverter.UInt32BitsToSingle(bits | (sum < 0 ? 0x80000000u : 0));
    }
}
