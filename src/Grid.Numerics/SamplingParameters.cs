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

    /// <summary>The first parameter that no sampler takes, with its rule; null where all are good. Biases are checked where the
    /// vocabulary is known.</summary>
    public (string Field, object Value, string Rule)? FindFault()
    {
        if (!float.IsFinite(Temperature) || Temperature < 0f)
        {
            return (nameof(Temperature), Temperature, "be finite and at least 0");
        }

        if (TopP is not (> 0f and <= 1f))
        {
            return (nameof(TopP), TopP, "be above 0 and at most 1");
        }

        if (TopK < 0)
        {
            return (nameof(TopK), TopK, "be at least 0 (0 keeps all tokens)");
        }

        if (MinP is not (>= 0f and <= 1f))
        {
            return (nameof(MinP), MinP, "be from 0 to 1");
        }

        if (PresencePenalty is not (>= -2f and <= 2f))
        {
            return (nameof(PresencePenalty), PresencePenalty, "be from -2 to 2");
        }

        if (FrequencyPenalty is not (>= -2f and <= 2f))
        {
            return (nameof(FrequencyPenalty), FrequencyPenalty, "be from -2 to 2");
        }

        return float.IsFinite(RepetitionPenalty) && RepetitionPenalty > 0f
            ? null
            : (nameof(RepetitionPenalty), RepetitionPenalty, "be finite and above 0");
    }
}

/// <summary>A parameter that a model's generation_config.json may recommend, and that servers tell.</summary>
/// <param name="Name">As requests call it.</param>
/// <param name="Rule">What a recommended value must be: the range that requests have.</param>
/// <param name="Set">The parameters with a value; null where that breaks the rule.</param>
/// <param name="Get">The value, as a request would say it.</param>
public sealed record RecommendedParameter(
    string Name, string Rule, Func<SamplingParameters, double, SamplingParameters?> Set, Func<SamplingParameters, object> Get)
{
    /// <summary>All of them: those that vLLM and SGLang read. A value is rounded to fp32 once, and it is the rounded one that must
    /// keep the rule: 1e-60 is 0.</summary>
    public static IReadOnlyList<RecommendedParameter> All { get; } =
    [
        new("temperature", "a number from 0 to 1000000", (p, v) => (float)v is >= 0 and <= 1e6f ? p with { Temperature = (float)v } : null, p => p.Temperature),
        new("top_p", "a number above 0 and at most 1", (p, v) => (float)v is > 0 and <= 1 ? p with { TopP = (float)v } : null, p => p.TopP),
        new("top_k", "an integer of at least -1 (-1 and 0 keep all tokens)",
            (p, v) => v is >= -1 and <= int.MaxValue && double.IsInteger(v) ? p with { TopK = Math.Max((int)v, 0) } : null, p => p.TopK == 0 ? -1 : p.TopK),
        new("min_p", "a number from 0 to 1", (p, v) => (float)v is >= 0 and <= 1 ? p with { MinP = (float)v } : null, p => p.MinP),
        new("repetition_penalty", "a number from 0.01 to 100",
            (p, v) => (float)v is >= 0.01f and <= 100 ? p with { RepetitionPenalty = (float)v } : null, p => p.RepetitionPenalty),
    ];
}

/// <summary>An amount added to one token's logit.</summary>
public readonly record struct LogitBias(int TokenId, float Bias);
