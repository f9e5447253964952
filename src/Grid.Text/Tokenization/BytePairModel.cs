using System.Collections.Concurrent;
using System.Text;

namespace Grid.Text.Tokenization;

/// <summary>Byte-level byte pair encoding of single words: <see cref="BytePairMerger"/> behind a cache of words.</summary>
internal sealed class BytePairModel
{
    private const int StackBytes = 256;
    private const int CachedWordLength = 48;
    private const int CacheCapacity = 1 << 16;

    private readonly BytePairMerger _merger;
    private readonly int[] _idOfByte = new int[256];
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>>? _wholeWords;

    // Bounded by never evicting: what words it holds depends on traffic, what it answers does not.
    private readonly ConcurrentDictionary<string, int[]> _cache = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, int[]>.AlternateLookup<ReadOnlySpan<char>> _cacheBySpan;
    private int _cached;

    /// <summary>Takes a validated vocabulary (tokens in the byte alphabet) and merges in rank order.</summary>
    /// <param name="vocabulary">Token to id; all bytes that occur in UTF-8 must be there.</param>
    /// <param name="merges">Pairs whose parts and whole are in the vocabulary, none twice.</param>
    /// <param name="ignoreMerges">A word that is a token is that token, whatever the merges would give.</param>
    public BytePairModel(Dictionary<string, int> vocabulary, List<(string Left, string Right)> merges, bool ignoreMerges)
    {
        _wholeWords = ignoreMerges ? vocabulary.GetAlternateLookup<ReadOnlySpan<char>>() : null;
        _cacheBySpan = _cache.GetAlternateLookup<ReadOnlySpan<char>>();
        for (int value = 0; value < 256; value++)
        {
            _idOfByte[value] = vocabulary.GetValueOrDefault(ByteAlphabet.ToChar((byte)value).ToString(), -1);
        }

        _merger = new BytePairMerger([.. merges.Select(m => (vocabulary[m.Left], vocabulary[m.Right], vocabulary[m.Left + m.Right]))]);
    }

    /// <summary>Appends the ids of one word of well-formed UTF-16. Safe for concurrent use.</summary>
    public void Encode(ReadOnlySpan<char> word, List<int> ids)
    {
        if (word.Length > CachedWordLength)
        {
            EncodeUncached(word, ids);
            return;
        }

        if (!_cacheBySpan.TryGetValue(word, out int[]? known))
        {
            int first = ids.Count;
            EncodeUncached(word, ids);
            if (Volatile.Read(ref _cached) < CacheCapacity && _cacheBySpan.TryAdd(word, [.. ids[first..]]))
            {
                Interlocked.Increment(ref _cached);
            }

            return;
        }

        ids.AddRange(known);
    }

    private void EncodeUncached(ReadOnlySpan<char> word, List<int> ids)
    {
        int longest = Encoding.UTF8.GetMaxByteCount(word.Length);
        var buffer = longest <= StackBytes ? stackalloc byte[StackBytes] : new byte[longest];
        var bytes = buffer[..Encoding.UTF8.GetBytes(word, buffer)];
        if (_wholeWords is { } wholeWords)
        {
            var letters = bytes.Length <= StackBytes ? stackalloc char[StackBytes] : new char[bytes.Length];
            for (int i = 0; i < bytes.Length; i++)
            {
                letters[i] = ByteAlphabet.ToChar(bytes[i]);
            }

            if (wholeWords.TryGetValue(letters[..bytes.Length], out int whole))
            {
                ids.Add(whole);
                return;
            }
        }

        var symbols = bytes.Length <= StackBytes ? stackalloc int[StackBytes] : new int[bytes.Length];
        for (int i = 0; i < bytes.Length; i++)
        {
            symbols[i] = _idOfByte[bytes[i]];
        }

        _merger.Merge(symbols[..bytes.Length], ids);
    }
}
