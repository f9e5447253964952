namespace Grid.Models.Tests;

public class RotaryEmbeddingTests
{
    [Theory]
    [InlineData(300, 16, 1e4)]
    [InlineData(40960, 128, 1e6)]
    public void The_tables_are_cos_and_sin_of_position_times_frequency(int positions, int headDim, double theta)
    {
        var tables = RotaryEmbedding.Compute(positions, headDim, theta);

        // The platform's own functions differ between systems in their last bits of double. The angle itself is rounded
        // too, by up to positions * 2^-53: far below the fp32 rounding that is allowed here.
        double worst = 0;
        for (int p = 0; p < positions; p++)
        {
            for (int i = 0; i < headDim / 2; i++)
            {
                double angle = p * Math.Pow(theta, -2.0 * i / headDim);
                worst = Math.Max(worst, Math.Abs(tables.Cos[p * headDim / 2 + i] - Math.Cos(angle)));
                worst = Math.Max(worst, Math.Abs(tables.Sin[p * headDim / 2 + i] - Math.Sin(angle)));
            }
        }

        Assert.InRange(worst, 0, 0.5 * Math.Pow(2, -24) * 1.001 + 1e-10);
    }

    [Fact]
    public void Scaling_divides_slow_frequencies_keeps_fast_ones_and_blends_between()
    {
        // 64 positions: frequency 1 turns 10 times, 10^-1 once, 10^-2 a tenth.
        var scaling = new Llama3RopeScaling(Factor: 8, LowFrequencyFactor: 0.5, HighFrequencyFactor: 4, OriginalMaxPositions: 64);
        var tables = RotaryEmbedding.Compute(300, 6, 1000, scaling);

        double turns = 64 * 0.1 / (2 * Math.PI);
        double share = (turns - 0.5) / 3.5;
        double[] frequencies = [1, ((1 - share) * 0.1 / 8) + (share * 0.1), 0.01 / 8];
        for (int p = 0; p < 300; p++)
        {
            for (int i = 0; i < 3; i++)
            {
                Assert.InRange(tables.Cos[(p * 3) + i] - Math.Cos(p * frequencies[i]), -1e-7, 1e-7);
                Assert.InRange(tables.Sin[(p * 3) + i] - Math.Sin(p * frequencies[i]), -1e-7, 1e-7);
            }
        }
    }

    [Fact]
    public void A_factor_of_one_changes_no_bit_of_frequencies_at_either_end()
    {
        var plain = RotaryEmbedding.Compute(200, 2, 1e4);
        var scaled = RotaryEmbedding.Compute(200, 2, 1e4, new Llama3RopeScaling(1, 1, 4, 64));

        Assert.Equal(plain.Cos, scaled.Cos);
        Assert.Equal(plain.Sin, scaled.Sin);
    }

    [Fact]
    public void Position_0_does_not_turn()
    {
        var tables = RotaryEmbedding.Compute(2, 8, 1e4);

        Assert.Equal([1f, 1f, 1f, 1f], tables.Cos[..4]);
        Assert.Equal([0f, 0f, 0f, 0f], tables.Sin[..4]);
        Assert.Equal((0.5403023f, 0.84147096f), (tables.Cos[4], tables.Sin[4]));
    }

    [Theory]
    [InlineData(0, 8, 1e4)]
    [InlineData(4, 7, 1e4)]
    [InlineData(4, 0, 1e4)]
    [InlineData(4, 8, 0.5)]
    public void Impossible_tables_are_refused(int positions, int headDim, double theta) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => RotaryEmbedding.Compute(positions, headDim, theta));
}
