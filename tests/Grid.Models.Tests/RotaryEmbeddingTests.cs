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
