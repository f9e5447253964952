using System.Buffers;

namespace Grid.Text.Tokenization;

/// <summary>Finds added tokens in text: leftmost, and of those the longest.</summary>
internal sealed class AddedTokenSplitter
{
    private readonly Dictionary<char, Node> _roots = [];
    private readonly SearchValues<char> _firstCharacters;

    public AddedTokenSplitter(IEnumerable<(string Text, AddedToken Token)> tokens)
    {
        foreach ((string text, var token) in tokens)
        {
            var level = _roots;
            Node? node = null;
            foreach (char c in text)
            {
                if (!level.TryGetValue(c, out node))
                {
                    level.Add(c, node = new Node());
                }

                level = node.Next;
            }

            node!.Token = token;
        }

        _firstCharacters = SearchValues.Create([.. _roots.Keys]);
    }

    /// <summary>Appends pieces that cover the text: added tokens, and text between them (token null).</summary>
    /// <param name="text">The text.</param>
    /// <param name="parseSpecial">False: special tokens are passed over as ordinary text.</param>
    /// <param name="pieces">Receives the pieces; none is empty but a token's own.</param>
    public void Split(ReadOnlySpan<char> text, bool parseSpecial, List<(int Start, int Length, AddedToken? Token)> pieces)
    {
        int done = 0, at = 0;
        while (Find(text, ref at, out int length) is { } token)
        {
            int start = at;
            at += length;
            if (token.Special && !parseSpecial)
            {
                continue;
            }

            int end = at;
            while (token.StripLeft && start > done && char.IsWhiteSpace(text[start - 1]))
            {
                start--;
            }

            while (token.StripRight && end < text.Length && char.IsWhiteSpace(text[end]))
            {
                end++;
            }

            // White space that the token before has swallowed is gone.
            start = Math.Max(start, done);
            if (start > done)
            {
                pieces.Add((done, start - done, null));
            }

            pieces.Add((start, end - start, token));
            done = end;
        }

        if (done < text.Length)
        {
            pieces.Add((done, text.Length - done, null));
        }
    }

    /// <summary>The next token at or after a position; the position becomes its start.</summary>
    private AddedToken? Find(ReadOnlySpan<char> text, ref int at, out int length)
    {
        for (; ; at++)
        {
            int skip = text[at..].IndexOfAny(_firstCharacters);
            if (skip < 0)
            {
                length = 0;
                return null;
            }

            at += skip;
            AddedToken? found = null;
            length = 0;
            var level = _roots;
            for (int i = at; i < text.Length && level.TryGetValue(text[i], out var node); i++)
            {
                level = node.Next;
                if (node.Token is not null)
                {
                    found = node.Token;
                    length = i + 1 - at;
                }
            }

            if (found is not null)
            {
                return found;
            }
        }
    }

    private sealed class Node
    {
        public Dictionary<char, Node> Next { get; } = [];

        public AddedToken? Token { get; set; }
    }
}
