namespace Grid.Numerics.Tests;

public sealed class RowReductionTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(8, 1)]
    [InlineData(9, 2)]
    [InlineData(16, 2)]
    [InlineData(64, 8)]
    [InlineData(65, 16)]
    [InlineData(1024, 128)]
    [InlineData(1025, 256)]
    [InlineData(2048, 256)]
    [InlineData(4096, 256)]
    [InlineData(151936, 256)]
    public void Lanes_follow_the_length_alone(int n, int lanes) => Assert.Equal(lanes, RowReduction.Lanes(n));

    [Fact]
    public void Every_length_sums_in_the_tree_of_the_text()
    {
        for (int n = 1; n < 6000; n += n < 300 ? 1 : 53)
        {
            float[] row = Row(n);
            BitAssert.Equal(Tree(row, (s, x) => s + x), RowReduction.Sum(row), $"sum, n = {n}");
            BitAssert.Equal(
                Tree(row, (s, x) => MathF.FusedMultiplyAdd(x, x, s)), RowReduction.SumOfSquares(row),
                $"sum of squares, n = {n}");
        }
    }

    [Fact]
    public void Eleven_numbers_by_hand()
    {
        // Two lanes: 2^24 + 1 + 1 loses both ones in lane 0; lane 1 keeps 1 + 1 + 1.
        float[] row = [16777216f, 1f, 1f, 0f, 0f, 0f, 0f, 0f, 1f, 1f, 1f];
        Assert.Equal(16777216f + 3f, RowReduction.Sum(row));
        Assert.Equal(16777220f, RowReduction.Sum(row));
        Assert.Equal(16777216f, Sequential(row));
    }

    [Fact]
    public void The_tree_differs_from_a_running_sum()
    {
        // Otherwise the tests above could not tell one order from another.
        int different = 0;
        for (int n = 100; n < 200; n++)
        {
            float[] row = Row(n);
            different += RowReduction.Sum(row) == Sequential(row) ? 0 : 1;
        }

        Assert.InRange(different, 30, 100);
    }

    [Fact]
    public void Max_finds_the_largest_wherever_it_is()
    {
        float[] row = Row(333);
        for (int i = 0; i < row.Length; i++)
        {
            float kept = row[i];
            row[i] = 1e9f;
            Assert.Equal(1e9f, RowReduction.Max(row));
            row[i] = kept;
        }

        Assert.Equal(-3f, RowReduction.Max([-5f, -3f, -4f]));
        Assert.Throws<ArgumentException>(() => RowReduction.Max([]));
    }

    [Fact]
    public void Rms_norm_follows_the_formula_operation_by_operation()
    {
        // Many rows: rounding to bf16 hides all but one in thousands of differences in fp32.
        foreach (int n in (int[])[8, 64, 128, 1000, .. Enumerable.Range(4000, 200)])
        {
            float[] x = Row(n);
            ushort[] row = [.. x.Select(Bf16.FromSingle)];
            ushort[] weight = [.. Row(n + 1).Take(n).Select(Bf16.FromSingle)];
            ushort[] actual = new ushort[n];
            RmsNormReference.Normalize(row, weight, 1e-6f, actual);

            float sum = Tree([.. row.Select(Bf16.ToSingle)], (s, v) => MathF.FusedMultiplyAdd(v, v, s));
            float mean = sum / n;
            float inverse = 1f / MathF.Sqrt(mean + 1e-6f);
            for (int i = 0; i < n; i++)
            {
                float scaled = Bf16.ToSingle(row[i]) * inverse;
                if (Bf16.FromSingle(scaled * Bf16.ToSingle(weight[i])) != actual[i])
                {
                    Assert.Fail($"n = {n}, element {i}: got {actual[i]:X4}");
                }
            }
        }
    }

    [Fact]
    public void Rms_norm_refuses_unequal_lengths() =>
        Assert.Throws<ArgumentException>(() => RmsNormReference.Normalize(new ushort[8], new ushort[7], 1e-6f, new ushort[8]));

    // Another way to say the tree: every element is sent to lane (index / 8) mod L, in ascending order.
    private static float Tree(ReadOnlySpan<float> row, Func<float, float, float> step)
    {
        int lanes = 1;
        while (lanes * 8 < row.Length && lanes < 256)
        {
            lanes <<= 1;
        }

        float[] sums = new float[lanes];
        for (int i = 0; i < row.Length; i++)
        {
            sums[(i / 8) % lanes] = step(sums[(i / 8) % lanes], row[i]);
        }

        return Halve(sums);
    }

    private static float Halve(float[] sums) => sums.Length == 1
        ? sums[0]
        : Halve([.. sums.Take(sums.Length / 2).Zip(sums.Skip(sums.Length / 2), (a, b) => a + b)]);

    private static float Sequential(float[] row)
    {
        float sum = 0f;
        foreach (float x in row)
        {
            sum += x;
        }

        return sum;
    }

    private static float[] Row(int n)
    {
        float[] row = new float[n];
        for (int i = 0; i < n; i++)
        {
            int bits = (int)(Philox4x32.Draw((ulong)n, i, 99) >> 40);
            row[i] = (bits - (1 << 23)) * MathF.ScaleB(1f, -20 + (i % 5));
        }

        return row;
    }
}
