using System.Collections.Concurrent;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace Grid.Text.Tokenization;

/// <summary>Byte-level byte pair encoding of single words: Microsoft.ML.Tokenizers behind a cache of words.</summary>
internal sealed class BytePairModel
{
    /// <summary>From this many UTF-16 units on a word is merged by <see cref="LongWordMerger"/>.</summary>
    public const int LongWord = 256;

    private const int CachedWordLength = 48;
    private const int CacheCapacity = 1 << 16;

    private readonly BpeTokenizer _library;
    private readonly LongWordMerger _longWords;
    private readonly int[] _idOfByte = new int[256];
    private readonly Dictionary<string, int>? _wholeWords;

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
        var options = new BpeOptions(vocabulary) { ByteLevel = true, Merges = merges.Select(m => $"{m.Left} {m.Right}") };
        _library = BpeTokenizer.Create(options);
        _wholeWords = ignoreMerges ? vocabulary : null;
        _cacheBySpan = _cache.GetAlternateLookup<ReadOnlySpan<char>>();
        for (int value = 0; value < 256; value++)
        {
            _idOfByte[value] = vocabulary.GetValueOrDefault(ByteAlphabet.ToChar((byte)value).ToString(), -1);
        }

        var ranks = new Dictionary<(int, int), (int, int)>(merges.Count);
        for (int rank = 0; rank < merges.Count; rank++)
        {
            (string left, string right) = merges[rank];
            ranks.Add((vocabulary[left], vocabulary[right]), (rank, vocabulary[left + right]));
        }

        _longWords = new LongWordMerger(ranks);
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

    /// <summary>As <see cref="Encode"/>, by Grid's own merging; for the test that the two agree.</summary>
    public void EncodeByOwnMerging(ReadOnlySpan<char> word, List<int> ids)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(word.ToArray());
        var symbols = new int[bytes.Length];
        for (int i = 0; i < bytes.Length; i++)
        {
            symbols[i] = _idOfByte[bytes[i]];
        }

        _longWords.Merge(symbols, ids);
    }

    private void EncodeUncached(ReadOnlySpan<char> word, List<int> ids)
    {
        if (_wholeWords is not null)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(word.ToArray());
            if (_wholeWords.TryGetValue(ByteAlphabet.FromBytes(bytes), out int whole))
            {
                ids.Add(whole);
                return;
            }
        }

        if (word.Length >= LongWord)
        {
            EncodeByOwnMerging(word, ids);
            return;
        }

        ids.AddRange(_library.EncodeToIds(word, considerPreTokenization: false, considerNormalization: false));
    }
}
