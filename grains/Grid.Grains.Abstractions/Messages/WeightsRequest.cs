using Grid.Numerics;

namespace Grid.Grains.Messages;

/// <summary>Other weights for a worker's model, out of a folder of its node.</summary>
[GenerateSerializer, Immutable, Alias("grid.weights-request")]
public sealed record WeightsRequest
{
    /// <summary>The version of weights that nobody has put in place.</summary>
    public const string DefaultVersion = "default";

    /// <summary>Names the update.</summary>
    [Id(0)]
    public required Guid Update { get; init; }

    /// <summary>When it was asked for, by the gateway's clock.</summary>
    [Id(1)]
    public required DateTimeOffset Asked { get; init; }

    /// <summary>The folder; null: the one that the worker came up with.</summary>
    [Id(2)]
    public string? ModelPath { get; init; }

    /// <summary>Generated weights of this seed in place of the folder's; null: the folder's.</summary>
    [Id(3)]
    public ulong? DummySeed { get; init; }

    /// <summary>What the weights are called; null: by their NumericsId.</summary>
    [Id(4)]
    public string? Version { get; init; }

    /// <summary>Whether what runs ends where it stands; otherwise it runs to its end first, with the old weights.</summary>
    [Id(5)]
    public bool AbortsAll { get; init; }
}

/// <summary>Weights that a worker has read and checked, or why not.</summary>
[GenerateSerializer, Immutable, Alias("grid.weights-answer")]
public sealed record WeightsAnswer
{
    /// <summary>The NumericsId that the worker will have; null where it is refused.</summary>
    [Id(0)]
    public string? NumericsId { get; init; }

    /// <summary>Why they cannot be taken.</summary>
    [Id(1)]
    public Refusal? Refusal { get; init; }
}
