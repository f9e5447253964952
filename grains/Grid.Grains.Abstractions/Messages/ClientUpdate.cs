using Grid.Numerics;

namespace Grid.Grains.Messages;

/// <summary>News of a grid client's sequence. Without any content: the silo is alive.</summary>
[GenerateSerializer, Immutable, OmitDefaultMemberValues, Alias("grid.client-update")]
public sealed record ClientUpdate
{
    /// <summary>The prompt as ids, once.</summary>
    [Id(0)]
    public int[]? PromptIds { get; init; }

    /// <summary>Prompt tokens found in the prefix cache.</summary>
    [Id(1)]
    public int CachedTokens { get; init; }

    /// <summary>Text that became final.</summary>
    [Id(2)]
    public string Text { get; init; } = "";

    /// <summary>Output tokens, in order.</summary>
    [Id(3)]
    public ClientToken[] Tokens { get; init; } = [];

    /// <summary>Scored prompt tokens: consecutive prompt indexes from <see cref="PromptFirstIndex"/>.</summary>
    [Id(4)]
    public ClientToken[] PromptTokens { get; init; } = [];

    [Id(5)]
    public int PromptFirstIndex { get; init; }

    /// <summary>"stop", "length", "abort" or "error"; null while running.</summary>
    [Id(6)]
    public string? FinishReason { get; init; }

    /// <summary>The stop string that ended the sequence, where one did.</summary>
    [Id(7)]
    public string? MatchedStopString { get; init; }

    /// <summary>The stop or end token that ended the sequence, where one did.</summary>
    [Id(8)]
    public int? MatchedStopToken { get; init; }

    /// <summary>What went wrong, with finish reason "error": the sequence failed as it would on every silo.</summary>
    [Id(9)]
    public string? Error { get; init; }

    /// <summary>Why the sequence does not run, or cannot go on, on this silo; it is then the only content.</summary>
    [Id(10)]
    public Refusal? Refusal { get; init; }

    /// <summary>Output tokens at most, once, with the prompt: as asked for, or what the context allowed. Another attempt asks for
    /// so many, and ends at the same token.</summary>
    [Id(11)]
    public int MaxNewTokens { get; init; }
}

/// <summary>A token with its logprob (NaN when not asked for) and the most probable tokens at its place.</summary>
[GenerateSerializer, Immutable, OmitDefaultMemberValues, Alias("grid.client-token")]
public readonly record struct ClientToken(
    [property: Id(0)] int TokenId, [property: Id(1)] float Logprob, [property: Id(2)] StepAlternative[] Top);

/// <summary>A model as grid clients see it.</summary>
[GenerateSerializer, Immutable, Alias("grid.model-description")]
public sealed record ModelDescription
{
    /// <summary>The name clients use.</summary>
    [Id(0)]
    public required string Id { get; init; }

    /// <summary>Contract version and model digest: equal ids give equal bits.</summary>
    [Id(1)]
    public required string NumericsId { get; init; }

    /// <summary>Prompt and output tokens of one sequence together.</summary>
    [Id(2)]
    public required int MaxContextTokens { get; init; }

    /// <summary>Whether it takes texts and stop strings, and not token ids alone.</summary>
    [Id(3)]
    public required bool HasTokenizer { get; init; }

    /// <summary>How requests are sampled that do not say.</summary>
    [Id(4)]
    public required SamplingParameters Sampling { get; init; }
}
