namespace Grid.Numerics;

/// <summary>
/// Sampling as the contract states it, plainly: the reference that every device's sampler must equal. CONTRACT.md gives the
/// definition and its reasons.
/// </summary>
public static class SamplerReference
{
    /// <summary>Returned when no token can be drawn: a logit is NaN or infinite, or an adjusted one is NaN or +infinity,
    /// or all are -infinity.</summary>
    public const int NonFinite = -1;

    /// <summary>Draws the token of a position.</summary>
    /// <param name="logits">[vocabulary] fp32.</param>
    /// <param name="parameters">The sequence's own.</param>
    /// <param name="position">Absolute position of the token to be drawn.</param>
    /// <param name="history">Prompt and output for penalties; null when no penalty is on.</param>
    /// <param name="banned">Tokens that may not be drawn.</param>
    /// <returns>The token id, or <see cref="NonFinite"/>.</returns>
    public static int Sample(
        ReadOnlySpan<float> logits, SamplingParameters parameters, long position, TokenHistory? history,
        ReadOnlySpan<int> banned)
    {
        if (!IsFinite(logits))
        {
            return NonFinite;
        }

        float[] adjusted = logits.ToArray();
        LogitAdjustment.Apply(adjusted, parameters, history, banned);
        int best = ArgMax(adjusted);
        if (adjusted.Any(l => float.IsNaN(l) || float.IsPositiveInfinity(l)) || !float.IsFinite(adjusted[best]))
        {
            return NonFinite;
        }

        if (parameters.Temperature == 0f)
        {
            return best;
        }

        ulong[] weights = Weights(adjusted, adjusted[best], parameters.Temperature);
        ulong[] kept = Filter(adjusted, weights, parameters);
        return Draw(kept, Philox4x32.Draw(parameters.Seed, position, Philox4x32.TokenDrawStream));
    }

    /// <summary>True when no element is a NaN or an infinity.</summary>
    public static bool IsFinite(ReadOnlySpan<float> logits)
    {
        foreach (float l in logits)
        {
            if (!float.IsFinite(l))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The place of the largest element, the lowest where several are equal.</summary>
    public static int ArgMax(ReadOnlySpan<float> logits)
    {
        int best = 0;
        for (int i = 1; i < logits.Length; i++)
        {
            best = logits[i] > logits[best] ? i : best;
        }

        return best;
    }

    /// <summary>The exponent of a token's weight: ((logit - max) / temperature) * Log2E.</summary>
    public static float Exponent(float logit, float max, float temperature) =>
        (logit - max) / temperature * Transcendentals.Log2E;

    /// <summary>The first token, ids ascending, at which the running sum of the weights exceeds the random point.</summary>
    public static int Draw(ReadOnlySpan<ulong> weights, ulong random)
    {
        ulong sum = 0;
        foreach (ulong weight in weights)
        {
            sum += weight;
        }

        ulong point = VocabularySum.Point(random, sum);
        ulong running = 0;
        for (int token = 0; token < weights.Length; token++)
        {
            running += weights[token];
            if (running > point)
            {
                return token;
            }
        }

        throw new ArgumentException("All weights are zero.", nameof(weights));
    }

    private static ulong[] Weights(float[] logits, float max, float temperature)
    {
        ulong[] weights = new ulong[logits.Length];
        for (int i = 0; i < weights.Length; i++)
        {
            weights[i] = VocabularySum.Weight(Exponent(logits[i], max, temperature));
        }

        return weights;
    }

    // The weights of the tokens that top_k, top_p and min_p leave, 0 for the others.
    private static ulong[] Filter(float[] logits, ulong[] weights, SamplingParameters parameters)
    {
        int[] order = DescendingOrder(logits);
        int count = parameters.TopK > 0 ? Math.Min(parameters.TopK, order.Length) : order.Length;

        ulong sum = 0;
        foreach (int token in order.AsSpan(0, count))
        {
            sum += weights[token];
        }

        ulong topP = VocabularySum.TopPBound(parameters.TopP, sum);
        ulong minP = VocabularySum.MinPBound(parameters.MinP);
        ulong[] kept = new ulong[weights.Length];
        ulong before = 0;
        for (int i = 0; i < count && (i == 0 || before < topP); i++)
        {
            int token = order[i];
            kept[token] = weights[token] >= minP ? weights[token] : 0;
            before += weights[token];
        }

        return kept;
    }

    /// <summary>Token ids by (logit descending, id ascending).</summary>
    internal static int[] DescendingOrder(ReadOnlySpan<float> logits)
    {
        float[] values = logits.ToArray();
        int[] order = [.. Enumerable.Range(0, values.Length)];
        Array.Sort(order, (a, b) => values[a] == values[b] ? a.CompareTo(b) : values[b].CompareTo(values[a]));
        return order;
    }
}
