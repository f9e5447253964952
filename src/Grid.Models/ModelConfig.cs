namespace Grid.Models;

/// <summary>What a checkpoint's config.json says of the architecture, in the field's terms.</summary>
public sealed record ModelConfig
{
    /// <summary>config.json's architectures[0], e.g. Qwen3ForCausalLM.</summary>
    public required string Architecture { get; init; }

    public required int VocabularySize { get; init; }

    public required int HiddenSize { get; init; }

    public required int IntermediateSize { get; init; }

    public required int Layers { get; init; }

    public required int QueryHeads { get; init; }

    public required int KvHeads { get; init; }

    public required int HeadDim { get; init; }

    public required int MaxPositions { get; init; }

    public required float NormEpsilon { get; init; }

    public required double RopeTheta { get; init; }

    public required bool TiedEmbeddings { get; init; }

    /// <summary>End-of-sequence ids of generation_config.json (or config.json), ascending.</summary>
    public required IReadOnlyList<int> EndTokenIds { get; init; }
}
