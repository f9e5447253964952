using Grid.Numerics;

namespace Grid.Grains.Messages;

/// <summary>
/// News of a running sequence, in order; put together they are its result. The last one has a <see cref="FinishReason"/> or a
/// <see cref="Refusal"/>. One without any content says that the sequence's silo is alive.
/// </summary>
[GenerateSerializer, Immutable, OmitDefaultMemberValues, Alias("grid.sequence-update")]
public sealed record SequenceUpdate
{
    /// <summary>The prompt as ids, in the first update that a reader on another silo gets; null in the others.</summary>
    [Id(0)]
    public int[]? PromptIds { get; init; }

    /// <summary>Output tokens at most, with <see cref="PromptIds"/>: as asked for, or what the context allowed. A run that asks for so many
    /// ends at the same token.</summary>
    [Id(1)]
    public int MaxNewTokens { get; init; }

    /// <summary>Prompt tokens found in the prefix cache, with <see cref="PromptIds"/>.</summary>
    [Id(2)]
    public int CachedTokens { get; init; }

    /// <summary>Text that became final: whole characters, and nothing that may still turn out to be a stop string.</summary>
    [Id(3)]
    public string Text { get; init; } = "";

    /// <summary>New output tokens, in order. The stop token itself is included.</summary>
    [Id(4)]
    public ScoredToken[] Tokens { get; init; } = [];

    /// <summary>Newly scored prompt tokens: consecutive prompt indexes from <see cref="PromptFirstIndex"/>.</summary>
    [Id(5)]
    public ScoredToken[] PromptTokens { get; init; } = [];

    [Id(6)]
    public int PromptFirstIndex { get; init; }

    /// <summary>"stop", "length", "abort" or "error"; null while running.</summary>
    [Id(7)]
    public string? FinishReason { get; init; }

    /// <summary>The stop string (string) or stop token id (int) that ended the sequence, where one did.</summary>
    [Id(8)]
    public object? MatchedStop { get; init; }

    /// <summary>What went wrong, with finish reason "error".</summary>
    [Id(9)]
    public string? Error { get; init; }

    /// <summary>Why the sequence does not run, or cannot go on, on this silo. It is the only content but with finish reason "error", which it
    /// explains.</summary>
    [Id(10)]
    public Refusal? Refusal { get; init; }

    /// <summary>Whether none comes after it.</summary>
    public bool IsLast => FinishReason is not null || Refusal is not null;
}

/// <summary>A token with its logprob (NaN when not asked for) and the most probable tokens at its place, with theirs.</summary>
[GenerateSerializer, Immutable, OmitDefaultMemberValues, Alias("grid.scored-token")]
public readonly record struct ScoredToken(
    [property: Id(0)] int TokenId, [property: Id(1)] float Logprob, [property: Id(2)] KeyValuePair<int, float>[] Top)
{
    /// <summary>The digest of the logits that it was drawn from; null when not asked for.</summary>
    [Id(3)]
    public StepDigest? Digest { get; init; }
}
