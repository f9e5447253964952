using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Grid.Numerics;

namespace Grid.Cpu.Sampling;

/// <summary>The passes with 256-bit vectors.</summary>
internal sealed class LogitScan256 : LogitScan
{
    private const int Lanes = 8;

    public override bool TryMax(ReadOnlySpan<float> row, bool allowNegativeInfinity, out float max)
    {
        var infinity = Vector256.Create(float.PositiveInfinity);
        Vector256<float> mask = Vector256.Create(allowNegativeInfinity ? -1 : 0x7FFFFFFF).AsSingle();
        Vector256<float> most = Vector256.Create(float.NegativeInfinity);
        Vector256<float> good = Vector256<float>.AllBitsSet;
        ref float first = ref MemoryMarshal.GetReference(row);
        int i = 0;
        for (; i <= row.Length - Lanes; i += Lanes)
        {
            Vector256<float> x = Vector256.LoadUnsafe(ref first, (nuint)i);
            good &= Vector256.LessThan(x & mask, infinity);
            most = Vector256.MaxNative(most, x);
        }

        bool ok = good.AsInt32() == Vector256<int>.AllBitsSet;
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

    public override int IndexOf(ReadOnlySpan<float> row, float value)
    {
        var wanted = Vector256.Create(value);
        ref float first = ref MemoryMarshal.GetReference(row);
        int i = 0;
        for (; i <= row.Length - Lanes; i += Lanes)
        {
            Vector256<float> equal = Vector256.Equals(Vector256.LoadUnsafe(ref first, (nuint)i), wanted);
            if (equal.AsInt32() != Vector256<int>.Zero)
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

    public override ulong BlockSums(ReadOnlySpan<float> row, WeightScale scale, ulong minWeight, Span<ulong> sums)
    {
        ulong total = 0;
        for (int block = 0, start = 0; start < row.Length; block++, start += BlockTokens)
        {
            sums[block] = Sum(row.Slice(start, Math.Min(BlockTokens, row.Length - start)), scale, minWeight);
            total += sums[block];
        }

        return total;
    }

    public override int StridedMaxima(ReadOnlySpan<float> row, Span<float> maxima)
    {
        ref float first = ref MemoryMarshal.GetReference(row);
        int count = 0;
        int i = 0;
        while (i <= row.Length - Lanes)
        {
            int end = Math.Min(i + (MaximaVectors * Lanes), row.Length - Lanes + 1);
            Vector256<float> most = Vector256.LoadUnsafe(ref first, (nuint)i);
            for (i += Lanes; i < end; i += Lanes)
            {
                most = Vector256.MaxNative(most, Vector256.LoadUnsafe(ref first, (nuint)i));
            }

            most.CopyTo(maxima[count..]);
            count += Lanes;
        }

        row[i..].CopyTo(maxima[count..]);
        return count + row.Length - i;
    }

    public override int Gather(ReadOnlySpan<float> row, float bound, Span<ulong> keys)
    {
        var least = Vector256.Create(bound);
        ref float first = ref MemoryMarshal.GetReference(row);
        int count = 0;
        int i = 0;
        for (; i <= row.Length - Lanes; i += Lanes)
        {
            Vector256<float> x = Vector256.LoadUnsafe(ref first, (nuint)i);
            ulong found = Vector256.GreaterThanOrEqual(x, least).ExtractMostSignificantBits();
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

    private static ulong Sum(ReadOnlySpan<float> block, WeightScale scale, ulong minWeight)
    {
        var max = Vector256.Create(scale.Max);
        var temperature = Vector256.Create(scale.Temperature);
        var log2E = Vector256.Create(Transcendentals.Log2E);
        var least = Vector256.Create(minWeight);
        Vector256<ulong> sum = Vector256<ulong>.Zero;
        ref float first = ref MemoryMarshal.GetReference(block);
        int i = 0;
        for (; i <= block.Length - Lanes; i += Lanes)
        {
            Vector256<float> x = (Vector256.LoadUnsafe(ref first, (nuint)i) - max) / temperature;
            (Vector256<ulong> lower, Vector256<ulong> upper) = VocabularySum.Weight(x * log2E);
            sum += Keep(lower, least) + Keep(upper, least);
        }

        return Vector256.Sum(sum) + TailSum(block[i..], scale, minWeight);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ulong> Keep(Vector256<ulong> weights, Vector256<ulong> least) =>
        weights & Vector256.GreaterThanOrEqual(weights.AsInt64(), least.AsInt64()).AsUInt64();
}
