using Grid.Numerics;

namespace Grid.Engine;

/// <summary>A running sequence's name: the request's sequence and the attempt at it.</summary>
public readonly record struct SequenceId(Guid Value, int Epoch);

/// <summary>Everything the engine needs to run a sequence, or to go on with one that ran elsewhere.</summary>
public sealed record SequenceRequest
{
    public required SequenceId Id { get; init; }

    /// <summary>The prompt, at least one token.</summary>
    public required int[] PromptIds { get; init; }

    /// <summary>Output tokens already generated elsewhere: they count as output (penalties, max_new_tokens) and are not
    /// reported again.</summary>
    public int[] PriorOutputIds { get; init; } = [];

    public required SamplingParameters Sampling { get; init; }

    /// <summary>Output tokens at most, prior ones included. More than the model's positions allow is no error: the
    /// sequence then ends with <see cref="FinishReason.Length"/> at the last position.</summary>
    public required int MaxNewTokens { get; init; }

    /// <summary>End tokens and StopTokenIds cannot be drawn before this many output tokens.</summary>
    public int MinNewTokens { get; init; }

    /// <summary>Ids that end the sequence besides the model's own end tokens, in any order.</summary>
    public int[] StopTokenIds { get; init; } = [];

    /// <summary>Go on past the model's own end tokens (StopTokenIds still stop).</summary>
    public bool IgnoreEndTokens { get; init; }

    /// <summary>Report output logprobs.</summary>
    public bool Logprobs { get; init; }

    /// <summary>Most probable tokens to report with each logprob.</summary>
    public int TopLogprobs { get; init; }

    /// <summary>Report logprobs of prompt tokens from this index on (index 0 has none); null reports none. The
    /// rows that give them are computed even where the prefix cache holds their pages.</summary>
    public int? PromptLogprobsFrom { get; init; }

    /// <summary>The sequence was accepted before, here or elsewhere: a full waiting queue does not refuse it.</summary>
    public bool Resumed { get; init; }
}

/// <summary>Why a sequence ended.</summary>
public enum FinishReason
{
    /// <summary>An end token or stop id was drawn; it is the last token reported.</summary>
    Stop,

    /// <summary>MaxNewTokens or the model's last position was reached.</summary>
    Length,

    /// <summary>Cancelled by the caller.</summary>
    Cancelled,

    /// <summary>Ended by an error of its own; see the event's Error.</summary>
    Failed,
}
