namespace Grid.Numerics;

/// <summary>
/// What a sequence's parameters do to single logits before sampling, in this order: bias, repetition penalty, frequency
/// penalty, presence penalty, bans. Each is one fp32 operation, or a product and then a subtraction (no FMA).
/// </summary>
public static class LogitAdjustment
{
    /// <summary>Whether <see cref="Apply"/> would change anything.</summary>
    public static bool IsNeeded(SamplingParameters parameters, TokenHistory? history, ReadOnlySpan<int> banned) =>
        parameters.LogitBias.Count > 0
        || !banned.IsEmpty
        || (history is not null
            && (parameters.RepetitionPenalty != 1f
                || parameters.FrequencyPenalty != 0f
                || parameters.PresencePenalty != 0f));

    /// <summary>Adjusts a row in place.</summary>
    /// <param name="logits">[vocabulary], all finite.</param>
    /// <param name="parameters">The sequence's own.</param>
    /// <param name="history">Prompt and output; null when no penalty is on.</param>
    /// <param name="banned">Token ids that get -infinity.</param>
    /// <exception cref="ArgumentOutOfRangeException">A token id is not in the vocabulary.</exception>
    public static void Apply(
        Span<float> logits, SamplingParameters parameters, TokenHistory? history, ReadOnlySpan<int> banned)
    {
        for (int i = 0; i < parameters.LogitBias.Count; i++)
        {
            var bias = parameters.LogitBias[i];
            Check(bias.TokenId, logits.Length, "logit_bias");
            logits[bias.TokenId] += bias.Bias;
        }

        if (history is not null)
        {
            for (int i = 0; i < history.Tokens.Count; i++)
            {
                int token = history.Tokens[i];
                Check(token, logits.Length, "history");
                logits[token] = Penalise(logits[token], history.OutputCounts[i], parameters);
            }
        }

        foreach (int token in banned)
        {
            Check(token, logits.Length, "banned");
            logits[token] = float.NegativeInfinity;
        }
    }

    private static float Penalise(float logit, int outputCount, SamplingParameters parameters)
    {
        float repetition = parameters.RepetitionPenalty;
        float l = logit > 0f ? logit / repetition : logit * repetition;
        float frequency = parameters.FrequencyPenalty * outputCount;
        l -= frequency;
        return outputCount > 0 ? l - parameters.PresencePenalty : l;
    }

    private static void Check(int token, int vocabulary, string what)
    {
        if ((uint)token >= (uint)vocabulary)
        {
            throw new ArgumentOutOfRangeException(
                what, token, $"{what} names token {token}; token ids are 0 to {vocabulary - 1}.");
        }
    }
}
