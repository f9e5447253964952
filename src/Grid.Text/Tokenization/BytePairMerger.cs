using System.Numerics;

namespace Grid.Text.Tokenization;

/// <summary>
/// Byte pair merging: the pair of lowest rank first, of equal pairs the leftmost. Short words are searched from end to
/// end for every merge; long ones go through a queue, O(n log n), so that a request of one endless word holds no core.
/// </summary>
internal sealed class BytePairMerger
{
    /// <summary>Symbols from which a word goes through the queue.</summary>
    public const int LongWord = 128;

    private const ulong NoMerge = ulong.MaxValue;

    // Open addressing, at most half full: a key is (left, right) plus one, so that zero is empty; a value is (rank, merged).
    private readonly ulong[] _keys;
    private readonly ulong[] _values;
    private readonly int _shift;

    /// <summary>Takes pairs of token ids and what each becomes, in rank order, none twice.</summary>
    public BytePairMerger(IReadOnlyList<(int Left, int Right, int Merged)> merges)
    {
        int size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(2 * merges.Count, 16));
        _shift = 64 - BitOperations.Log2((uint)size);
        _keys = new ulong[size];
        _values = new ulong[size];
        for (int rank = 0; rank < merges.Count; rank++)
        {
            (int left, int right, int merged) = merges[rank];
            ulong key = Key(left, right);
            int slot = Slot(key);
            while (_keys[slot] != 0)
            {
                slot = (slot + 1) & (size - 1);
            }

            (_keys[slot], _values[slot]) = (key, ((ulong)rank << 32) | (uint)merged);
        }
    }

    /// <summary>Merges a word, given as the ids of its bytes, and appends the result.</summary>
    public void Merge(ReadOnlySpan<int> bytes, List<int> ids)
    {
        if (bytes.Length < LongWord)
        {
            MergeShort(bytes, ids);
        }
        else
        {
            MergeLong(bytes, ids);
        }
    }

    /// <summary>As <see cref="Merge"/>, through the queue whatever the length; for the test that both ways agree.</summary>
    public void MergeLong(ReadOnlySpan<int> bytes, List<int> ids)
    {
        const int Gone = -1;
        int[] symbols = bytes.ToArray();
        int[] next = new int[symbols.Length];
        int[] previous = new int[symbols.Length];
        var queue = new PriorityQueue<(int At, int Merged), long>(symbols.Length);
        for (int i = 0; i < symbols.Length; i++)
        {
            next[i] = i + 1;
            previous[i] = i - 1;
            Consider(i);
        }

        while (queue.TryDequeue(out var top, out _))
        {
            int right = symbols[top.At] == Gone ? symbols.Length : next[top.At];
            // A queued pair may have changed since; it still counts if what it would make is the same.
            if (right == symbols.Length || (int)Find(symbols[top.At], symbols[right]) != top.Merged)
            {
                continue;
            }

            symbols[top.At] = top.Merged;
            symbols[right] = Gone;
            next[top.At] = next[right];
            if (next[right] < symbols.Length)
            {
                previous[next[right]] = top.At;
            }

            if (previous[top.At] >= 0)
            {
                Consider(previous[top.At]);
            }

            Consider(top.At);
        }

        for (int i = 0; i < symbols.Length; i = next[i])
        {
            ids.Add(symbols[i]);
        }

        void Consider(int at)
        {
            if (next[at] < symbols.Length && Find(symbols[at], symbols[next[at]]) is var merge and not NoMerge)
            {
                queue.Enqueue((at, (int)merge), ((long)(merge >> 32) << 32) | (uint)at);
            }
        }
    }

    private void MergeShort(ReadOnlySpan<int> bytes, List<int> ids)
    {
        Span<int> symbols = stackalloc int[LongWord];
        Span<ulong> merges = stackalloc ulong[LongWord]; // of symbol i with the next; (rank, merged), so the least comes first
        bytes.CopyTo(symbols);
        int count = bytes.Length;
        for (int i = 0; i + 1 < count; i++)
        {
            merges[i] = Find(symbols[i], symbols[i + 1]);
        }

        while (count > 1)
        {
            int at = 0;
            for (int i = 1; i < count - 1; i++)
            {
                at = merges[i] < merges[at] ? i : at;
            }

            if (merges[at] == NoMerge)
            {
                break;
            }

            symbols[at] = (int)merges[at];
            symbols[(at + 2)..count].CopyTo(symbols[(at + 1)..]);
            merges[(at + 1)..(count - 1)].CopyTo(merges[at..]);
            count--;
            if (at > 0)
            {
                merges[at - 1] = Find(symbols[at - 1], symbols[at]);
            }

            if (at + 1 < count)
            {
                merges[at] = Find(symbols[at], symbols[at + 1]);
            }
        }

        foreach (int symbol in symbols[..count])
        {
            ids.Add(symbol);
        }
    }

    private ulong Find(int left, int right)
    {
        ulong key = Key(left, right);
        for (int slot = Slot(key); _keys[slot] != 0; slot = (slot + 1) & (_keys.Length - 1))
        {
            if (_keys[slot] == key)
            {
                return _values[slot];
            }
        }

        return NoMerge;
    }

    private int Slot(ulong key) => (int)((key * 0x9E3779B97F4A7C15) >> _shift);

    private static ulong Key(int left, int right) => (((ulong)(uint)left << 32) | (uint)right) + 1;
}
