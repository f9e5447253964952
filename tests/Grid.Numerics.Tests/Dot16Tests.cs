using System.Numerics;

namespace Grid.Numerics.Tests;

public sealed class Dot16Tests
{
    [Fact]
    public void Every_output_captured_from_an_H100_is_reproduced()
    {
        float[] expected = Dot16Cases.ReadOutputs();
        Assert.True(expected.Length >= 100_000);
        int next = 0;
        for (int mode = 0; mode < Dot16Cases.Modes; mode++)
        {
            foreach ((int k, int rows, int columns) in Dot16Cases.Shapes)
            {
                ushort[] a = Dot16Cases.Matrix(mode, 0, rows, k);
                ushort[] b = Dot16Cases.Matrix(mode, 1, columns, k);
                for (int r = 0; r < rows; r++)
                {
                    for (int c = 0; c < columns; c++)
                    {
                        float actual = Dot16.Chain(a.AsSpan(r * k, k), b.AsSpan(c * k, k));
                        if (Bits(actual) != Bits(expected[next]))
                        {
                            Assert.Fail($"mode {mode} K {k} row {r} column {c}: H100 {Bits(expected[next]):X8}, Dot16 {Bits(actual):X8}");
                        }

                        next++;
                    }
                }
            }
        }

        Assert.Equal(expected.Length, next);
    }

    [Fact]
    public void A_step_equals_the_definition_in_big_integers()
    {
        var random = new Random(7);
        ushort[] a = new ushort[16];
        ushort[] b = new ushort[16];
        for (int trial = 0; trial < 300_000; trial++)
        {
            int width = trial % 7 * 9;
            for (int i = 0; i < 16; i++)
            {
                a[i] = Draw(random, width);
                b[i] = Draw(random, width);
            }

            uint accBits = random.Next(8) == 0 ? (uint)random.Next(1 << 23)
                : ((uint)random.Next(2) << 31) | ((uint)Math.Clamp(127 + random.Next(-2 * width, (2 * width) + 1), 1, 250) << 23) | (uint)random.Next(1 << 23);
            float acc = BitConverter.UInt32BitsToSingle(accBits);
            float actual = Dot16.Step(acc, a, b);
            float expected = Definition(acc, a, b);
            Assert.True(Bits(expected) == Bits(actual), $"trial {trial}: definition {Bits(expected):X8}, Dot16 {Bits(actual):X8}");
        }
    }

    [Fact]
    public void The_order_of_the_sixteen_products_does_not_matter()
    {
        var random = new Random(3);
        for (int trial = 0; trial < 10_000; trial++)
        {
            ushort[] a = new ushort[16];
            ushort[] b = new ushort[16];
            for (int i = 0; i < 16; i++)
            {
                a[i] = Draw(random, 12);
                b[i] = Draw(random, 12);
            }

            float once = Dot16.Step(0.75f, a, b);
            int[] order = [.. Enumerable.Range(0, 16)];
            random.Shuffle(order);
            float again = Dot16.Step(0.75f, [.. order.Select(i => a[i])], [.. order.Select(i => b[i])]);
            Assert.Equal(Bits(once), Bits(again));
        }
    }

    [Fact]
    public void Padding_a_chain_with_zeros_changes_nothing()
    {
        ushort[] x = Dot16Cases.Matrix(0, 0, 1, 40);
        ushort[] w = Dot16Cases.Matrix(0, 1, 1, 40);
        float bare = Dot16.Chain(x, w);
        float padded = Dot16.Chain([.. x, .. new ushort[24]], [.. w, .. new ushort[24]]);
        Assert.Equal(Bits(bare), Bits(padded));
    }

    [Fact]
    public void A_zero_sum_is_positive_zero()
    {
        ushort[] a = new ushort[16];
        ushort[] b = new ushort[16];
        a[0] = 0x8000;
        b[0] = Bf16.One;
        Assert.Equal(0u, Bits(Dot16.Step(-0f, a, b)));
        a[0] = a[1] = Bf16.One;
        b[1] = 0xBF80;
        Assert.Equal(0u, Bits(Dot16.Step(0f, a, b)));
    }

    [Fact]
    public void A_non_finite_input_gives_NaN()
    {
        ushort[] a = new ushort[16];
        ushort[] b = new ushort[16];
        b[5] = 0x7F80;
        Assert.True(float.IsNaN(Dot16.Step(0f, a, b)));
        Assert.True(float.IsNaN(Dot16.Step(float.PositiveInfinity, a, a)));
    }

    private static uint Bits(float value) => BitConverter.SingleToUInt32Bits(value);

    private static ushort Draw(Random random, int width) => random.Next(12) switch
    {
        0 => (ushort)(random.Next(2) << 15),
        1 => (ushort)((random.Next(2) << 15) | random.Next(128)),
        _ => (ushort)((random.Next(2) << 15) | (Math.Clamp(127 + random.Next(-width, width + 1), 1, 254) << 7) | random.Next(128)),
    };

    /// <summary>The contract's five sentences, with unbounded integers and no shortcut.</summary>
    private static float Definition(float acc, ushort[] a, ushort[] b)
    {
        var terms = new List<(BigInteger Significand, int Fraction, int Exponent)> { Decode(acc) };
        for (int i = 0; i < 16; i++)
        {
            (var sa, _, int ea) = DecodeBf16(a[i]);
            (var sb, _, int eb) = DecodeBf16(b[i]);
            terms.Add((sa * sb, 14, ea + eb));
        }

        int largest = Math.Max(-133, terms.Where(t => !t.Significand.IsZero).Select(t => t.Exponent).DefaultIfEmpty(-133).Max());
        var sum = BigInteger.Zero;
        foreach ((var significand, int fraction, int exponent) in terms)
        {
            int shift = 25 - fraction + exponent - largest;
            var magnitude = BigInteger.Abs(significand);
            magnitude = shift >= 0 ? magnitude << shift : magnitude >> -shift;
            sum += significand.Sign * magnitude;
        }

        if (sum.IsZero)
        {
            return 0f;
        }

        // Truncate sum * 2^(largest - 25): drop bits until 24 remain, or until the unit is 2^-149.
        var m = BigInteger.Abs(sum);
        int unit = largest - 25;
        while (m >= BigInteger.One << 24 || unit < -149)
        {
            m >>= 1;
            unit++;
        }

        return m.IsZero ? 0f : (float)(sum.Sign * (double)m * Math.ScaleB(1.0, unit));
    }

    private static (BigInteger, int, int) Decode(float value)
    {
        uint u = Bits(value);
        int field = (int)(u >> 23) & 0xFF;
        BigInteger significand = (u & 0x7FFFFF) | (field == 0 ? 0u : 0x800000);
        return (u >> 31 != 0 ? -significand : significand, 23, Math.Max(field, 1) - 127);
    }

    private static (BigInteger, int, int) DecodeBf16(ushort value)
    {
        int field = (value >> 7) & 0xFF;
        BigInteger significand = (value & 0x7F) | (field == 0 ? 0 : 0x80);
        return (value >> 15 != 0 ? -significand : significand, 7, Math.Max(field, 1) - 127);
    }
}
