using Grid.Numerics;

namespace Grid.Client;

/// <summary>A finished sequence.</summary>
public sealed record Generation
{
    /// <summary>The prompt as ids.</summary>
    public required IReadOnlyList<int> PromptIds { get; init; }

    /// <summary>The text, without the stop string that ended it.</summary>
    public required string Text { get; init; }

    /// <summary>Output tokens; a stop token is the last of them.</summary>
    public required IReadOnlyList<GeneratedToken> Tokens { get; init; }

    /// <summary>Scored prompt tokens, from <see cref="GenerationRequest.PromptLogprobsFrom"/> on.</summary>
    public required IReadOnlyList<GeneratedToken> PromptTokens { get; init; }

    /// <summary>"stop", "length" or "abort".</summary>
    public required string FinishReason { get; init; }

    /// <summary>The seed that it was drawn with.</summary>
    public required ulong Seed { get; init; }

    /// <summary>The fingerprint: with it, the same request and seed give the same bits.</summary>
    public required string NumericsId { get; init; }

    /// <summary>The stop string that ended it, where one did.</summary>
    public string? MatchedStopString { get; init; }

    /// <summary>The stop or end token that ended it, where one did.</summary>
    public int? MatchedStopToken { get; init; }
}

/// <summary>News of a sequence, in order; put together they are the <see cref="Generation"/>. Only the last has a finish
/// reason.</summary>
public sealed record GenerationUpdate
{
    /// <summary>The prompt as ids, in the first update; null in the others.</summary>
    public IReadOnlyList<int>? PromptIds { get; init; }

    /// <summary>Prompt tokens found in the prefix cache, in the first update.</summary>
    public int CachedTokens { get; init; }

    /// <summary>The seed of the sequence.</summary>
    public required ulong Seed { get; init; }

    /// <summary>The fingerprint of the sequence.</summary>
    public required string NumericsId { get; init; }

    /// <summary>Text that became final.</summary>
    public string Text { get; init; } = "";

    /// <summary>New output tokens.</summary>
    public IReadOnlyList<GeneratedToken> Tokens { get; init; } = [];

    /// <summary>New scored prompt tokens.</summary>
    public IReadOnlyList<GeneratedToken> PromptTokens { get; init; } = [];

    /// <summary>"stop", "length" or "abort"; null while running.</summary>
    public string? FinishReason { get; init; }

    /// <summary>The stop string that ended it, where one did.</summary>
    public string? MatchedStopString { get; init; }

    /// <summary>The stop or end token that ended it, where one did.</summary>
    public int? MatchedStopToken { get; init; }
}

/// <summary>A token.</summary>
/// <param name="TokenId">The id.</param>
/// <param name="Logprob">Natural logarithm of its probability under the model's own distribution; NaN when not asked for.</param>
/// <param name="Top">The most probable tokens at its place, with their logprobs.</param>
public readonly record struct GeneratedToken(int TokenId, float Logprob, IReadOnlyList<KeyValuePair<int, float>> Top);

/// <summary>A model that the grid serves.</summary>
/// <param name="Id">The name to ask for.</param>
/// <param name="NumericsId">Contract version and model digest: equal ids give equal bits.</param>
/// <param name="MaxContextTokens">Prompt and output tokens of one sequence together.</param>
/// <param name="HasTokenizer">Whether it takes texts and stop strings, and not token ids alone.</param>
public sealed record GridModel(string Id, string NumericsId, int MaxContextTokens, bool HasTokenizer);

/// <summary>The grid refused a request, or could not finish it.</summary>
/// <param name="refusal">Why.</param>
/// <param name="message">What to say instead of the refusal's own words.</param>
/// <param name="innerException">What was behind it.</param>
public sealed class GridClientException(Refusal refusal, string? message = null, Exception? innerException = null)
    : Exception(message ?? refusal.ToString(), innerException)
{
    /// <summary>Why.</summary>
    public Refusal Refusal { get; } = refusal;

    /// <summary>What kind of refusal it is.</summary>
    public RefusalKind Kind => Refusal.Kind;

    /// <summary>The property of <see cref="GenerationRequest"/>, or of its sampling, at fault, where one is.</summary>
    public string? Field => Refusal.Field;
}
