namespace Grid.Text.Tokenization;

/// <summary>What a tokenizer.json says, checked: everything that decides ids.</summary>
internal sealed class TokenizerDefinition
{
    /// <summary>Tokens of the byte pair model, in the byte alphabet, to ids.</summary>
    public required Dictionary<string, int> Vocabulary { get; init; }

    /// <summary>Merges in rank order.</summary>
    public required List<(string Left, string Right)> Merges { get; init; }

    /// <summary>A word that is a token is that token, whatever the merges would give.</summary>
    public required bool IgnoreMerges { get; init; }

    /// <summary>Tokens outside the model.</summary>
    public required List<AddedToken> AddedTokens { get; init; }

    /// <summary>Whether text is brought to normalization form C.</summary>
    public required bool ComposeCanonically { get; init; }

    /// <summary>The patterns that cut text to words, in .NET's dialect.</summary>
    public required List<string> SplitPatterns { get; init; }

    /// <summary>Ids put before an encoded text where special tokens are asked for (a beginning-of-sequence token).</summary>
    public required int[] Prefix { get; init; }

    /// <summary>Ids put after an encoded text where special tokens are asked for.</summary>
    public required int[] Suffix { get; init; }
}
