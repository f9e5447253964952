namespace Grid.Cli.Verification;

/// <summary>What is verified, and how much.</summary>
public sealed record VerificationSettings
{
    /// <summary>Names of the modes, in the order in which they run.</summary>
    public IReadOnlyList<string> Modes { get; init; } = [.. Verifier.ModeNames];

    /// <summary>Trials of each mode.</summary>
    public int Trials { get; init; } = 50;

    /// <summary>0 is greedy.</summary>
    public double Temperature { get; init; }

    /// <summary>The seed of the draws, and of what the modes choose by chance.</summary>
    public long Seed { get; init; } = 42;

    /// <summary>Tokens of an answer at most.</summary>
    public int MaxTokens { get; init; } = 100;

    /// <summary>Others that run beside the one, in a crowd.</summary>
    public int Crowd { get; init; } = 32;

    /// <summary>Characters of the longest prompt; ids, where prompts are ids, are a quarter.</summary>
    public int LongPrompt { get; init; } = 8192;

    /// <summary>Where prompts are ids, they are below this.</summary>
    public int Vocabulary { get; init; } = 1000;
}
