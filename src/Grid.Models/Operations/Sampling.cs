using Grid.Numerics;

namespace Grid.Models.Operations;

/// <summary>One row of logits to sample from, or to score a known token against.</summary>
public sealed class SamplingRow
{
    /// <summary>Row in the logits buffer.</summary>
    public int LogitRow { get; set; }

    /// <summary>The sequence's parameters; not read when <see cref="ScoredToken"/> is set.</summary>
    public SamplingParameters Parameters { get; set; } = new();

    /// <summary>Absolute position of the token to be drawn; with the seed it names the draw.</summary>
    public long Position { get; set; }

    /// <summary>Prompt and output tokens for penalties; null when no penalty is on.</summary>
    public TokenHistory? History { get; set; }

    /// <summary>The history that penalties look at; null when there is none or all are off.</summary>
    public TokenHistory? PenalisedHistory =>
        Parameters.RepetitionPenalty != 1f || Parameters.FrequencyPenalty != 0f || Parameters.PresencePenalty != 0f ? History : null;

    /// <summary>Tokens that may not be drawn here (end tokens before min_new_tokens), ascending; empty for none.</summary>
    public int[] BannedTokens { get; set; } = [];

    /// <summary>-1: draw a token. Otherwise draw nothing and report this token's logprob (prompt logprobs).</summary>
    public int ScoredToken { get; set; } = -1;

    /// <summary>Whether to compute logprobs (always those of the model's own distribution, before temperature,
    /// penalties and filters).</summary>
    public bool Logprobs { get; set; }

    /// <summary>Whether to compute the digest of the row's raw logits.</summary>
    public bool Digest { get; set; }

    /// <summary>How many most probable tokens to report besides; ordered (logit descending, id ascending).</summary>
    public int TopLogprobs { get; set; }
}

/// <summary>What sampling a row gave.</summary>
/// <param name="TokenId">The drawn (or scored) token.</param>
/// <param name="Logprob">Natural-log probability under the unmodified distribution; NaN when not asked for.</param>
/// <param name="Top">The most probable tokens; empty when not asked for.</param>
/// <param name="NonFinite">True when the row's logits held a NaN or infinity: nothing else here is valid then.</param>
public readonly record struct SampledToken(int TokenId, float Logprob, TokenLogprob[] Top, bool NonFinite)
{
    /// <summary>The digest of the row's raw logits; null when not asked for.</summary>
    public LogitDigest? Digest { get; init; }
}

/// <summary>A step that draws, with those before it that did not, by the device's own clock.</summary>
/// <param name="Busy">From the first thing that it was given of them to the last token.</param>
/// <param name="IdleBefore">From the last token before to there.</param>
public readonly record struct StepTime(TimeSpan Busy, TimeSpan IdleBefore);

/// <summary>A token with its natural-log probability.</summary>
public readonly record struct TokenLogprob(int TokenId, float Logprob);
