using Grid.Numerics;

namespace Grid.Grains.Messages;

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
