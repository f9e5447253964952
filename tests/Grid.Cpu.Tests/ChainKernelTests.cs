using Grid.Cpu.Chains;
using Grid.Numerics;

namespace Grid.Cpu.Tests;

public sealed unsafe class ChainKernelTests
{
    public static TheoryData<CpuInstructionSet> Forms => [CpuInstructionSet.Avx512, CpuInstructionSet.Avx2, CpuInstructionSet.Portable];

    [Theory]
    [MemberData(nameof(Forms))]
    public void A_chain_gives_the_bits_of_the_reference_for_every_number_of_rows(CpuInstructionSet form)
    {
        Assert.SkipUnless(CpuOptions.IsSupported(form), $"This processor has no {form}.");
        for (int rows = 1; rows <= ChainKernel.MaxRows; rows++)
        {
            Compare(form, new Random(rows), rows, steps: 40, width: 3, zeroShare: 0);
        }
    }

    // Widths beyond 2^±30 are not for the vector forms; callers send them to the portable one.
    [Theory]
    [MemberData(nameof(Forms))]
    public void Wide_exponents_zeros_subnormals_and_tiny_sums_keep_the_bits(CpuInstructionSet form)
    {
        Assert.SkipUnless(CpuOptions.IsSupported(form), $"This processor has no {form}.");
        for (int trial = 0; trial < 120; trial++)
        {
            Compare(form, new Random(trial), rows: 1 + (trial % 3), steps: 12, width: trial % 29, zeroShare: trial % 5 * 20, subnormals: trial % 4 == 0, shift: trial % 6 == 0 ? -60 : 0);
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Sums_at_the_edge_of_int32_keep_the_bits(CpuInstructionSet form)
    {
        Assert.SkipUnless(CpuOptions.IsSupported(form), $"This processor has no {form}.");
        ushort[] x = [.. Enumerable.Repeat((ushort)0x3FFF, 32)];
        ushort[] w = [.. Enumerable.Repeat((ushort)0x3FFF, 32 * 16)];
        for (int column = 0; column < 16; column++)
        {
            for (int k = 0; k < column; k++)
            {
                w[(k * 16) + column] = 0x3FF0; // some columns just inside, some just outside
            }
        }

        Compare(form, x, w, rows: 1, steps: 2, start: 1.9999f);
        Compare(form, x, [.. w.Select(v => (ushort)(v | 0x8000))], rows: 1, steps: 2, start: -1.9999f);
    }

    private static void Compare(
        CpuInstructionSet form, Random random, int rows, int steps, int width, int zeroShare, bool subnormals = false, int shift = 0)
    {
        ushort Draw()
        {
            if (random.Next(100) < zeroShare)
            {
                return (ushort)(random.Next(2) << 15);
            }

            int exponent = subnormals && random.Next(6) == 0 ? 0 : Math.Clamp(127 + shift + random.Next(-width, width + 1), 1, 156);
            return (ushort)((random.Next(2) << 15) | (exponent << 7) | random.Next(128));
        }

        ushort[] x = [.. Enumerable.Range(0, rows * steps * 16).Select(_ => Draw())];
        ushort[] w = [.. Enumerable.Range(0, steps * 256).Select(_ => Draw())];
        Compare(form, x, w, rows, steps, start: random.Next(2) == 0 ? 0f : random.NextSingle());
    }

    /// <summary>w is [k][16]; compares every accumulator with the reference chain.</summary>
    private static void Compare(CpuInstructionSet form, ushort[] x, ushort[] w, int rows, int steps, float start)
    {
        int k = steps * 16;
        ushort[] packed = new ushort[w.Length];
        for (int i = 0; i < k; i++)
        {
            for (int c = 0; c < 16; c++)
            {
                packed[(i / 2 * 32) + (c * 2) + (i % 2)] = w[(i * 16) + c];
            }
        }

        float[] wide = [.. x.Select(Bf16.ToSingle)];
        ushort[] exponents = [.. x.Select(v => (ushort)(v & 0x7F80))];
        float[] acc = new float[rows * 16];
        Array.Fill(acc, start);
        fixed (ushort* pw = packed, pe = exponents)
        fixed (float* px = wide, pa = acc)
        {
            ChainKernel.Create(form).Run(pw, steps, px, pe, k, rows, pa, 16);
        }

        CompareTwoTiles(form, packed, wide[..k], exponents[..k], start, acc[..16]);
        for (int r = 0; r < rows; r++)
        {
            for (int c = 0; c < 16; c++)
            {
                float expected = start;
                for (int s = 0; s < steps; s++)
                {
                    ushort[] b = [.. Enumerable.Range(0, 16).Select(i => w[((s * 16 + i) * 16) + c])];
                    expected = Dot16.Step(expected, x.AsSpan((r * k) + (s * 16), 16), b);
                }

                uint e = BitConverter.SingleToUInt32Bits(expected);
                uint a = BitConverter.SingleToUInt32Bits(acc[(r * 16) + c]);
                Assert.True(e == a, $"{form} rows {rows} steps {steps}: row {r} column {c}: reference {e:X8}, kernel {a:X8}");
            }
        }
    }

    /// <summary>One row over the tile and over the same tile with its columns turned by one, side by side.</summary>
    private static void CompareTwoTiles(
        CpuInstructionSet form, ushort[] first, float[] wide, ushort[] exponents, float start, float[] expected)
    {
        ushort[] second = [.. first.Select((_, i) => first[(i / 32 * 32) + ((i + 2) % 32)])];
        float[] acc = new float[32];
        Array.Fill(acc, start);
        fixed (ushort* pf = first, ps = second, pe = exponents)
        fixed (float* px = wide, pa = acc)
        {
            ChainKernel.Create(form).RunTwoTiles(pf, ps, wide.Length / 16, px, pe, pa, pa + 16);
        }

        for (int c = 0; c < 16; c++)
        {
            AssertBits(expected[c], acc[c], c);
            AssertBits(expected[(c + 1) % 16], acc[16 + c], 16 + c);
        }

        void AssertBits(float one, float two, int column) => Assert.True(
            BitConverter.SingleToUInt32Bits(one) == BitConverter.SingleToUInt32Bits(two),
            $"{form} two tiles: column {column}: {BitConverter.SingleToUInt32Bits(one):X8} alone, {BitConverter.SingleToUInt32Bits(two):X8} beside another tile");
    }
}
