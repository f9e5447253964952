using System.Text.RegularExpressions;

namespace Grid.Text.Tokenization;

/// <summary>Cuts text to the words within which merges happen: each pattern in turn cuts the pieces the one before left;
/// matches and the text between them both stay (behaviour "Isolated").</summary>
internal sealed class WordSplitter
{
    /// <summary>The pattern of a ByteLevel pre-tokenizer with use_regex.</summary>
    public const string Gpt2Pattern =
        @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    // A pattern of a model folder may backtrack without end; it then fails instead of hanging.
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(20);

    private readonly Lazy<Regex>[] _patterns;

    /// <summary>Takes patterns in .NET's dialect (see <see cref="SplitPattern"/>). Throws
    /// <see cref="ArgumentException"/> where one does not parse.</summary>
    public WordSplitter(IEnumerable<string> patterns)
    {
        _patterns = [.. patterns.Select(Prepare)];
    }

    /// <summary>Appends the words of a well-formed text, which cover it without gaps.</summary>
    public void Split(ReadOnlySpan<char> text, List<(int Start, int Length)> words)
    {
        if (_patterns.Length == 0)
        {
            words.Add((0, text.Length));
            return;
        }

        if (!text.ContainsAnyInRange('\uD800', '\uDFFF'))
        {
            SplitView(text, words);
            return;
        }

        using var points = CodePointText.Create(text);
        int first = words.Count;
        SplitView(points.View, words);
        for (int i = first; i < words.Count; i++)
        {
            (int start, int length) = words[i];
            int from = points.OffsetOf(start);
            words[i] = (from, points.OffsetOf(start + length) - from);
        }
    }

    private static Lazy<Regex> Prepare(string pattern)
    {
        const RegexOptions Options = RegexOptions.CultureInvariant;
        _ = new Regex(pattern, Options);
        return new Lazy<Regex>(() => new Regex(pattern, Options | RegexOptions.Compiled, Timeout));
    }

    private void SplitView(ReadOnlySpan<char> text, List<(int Start, int Length)> words)
    {
        int first = words.Count;
        Cut(_patterns[0].Value, text, 0, words);
        for (int i = 1; i < _patterns.Length; i++)
        {
            (int Start, int Length)[] pieces = [.. words[first..]];
            words.RemoveRange(first, words.Count - first);
            foreach ((int start, int length) in pieces)
            {
                Cut(_patterns[i].Value, text.Slice(start, length), start, words);
            }
        }
    }

    private static void Cut(Regex pattern, ReadOnlySpan<char> text, int offset, List<(int Start, int Length)> words)
    {
        int end = 0;
        foreach (var match in pattern.EnumerateMatches(text))
        {
            if (match.Length == 0)
            {
                continue;
            }

            if (match.Index > end)
            {
                words.Add((offset + end, match.Index - end));
            }

            words.Add((offset + match.Index, match.Length));
            end = match.Index + match.Length;
        }

        if (end < text.Length)
        {
            words.Add((offset + end, text.Length - end));
        }
    }
}
