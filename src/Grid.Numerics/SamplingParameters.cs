namespace Grid.Numerics;

/// <summary>
/// What one sequence asks of the sampler. Every row is sampled by its own parameters alone.
/// </summary>
public sealed record SamplingParameters
{
    /// <summary>0 is greedy: the true argmax, ties to the lowest token id. Otherwise logits are divided by it.</summary>
    public float Temperature { get; init; } = 1f;

    /// <summary>Keep the smallest most-probable set whose mass reaches this share, in (0, 1].</summary>
    public float TopP { get; init; } = 1f;

    /// <summary>Keep this many most-probable tokens; 0 keeps all.</summary>
    public int TopK { get; init; }

    /// <summary>Drop tokens less probable than this share of the most probable one, in [0, 1].</summary>
    public float MinP { get; init; }

    /// <summary>Subtracted from the logit of every token already in the output.</summary>
    public float PresencePenalty { get; init; }

    /// <summary>Subtracted per occurrence in the output.</summary>
    public float FrequencyPenalty { get; init; }

    /// <summary>Divides positive and multiplies negative logits of tokens in prompt or output; 1 is off.</summary>
    public float RepetitionPenalty { get; init; } = 1f;

    /// <summary>Added to the logits of the named tokens, ascending by token id; empty is off.</summary>
    public IReadOnlyList<LogitBias> LogitBias { get; init; } = [];

    /// <summary>Key of the counter-based generator; with the position it names the draw.</summary>
    public ulong Seed { get; init; }
}

/// <summary>An amount added to one token's logit.</summary>
public readonly record struct LogitBias(int TokenId, float Bias);
