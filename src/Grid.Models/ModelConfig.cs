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

    /// <summary>The mixture of experts; null for a dense model.</summary>
    public ExpertConfig? Experts { get; init; }

    public required int QueryHeads { get; init; }

    public required int KvHeads { get; init; }

    public required int HeadDim { get; init; }

    public required int MaxPositions { get; init; }

    public required float NormEpsilon { get; init; }

    public required double RopeTheta { get; init; }

    /// <summary>How the rotary frequencies are changed for long contexts; null: not at all.</summary>
    public Llama3RopeScaling? RopeScaling { get; init; }

    public required bool TiedEmbeddings { get; init; }

    /// <summary>The ids that end an answer, ascending: those of config.json and generation_config.json, and once loaded those of
    /// <see cref="ModelLoadOptions.EndTokenIds"/> too.</summary>
    public required IReadOnlyList<int> EndTokenIds { get; init; }
}

/// <summary>Rotary scaling of type llama3: frequencies that turn less than LowFrequencyFactor times over the original
/// context are divided by Factor, those that turn more than HighFrequencyFactor times are kept, and those between are
/// interpolated.</summary>
/// <param name="Factor">At least 1.</param>
/// <param name="LowFrequencyFactor">Above 0.</param>
/// <param name="HighFrequencyFactor">Above LowFrequencyFactor.</param>
/// <param name="OriginalMaxPositions">The context length before scaling, in tokens.</param>
public sealed record Llama3RopeScaling(
    double Factor, double LowFrequencyFactor, double HighFrequencyFactor, int OriginalMaxPositions);
