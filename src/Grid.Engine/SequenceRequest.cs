using Grid.Numerics;

namespace Grid.Engine;

/// <summary>A running sequence's name: the request's sequence and the attempt at it.</summary>
public readonly record struct SequenceId(Guid Value, int Epoch);

/// <summary>Everything the engine needs to run a sequence, or to go on with one that ran elsewhere.</summary>
public sealed record SequenceRequest : GenerationParameters
{
    /// <summary>A request with the engine's own defaults.</summary>
    public SequenceRequest()
    {
    }

    /// <summary>A request for what was asked for.</summary>
    public SequenceRequest(GenerationParameters asked) : base(asked)
    {
    }

    public required SequenceId Id { get; init; }

    /// <summary>The prompt, at least one token.</summary>
    public required int[] PromptIds { get; init; }

    /// <summary>Output tokens already generated elsewhere: they count as output (penalties, max_new_tokens) and are not
    /// reported again.</summary>
    public int[] PriorOutputIds { get; init; } = [];

    /// <summary>Output tokens that are expected after the prior ones: they are drawn and reported like all others, but many in a step, as long
    /// as what is drawn is what was expected. From the first that is not, the expectation counts for nothing. No part of the
    /// result.</summary>
    public int[] ExpectedOutputIds { get; init; } = [];

    /// <summary>It shares cached prefixes with sequences of the same salt only. No part of the result.</summary>
    public string CacheSalt { get; init; } = "";

    /// <summary>How many sequences its client has before it, from 0. Where there is not room for all, those of lower ranks run: one takes
    /// the place of a running one of a higher rank, which goes on later. No part of the result.</summary>
    public int Rank { get; init; }

    /// <summary>The sequence was accepted before, here or elsewhere: a full waiting queue does not refuse it.</summary>
    public bool BypassesQueueLimit { get; init; }
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
