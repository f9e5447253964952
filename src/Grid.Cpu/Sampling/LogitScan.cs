using Grid.Numerics;

namespace Grid.Cpu.Sampling;

/// <summary>How a row's logits become weights: Weight(((l - Max) / Temperature) * Log2E).</summary>
internal readonly record struct WeightScale(float Max, float Temperature)
{
    /// <summary>The weight of one logit.</summary>
    public ulong Weight(float logit) => VocabularySum.Weight(SamplerReference.Exponent(logit, Max, Temperature));
}

/// <summary>
/// The passes over a row of logits, by vectors. Nothing here has an order that could show: maxima, integer sums and
/// selections only.
/// </summary>
internal abstract class LogitScan
{
    /// <summary>Consecutive tokens that share one entry of <see cref="BlockSums"/>.</summary>
    public const int BlockTokens = 128;

    /// <summary>Vectors that share one vector of maxima in <see cref="StridedMaxima"/>.</summary>
    protected const int MaximaVectors = 16;

    /// <summary>The passes with 512-bit vectors, or with 256-bit ones (which the runtime emulates where it must).</summary>
    public static LogitScan Create(bool wide) => wide ? new LogitScan512() : new LogitScan256();

    /// <summary>Blocks of a row.</summary>
    public static int Blocks(int vocabulary) => (vocabulary + BlockTokens - 1) / BlockTokens;

    /// <summary>The largest logit; false when one is NaN, +infinity or, unless allowed, -infinity.</summary>
    public abstract bool TryMax(ReadOnlySpan<float> row, bool allowNegativeInfinity, out float max);

    /// <summary>The first place that holds the value, which must be there.</summary>
    public abstract int IndexOf(ReadOnlySpan<float> row, float value);

    /// <summary>sums[b] = the weights of block b that are at least minWeight. Returns the whole sum.</summary>
    public abstract ulong BlockSums(ReadOnlySpan<float> row, WeightScale scale, ulong minWeight, Span<ulong> sums);

    /// <summary>
    /// Maxima of disjoint sets that cover the row; maxima has room for the row. Returns how many. The k-th largest of them is
    /// no larger than the row's k-th largest.
    /// </summary>
    public abstract int StridedMaxima(ReadOnlySpan<float> row, Span<float> maxima);

    /// <summary>Collects the keys (<see cref="TokenRanking.Key"/>) of logits of at least the bound. Returns how many.</summary>
    public abstract int Gather(ReadOnlySpan<float> row, float bound, Span<ulong> keys);

    /// <summary>Weights of the tokens from start on, those below minWeight left out.</summary>
    protected static ulong TailSum(ReadOnlySpan<float> tail, WeightScale scale, ulong minWeight)
    {
        ulong sum = 0;
        foreach (float l in tail)
        {
            ulong weight = scale.Weight(l);
            sum += weight >= minWeight ? weight : 0;
        }

        return sum;
    }
}
