using Grid.Numerics;

namespace Grid.Grains.Messages;

/// <summary>
/// What one engine step did for the sequences of one gateway. Tokens of all sequences lie in one array, alternatives in
/// another; each sequence owns a range. A batch without sequences is a heartbeat.
/// </summary>
[GenerateSerializer, Immutable, Alias("grid.step-batch")]
public sealed record StepBatch
{
    /// <summary>Counts the stream's batches from 0.</summary>
    [Id(0)]
    public required long Number { get; init; }

    [Id(1)]
    public required WorkerLoad Load { get; init; }

    /// <summary>One entry per sequence that moved.</summary>
    [Id(2)]
    public SequenceStep[] Sequences { get; init; } = [];

    /// <summary>Per sequence: its scored prompt tokens, then its output tokens.</summary>
    [Id(3)]
    public StepToken[] Tokens { get; init; } = [];

    /// <summary>Most probable alternatives, in the order of the tokens they belong to.</summary>
    [Id(4)]
    public StepAlternative[] Alternatives { get; init; } = [];

    /// <summary>News of the worker's prefix cache; null when there is none.</summary>
    [Id(5)]
    public PrefixChanges? Prefixes { get; init; }

    /// <summary>Digests of the logits that output tokens were drawn from, of sequences that ask for them, in the order of the
    /// tokens.</summary>
    [Id(6)]
    public StepDigest[] Digests { get; init; } = [];
}

/// <summary>What one step did for one sequence.</summary>
[GenerateSerializer, Immutable, OmitDefaultMemberValues, Alias("grid.sequence-step")]
public record struct SequenceStep
{
    [Id(0)]
    public AttemptId Attempt { get; set; }

    /// <summary>Set by the step that first admits the sequence.</summary>
    [Id(1)]
    public bool Started { get; set; }

    /// <summary>Prompt tokens found in the prefix cache; valid with <see cref="Started"/>.</summary>
    [Id(2)]
    public int CachedTokens { get; set; }

    /// <summary>Where the sequence's tokens begin in <see cref="StepBatch.Tokens"/>.</summary>
    [Id(3)]
    public int FirstToken { get; set; }

    /// <summary>Scored prompt tokens: consecutive prompt indexes from <see cref="PromptFirstIndex"/>.</summary>
    [Id(4)]
    public int PromptTokenCount { get; set; }

    [Id(5)]
    public int PromptFirstIndex { get; set; }

    /// <summary>Output tokens, after the prompt tokens: consecutive output indexes from <see cref="OutputFirstIndex"/>.</summary>
    [Id(6)]
    public int OutputTokenCount { get; set; }

    [Id(7)]
    public int OutputFirstIndex { get; set; }

    /// <summary>Where the alternatives of the sequence's tokens begin.</summary>
    [Id(8)]
    public int FirstAlternative { get; set; }

    [Id(9)]
    public StepFinish Finish { get; set; }

    /// <summary>The stop or end token that ended the sequence (its last output token); null where none did.</summary>
    [Id(10)]
    public int? StopTokenId { get; set; }

    /// <summary>What went wrong, with <see cref="StepFinish.Failed"/>.</summary>
    [Id(11)]
    public string? Error { get; set; }

    /// <summary>Where the digests of the sequence's output tokens begin in <see cref="StepBatch.Digests"/>.</summary>
    [Id(12)]
    public int FirstDigest { get; set; }

    /// <summary>Whether its output tokens have digests: one each.</summary>
    [Id(13)]
    public bool HasDigests { get; set; }
}

/// <summary>A token with its logprob (NaN when not asked for) and the number of alternatives that belong to it.</summary>
[GenerateSerializer, Immutable, Alias("grid.step-token")]
public readonly record struct StepToken(
    [property: Id(0)] int TokenId, [property: Id(1)] float Logprob, [property: Id(2)] int AlternativeCount);

/// <summary>A probable token at a place.</summary>
[GenerateSerializer, Immutable, Alias("grid.step-alternative")]
public readonly record struct StepAlternative([property: Id(0)] int TokenId, [property: Id(1)] float Logprob);

/// <summary>The digest of a row of logits, as it travels.</summary>
[GenerateSerializer, Immutable, Alias("grid.step-digest")]
public readonly record struct StepDigest([property: Id(0)] ulong First, [property: Id(1)] ulong Second)
{
    /// <summary>As the contract has it.</summary>
    public LogitDigest ToDigest() => new(First, Second);
}

/// <summary>Whether and why a sequence ended.</summary>
public enum StepFinish
{
    /// <summary>It goes on.</summary>
    None = 0,

    /// <summary>A stop or end token was drawn.</summary>
    Stop = 1,

    /// <summary>MaxNewTokens or the last position was reached.</summary>
    Length = 2,

    /// <summary>It was cancelled.</summary>
    Cancelled = 3,

    /// <summary>It ended by an error of its own.</summary>
    Failed = 4,
}
