namespace Grid.Models;

/// <summary>The mixture of experts of a model.</summary>
public sealed record ExpertConfig
{
    /// <summary>Experts in every layer that has any (E).</summary>
    public required int Count { get; init; }

    /// <summary>Experts that a token goes to (k).</summary>
    public required int PerToken { get; init; }

    /// <summary>An expert's intermediate size.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Whether the weights of a token's chosen experts are made to sum to one.</summary>
    public required bool NormalizeWeights { get; init; }

    /// <summary>The layers with experts, ascending, from 0; the others have a dense feed-forward.</summary>
    public required IReadOnlyList<int> Layers { get; init; }
}
