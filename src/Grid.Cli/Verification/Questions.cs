namespace Grid.Cli.Verification;

/// <summary>How tokens are drawn; the defaults ask for nothing beyond temperature and seed.</summary>
public sealed record Sampling
{
    /// <summary>0 is greedy.</summary>
    public double Temperature { get; init; }

    /// <summary>The seed of the draws.</summary>
    public long Seed { get; init; }

    /// <summary>Share of the probability that is kept.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Tokens that are kept; -1 is all.</summary>
    public int TopK { get; init; } = -1;

    /// <summary>Least share of the best token's probability.</summary>
    public double MinP { get; init; }

    /// <summary>Subtracted for what has been said.</summary>
    public double PresencePenalty { get; init; }

    /// <summary>Subtracted for each time that it has been said.</summary>
    public double FrequencyPenalty { get; init; }
}

/// <summary>Prompts that are asked in one request, and answered in its order.</summary>
/// <param name="Prompts">All texts, or all ids.</param>
/// <param name="MaxTokens">Tokens that each answer has at most.</param>
/// <param name="Sampling">For all of them.</param>
public sealed record Questions(IReadOnlyList<Prompt> Prompts, int MaxTokens, Sampling Sampling)
{
    /// <summary>Whether the prompts' own tokens are scored, too.</summary>
    public bool ScorePrompts { get; init; }

    /// <summary>Whether two workers of a grid compute each answer.</summary>
    public bool CrossCheck { get; init; }

    /// <summary>The same prompt several times.</summary>
    public static Questions Copies(Prompt prompt, int copies, int maxTokens, Sampling sampling) => new([.. Enumerable.Repeat(prompt, copies)], maxTokens, sampling);
}
