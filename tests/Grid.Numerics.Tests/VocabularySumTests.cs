using System.Numerics;
using System.Runtime.Intrinsics;

namespace Grid.Numerics.Tests;

public sealed class VocabularySumTests
{
    [Fact]
    public void Weights_are_the_floor_of_the_scaled_exponential()
    {
        Assert.Equal(VocabularySum.One, VocabularySum.Weight(0f));
        Assert.Equal(VocabularySum.One, VocabularySum.Weight(-0f));
        Assert.Equal(VocabularySum.One >> 1, VocabularySum.Weight(-1f));
        Assert.Equal(1UL, VocabularySum.Weight(-40f));
        Assert.Equal(0UL, VocabularySum.Weight(-40.001f));
        Assert.Equal(0UL, VocabularySum.Weight(-200f));
        Assert.Equal(0UL, VocabularySum.Weight(float.NegativeInfinity));
        for (float e = 0f; e > -60f; e -= 0.00173f)
        {
            var exact = new BigInteger(Math.Floor((double)Transcendentals.Exp2(e) * VocabularySum.One));
            Assert.Equal(exact, VocabularySum.Weight(e));
        }
    }

    [Fact]
    public void Vectors_weigh_as_scalars_do()
    {
        Span<float> exponents = stackalloc float[16];
        for (int i = 0; i < 200_000; i++)
        {
            for (int lane = 0; lane < 16; lane++)
            {
                exponents[lane] = i == 0 && lane == 3 ? float.NegativeInfinity : ((i * 16) + lane) * -2.1e-5f;
            }

            (var lower, var upper) = VocabularySum.Weight(Vector512.Create(exponents));
            for (int lane = 0; lane < 16; lane++)
            {
                ulong expected = VocabularySum.Weight(exponents[lane]);
                Assert.Equal(expected, lane < 8 ? lower[lane] : upper[lane - 8]);
            }
        }
    }

    [Fact]
    public void A_sum_becomes_a_float_with_one_rounding()
    {
        // Through double this would lose the last 1 and then round the tie to even.
        Assert.Equal(MathF.ScaleB(1f, 63) + MathF.ScaleB(1f, 40), VocabularySum.ToSingle((1UL << 63) + (1UL << 39) + 1));
        Assert.Equal(MathF.ScaleB(1f, 63), VocabularySum.ToSingle((1UL << 63) + (1UL << 39)));
        Assert.Equal(MathF.ScaleB(1f, 64), VocabularySum.ToSingle(ulong.MaxValue));
        Assert.Equal(0f, VocabularySum.ToSingle(0));
        for (int i = 0; i < 100_000; i++)
        {
            ulong value = Philox4x32.Draw(5, i, 0) >> (i % 64);
            float rounded = VocabularySum.ToSingle(value);
            var error = BigInteger.Abs(new BigInteger(rounded) - value);
            int bits = 64 - BitOperations.LeadingZeroCount(value);
            var spacing = bits > 24 ? BigInteger.One << (bits - 24) : BigInteger.Zero;
            Assert.True(2 * error <= spacing, $"{value}");
        }
    }

    [Fact]
    public void Bounds_of_top_p_and_min_p_are_exact()
    {
        Assert.Equal(1UL << 50, VocabularySum.TopPBound(1f, 1UL << 50));
        Assert.Equal(1UL << 49, VocabularySum.TopPBound(0.5f, 1UL << 50));
        Assert.Equal(0UL, VocabularySum.TopPBound(1e-9f, 1UL << 50));
        Assert.Equal(0UL, VocabularySum.MinPBound(0f));
        Assert.Equal(VocabularySum.One, VocabularySum.MinPBound(1f));
        Assert.Equal(1UL, VocabularySum.MinPBound(float.Epsilon));
        for (int i = 0; i < 10_000; i++)
        {
            float share = (Philox4x32.Draw(1, i, 0) >> 40) * MathF.ScaleB(1f, -24);
            ulong sum = Philox4x32.Draw(2, i, 0) >> 6;
            BigInteger share24 = new(share * 16777216f);
            BigInteger bound = VocabularySum.TopPBound(share, sum);

            // before < bound exactly when before * 2^24 < share24 * sum
            Assert.True((bound << 24) >= share24 * sum);
            Assert.True(bound == 0 || ((bound - 1) << 24) < share24 * sum);
        }
    }

    [Fact]
    public void A_point_divides_the_sum_evenly()
    {
        Assert.Equal(0UL, VocabularySum.Point(0, 1000));
        Assert.Equal(999UL, VocabularySum.Point(ulong.MaxValue, 1000));
        Assert.Equal(500UL, VocabularySum.Point(1UL << 63, 1000));
    }
}
