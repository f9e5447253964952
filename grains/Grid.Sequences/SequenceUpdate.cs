namespace Grid.Sequences;

/// <summary>A token with its logprob and the most probable alternatives at its place.</summary>
public readonly record struct ScoredToken(int TokenId, float Logprob, IReadOnlyList<KeyValuePair<int, float>> Top);

/// <summary>News of a running sequence, in order. The last one has a <see cref="FinishReason"/>.</summary>
public sealed record SequenceUpdate
{
    /// <summary>Text that became final: whole characters, and nothing that may still turn out to be a stop string.</summary>
    public string Text { get; init; } = "";

    /// <summary>Output tokens new in this update (with logprobs when asked for). The stop token itself is included.</summary>
    public IReadOnlyList<ScoredToken> Tokens { get; init; } = [];

    /// <summary>Prompt logprobs new in this update: consecutive prompt indexes from PromptFirstIndex.</summary>
    public IReadOnlyList<ScoredToken> PromptTokens { get; init; } = [];

    public int PromptFirstIndex { get; init; }

    /// <summary>"stop", "length", "abort" or "error"; null while running.</summary>
    public string? FinishReason { get; init; }

    /// <summary>The stop string (string) or stop token id (int) that ended the sequence, where one did.</summary>
    public object? MatchedStop { get; init; }

    /// <summary>What went wrong, with FinishReason "error".</summary>
    public string? Error { get; init; }
}
