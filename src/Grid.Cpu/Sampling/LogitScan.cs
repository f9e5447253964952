using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Grid.Numerics;

namespace Grid.Cpu.Sampling;

/// <summary>How a row's logits become weights: Weight(((l - Max) / Temperature) * Log2E).</summary>
internal readonly record struct WeightScale(float Max, float Temperature)
{
    /// <summary>The weight of one logit.</summary>
    public ulong Weight(float logit) => VocabularySum.Weight(SamplerReference.Exponent(logit, Max, Temperature));
}

/// <summary>
/// The passes over a row of logits, by vectors (which the runtime emulates where it must). Nothing here has an order that
/// could show: maxima, integer sums and selections only.
/// </summary>
internal static class LogitScan
{
    /// <summary>Consecutive tokens that share one entry of <see cref="BlockSums"/>.</summary>
    public const int BlockTokens = 128;

    private const int Lanes = 16;

    // Vectors that share one vector of maxima in StridedMaxima.
    private const int MaximaVectors = 16;

    /// <summary>Blocks of a row.</summary>
    public static int Blocks(int vocabulary) => (vocabulary + BlockTokens - 1) / BlockTokens;

    /// <summary>The largest logit; false when one is NaN, +infinity or, unless allowed, -infinity.</summary>
    public static bool TryMax(ReadOnlySpan<float> row, bool allowNegativeInfinity, out float max)
    {
        var infinity = Vector512.Create(float.PositiveInfinity);
        var mask = Vector512.Create(allowNegativeInfinity ? -1 : 0x7FFFFFFF).AsSingle();
        var most = Vector512.Create(float.NegativeInfinity);
        var good = Vector512<float>.AllBitsSet;
        ref float first = ref MemoryMarshal.GetReference(row);
        int i = 0;
        for (; i <= row.Length - Lanes; i += Lanes)
        {
            var x = Vector512.LoadUnsafe(ref first, (nuint)i);
            good &= Vector512.LessThan(x & mask, infinity);
            most = Vector512.MaxNative(most, x);
        }

        bool ok = good.AsInt32() == Vector512<int>.AllBitsSet;
        max = float.NegativeInfinity;
        for (int lane = 0; lane < Lanes; lane++)
        {
            max = most[lane] > max ? most[lane] : max;
        }

        foreach (float x in row[i..])
        {
            ok &= x < float.PositiveInfinity && (allowNegativeInfinity || x > float.NegativeInfinity);
            max = x > max ? x : max;
        }

        return ok;
    }

    /// <summary>The first place that holds the value, which must be there.</summary>
    public static int IndexOf(ReadOnlySpan<float> row, float value)
    {
        var wanted = Vector512.Create(value);
        ref float first = ref MemoryMarshal.GetReference(row);
        int i = 0;
        for (; i <= row.Length - Lanes; i += Lanes)
        {
            var equal = Vector512.Equals(Vector512.LoadUnsafe(ref first, (nuint)i), wanted);
            if (equal.AsInt32() != Vector512<int>.Zero)
            {
                break;
            }
        }

        while (row[i] != value)
        {
            i++;
        }

        return i;
    }

    /// <summary>sums[b] = the weights of block b that are at least minWeight. Returns the whole sum.</summary>
    public static ulong BlockSums(ReadOnlySpan<float> row, WeightScale scale, ulong minWeight, Span<ulong> sums)
    {
        ulong total = 0;
        for (int block = 0, start = 0; start < row.Length; block++, start += BlockTokens)
        {
            sums[block] = Sum(row.Slice(start, Math.Min(BlockTokens, row.Length - start)), scale, minWeight);
            total += sums[block];
        }

        return total;
    }

    /// <summary>
    /// Maxima of disjoint sets that cover the row; maxima has room for the row. Returns how many. The k-th largest of them is
    /// no larger than the row's k-th largest.
    /// </summary>
    public static int StridedMaxima(ReadOnlySpan<float> row, Span<float> maxima)
    {
        ref float first = ref MemoryMarshal.GetReference(row);
        int count = 0;
        int i = 0;
        while (i <= row.Length - Lanes)
        {
            int end = Math.Min(i + (MaximaVectors * Lanes), row.Length - Lanes + 1);
            var most = Vector512.LoadUnsafe(ref first, (nuint)i);
            for (i += Lanes; i < end; i += Lanes)
            {
                most = Vector512.MaxNative(most, Vector512.LoadUnsafe(ref first, (nuint)i));
            }

            most.CopyTo(maxima[count..]);
            count += Lanes;
        }

        row[i..].CopyTo(maxima[count..]);
        return count + row.Length - i;
    }

    /// <summary>Collects the keys (<see cref="TokenRanking.Key"/>) of logits of at least the bound. Returns how many.</summary>
    public static int Gather(ReadOnlySpan<float> row, float bound, Span<ulong> keys)
    {
        var least = Vector512.Create(bound);
        ref float first = ref MemoryMarshal.GetReference(row);
        int count = 0;
        int i = 0;
        for (; i <= row.Length - Lanes; i += Lanes)
        {
            var x = Vector512.LoadUnsafe(ref first, (nuint)i);
            ulong found = Vector512.GreaterThanOrEqual(x, least).ExtractMostSignificantBits();
            for (; found != 0; found &= found - 1)
            {
                int token = i + BitOperations.TrailingZeroCount(found);
                keys[count++] = TokenRanking.Key(row[token], token);
            }
        }

        for (; i < row.Length; i++)
        {
            if (row[i] >= bound)
            {
                keys[count++] = TokenRanking.Key(row[i], i);
            }
        }

        return count;
    }

    // Not inlined: within a larger method the compiler's inlining budget does not reach to the end of this one, and emulated
    // vectors whose operations have become calls take seven times as long.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong Sum(ReadOnlySpan<float> block, WeightScale scale, ulong minWeight)
    {
        var max = Vector512.Create(scale.Max);
        var temperature = Vector512.Create(scale.Temperature);
        var log2E = Vector512.Create(Transcendentals.Log2E);
        var least = Vector512.Create(minWeight);
        var sum = Vector512<ulong>.Zero;
        ref float first = ref MemoryMarshal.GetReference(block);
        int i = 0;
        for (; i <= block.Length - Lanes; i += Lanes)
        {
            var x = (Vector512.LoadUnsafe(ref first, (nuint)i) - max) / temperature;
            (var lower, var upper) = VocabularySum.Weight(x * log2E);
            sum += Keep(lower, least) + Keep(upper, least);
        }

        return Vector512.Sum(sum) + TailSum(block[i..], scale, minWeight);
    }

    // Weights of the tokens that fill no vector, those below minWeight left out.
    private static ulong TailSum(ReadOnlySpan<float> tail, WeightScale scale, ulong minWeight)
    {
        ulong sum = 0;
        foreach (float l in tail)
        {
            ulong weight = scale.Weight(l);
            sum += weight >= minWeight ? weight : 0;
        }

        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ulong> Keep(Vector512<ulong> weights, Vector512<ulong> least) =>
        weights & Vector512.GreaterThanOrEqual(weights.AsInt64(), least.AsInt64()).AsUInt64();
}
