namespace Grid.Text;

/// <summary>A model's tokenizer, read from tokenizer.json. Safe for concurrent use.</summary>
public sealed class Tokenizer
{
    /// <summary>One more than the largest token id.</summary>
    public int VocabularySize => throw new NotSupportedException();

    /// <summary>Text to ids. With <paramref name="parseSpecialTokens"/> false, text that looks like a special token is
    /// ordinary text.</summary>
    public int[] Encode(string text, bool parseSpecialTokens) => throw new NotSupportedException($"{text}{parseSpecialTokens}");

    /// <summary>Ids to text; incomplete UTF-8 becomes U+FFFD.</summary>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens) => throw new NotSupportedException($"{ids.Length}{skipSpecialTokens}");

    /// <summary>The bytes one token stands for.</summary>
    public ReadOnlyMemory<byte> TokenBytes(int id) => throw new NotSupportedException($"{id}");

    /// <summary>Whether the id is a special token.</summary>
    public bool IsSpecial(int id) => throw new NotSupportedException($"{id}");

    /// <summary>The id of a token's text (e.g. &lt;|im_end|&gt;), or null.</summary>
    public int? FindToken(string text) => throw new NotSupportedException(text);
}

/// <summary>Turns ids to text as they come; never gives half a character.</summary>
public sealed class IncrementalDetokenizer(Tokenizer tokenizer, bool skipSpecialTokens)
{
    /// <summary>Takes a token; returns the text that became whole (perhaps empty).</summary>
    public string Append(int id) => throw new NotSupportedException($"{tokenizer}{skipSpecialTokens}{id}");

    /// <summary>What is left at the end; incomplete UTF-8 becomes U+FFFD.</summary>
    public string Flush() => throw new NotSupportedException();
}

/// <summary>Finds stop strings in streamed text, holding back text that may still become one.</summary>
public sealed class StopStringMatcher(IReadOnlyList<string> stops)
{
    /// <summary>The stop string that was found; null while none.</summary>
    public string? Matched => throw new NotSupportedException();

    /// <summary>Takes text; returns what is safe to show. After a match (earliest in the text; of several ending there, the first listed) the text before it has
    /// been returned and nothing more will be.</summary>
    public string Append(string text) => throw new NotSupportedException($"{stops}{text}");

    /// <summary>What was held back, when the sequence ends without a match.</summary>
    public string Flush() => throw new NotSupportedException();
}
