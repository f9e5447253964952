using System.Runtime.CompilerServices;

namespace Grid.Cpu.Sampling;

/// <summary>
/// Tokens as 64-bit keys whose ascending order is (logit descending, id ascending): keys of different tokens differ, so
/// there are no ties, and any selection has one answer.
/// </summary>
internal static class TokenRanking
{
    private const int SmallRange = 24;

    /// <summary>The key of a token; -0 and +0 are equal logits. The logit is not NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Key(float logit, int token)
    {
        int bits = BitConverter.SingleToInt32Bits(logit + 0f);
        int ascending = bits ^ ((bits >> 31) & 0x7FFFFFFF);
        return ((ulong)((uint)ascending ^ 0x7FFFFFFF) << 32) | (uint)token;
    }

    /// <summary>The token of a key.</summary>
    public static int Token(ulong key) => (int)(uint)key;

    /// <summary>The logit of a key (+0 for -0).</summary>
    public static float Logit(ulong key)
    {
        int ascending = (int)((uint)(key >> 32) ^ 0x7FFFFFFF);
        return BitConverter.Int32BitsToSingle(ascending ^ ((ascending >> 31) & 0x7FFFFFFF));
    }

    /// <summary>Moves the count smallest keys to the front, in no order.</summary>
    public static void Select(Span<ulong> keys, int count)
    {
        int low = 0;
        int high = keys.Length;
        while (low < count && count < high)
        {
            if (high - low <= SmallRange)
            {
                keys[low..high].Sort();
                return;
            }

            int split = low + Partition(keys[low..high], []);
            if (split <= count)
            {
                low = split;
            }
            else
            {
                high = split;
            }
        }
    }

    /// <summary>
    /// Moves to the front the keys before whose turn, in ascending order, the weights so far are below the bound; the first
    /// key always. Weights move with their keys. Returns how many.
    /// </summary>
    public static int SelectByWeight(Span<ulong> keys, Span<ulong> weights, ulong bound)
    {
        int low = 0;
        int high = keys.Length;
        ulong before = 0;

        // All of [0, low) is kept and weighs `before`; nothing of [high, …) is.
        while (high - low > SmallRange)
        {
            int split = low + Partition(keys[low..high], weights[low..high]);
            ulong mass = before;
            foreach (ulong weight in weights[low..split])
            {
                mass += weight;
            }

            if (mass < bound)
            {
                low = split;
                before = mass;
            }
            else
            {
                high = split;
            }
        }

        keys[low..high].Sort(weights[low..high]);
        while (low < high && (low == 0 || before < bound))
        {
            before += weights[low++];
        }

        return low;
    }

    /// <summary>
    /// Splits into two parts, neither empty, every key of the first below every key of the second. Returns the first's
    /// length. Weights, unless empty, move with their keys.
    /// </summary>
    private static int Partition(Span<ulong> keys, Span<ulong> weights)
    {
        ulong pivot = Pivot(keys);
        int i = 0;
        int j = keys.Length - 1;
        while (true)
        {
            while (keys[i] < pivot)
            {
                i++;
            }

            while (keys[j] > pivot)
            {
                j--;
            }

            if (i >= j)
            {
                // Everything before i is below the pivot. The pivot itself may be the first of all: it then stands alone.
                return Math.Max(i, 1);
            }

            (keys[i], keys[j]) = (keys[j], keys[i]);
            if (!weights.IsEmpty)
            {
                (weights[i], weights[j]) = (weights[j], weights[i]);
            }
        }
    }

    // The middle one of nine spread over the range: safe against sorted and organ-pipe rows.
    private static ulong Pivot(ReadOnlySpan<ulong> keys)
    {
        int step = keys.Length / 9;
        return Median(
            Median(keys[0], keys[step], keys[2 * step]),
            Median(keys[3 * step], keys[4 * step], keys[5 * step]),
            Median(keys[6 * step], keys[7 * step], keys[8 * step]));
    }

    private static ulong Median(ulong a, ulong b, ulong c) => Math.Max(Math.Min(a, b), Math.Min(Math.Max(a, b), c));
}
