namespace Grid.Models;

/// <summary>How a model's makers want it sampled: what generation_config.json says; null where it says nothing.</summary>
public sealed record RecommendedSampling
{
    /// <summary>0 (greedy) to 10^6.</summary>
    public float? Temperature { get; init; }

    /// <summary>Above 0, to 1.</summary>
    public float? TopP { get; init; }

    /// <summary>How many of the most probable tokens are kept; 0 keeps all.</summary>
    public int? TopK { get; init; }

    /// <summary>0 to 1.</summary>
    public float? MinP { get; init; }

    /// <summary>0.01 to 100.</summary>
    public float? RepetitionPenalty { get; init; }
}
