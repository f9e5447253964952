namespace Grid.Text.Tokenization;

/// <summary>Byte pair merging for very long words, O(n log n). The library's own merging takes time quadratic in the
/// length of a word (400,000 Chinese characters without punctuation: 100 s), which one request could use to hold a
/// core; below <see cref="BytePairModel.LongWord"/> it is used.</summary>
internal sealed class LongWordMerger(Dictionary<(int Left, int Right), (int Rank, int Merged)> merges)
{
    /// <summary>Merges a word, given as the ids of its bytes, in the order of ranks, leftmost first.</summary>
    public void Merge(ReadOnlySpan<int> bytes, List<int> ids)
    {
        int[] symbols = bytes.ToArray();
        var next = new int[symbols.Length];
        var previous = new int[symbols.Length];
        var queue = new PriorityQueue<(int At, int Merged), long>(symbols.Length);
        for (int i = 0; i < symbols.Length; i++)
        {
            next[i] = i + 1;
            previous[i] = i - 1;
            Consider(i);
        }

        const int Gone = -1;
        while (queue.TryDequeue(out (int At, int Merged) top, out _))
        {
            int right = symbols[top.At] == Gone ? symbols.Length : next[top.At];
            // A queued pair may have changed since; it still counts if what it would make is the same.
            if (right == symbols.Length || !merges.TryGetValue((symbols[top.At], symbols[right]), out var merge)
                || merge.Merged != top.Merged)
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
            if (next[at] < symbols.Length && merges.TryGetValue((symbols[at], symbols[next[at]]), out var merge))
            {
                queue.Enqueue((at, merge.Merged), ((long)merge.Rank << 32) | (uint)at);
            }
        }
    }
}
