namespace Grid.Numerics;

/// <summary>
/// How a sequence is generated: how its tokens are drawn, where it ends and which logprobs are told. With the prompt these are
/// all that its bits depend on. One record from the edge, which reads it out of a request, to the engine, which runs it.
/// </summary>
public record GenerationParameters
{
    /// <summary>How tokens are drawn.</summary>
    public SamplingParameters Sampling { get; init; } = new();

    /// <summary>Output tokens at most, or as many as the context allows where it is null. Its gateway settles it: what an engine
    /// gets has a number. More than the model's positions allow is no error: the sequence then ends at the last
    /// position.</summary>
    public int? MaxNewTokens { get; init; }

    /// <summary>End tokens and StopTokenIds cannot be drawn before this many output tokens, and no stop string that ends in
    /// their text ends the sequence.</summary>
    public int MinNewTokens { get; init; }

    /// <summary>Ids that end the sequence besides the model's own end tokens, in any order.</summary>
    public int[] StopTokenIds { get; init; } = [];

    /// <summary>Go on past the model's own end tokens (StopTokenIds still stop).</summary>
    public bool IgnoreEndTokens { get; init; }

    /// <summary>Report output logprobs.</summary>
    public bool Logprobs { get; init; }

    /// <summary>Most probable tokens to report with each logprob.</summary>
    public int TopLogprobs { get; init; }

    /// <summary>Report with each output token the digest of the logits that it was drawn from.</summary>
    public bool Digests { get; init; }

    /// <summary>Report logprobs of prompt tokens from this index on (index 0 has none); null reports none. The rows that give
    /// them are computed even where the prefix cache holds their pages.</summary>
    public int? PromptLogprobsFrom { get; init; }
}
