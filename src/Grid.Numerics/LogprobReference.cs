namespace Grid.Numerics;

/// <summary>
/// Natural-log probabilities under the model's own distribution (before bias, penalties and temperature), so that
/// prefilling an output again gives the same bits as sampling it did.
/// </summary>
public static class LogprobReference
{
    /// <summary>log p(token) = (logit - max) - LogSum(S), S the sum of floor(Exp2((logit - max) * Log2E) * 2^40).</summary>
    /// <param name="logits">[vocabulary] fp32, all finite.</param>
    /// <param name="token">Whose.</param>
    public static float Logprob(ReadOnlySpan<float> logits, int token)
    {
        float max = RowReduction.Max(logits);
        return logits[token] - max - VocabularySum.LogSum(Sum(logits, max));
    }

    /// <summary>The most probable tokens by (logit descending, id ascending).</summary>
    public static int[] Top(ReadOnlySpan<float> logits, int count) =>
        SamplerReference.DescendingOrder(logits)[..Math.Min(count, logits.Length)];

    /// <summary>S of a row whose largest logit is max.</summary>
    public static ulong Sum(ReadOnlySpan<float> logits, float max)
    {
        ulong sum = 0;
        foreach (float l in logits)
        {
            sum += VocabularySum.Weight((l - max) * Transcendentals.Log2E);
        }

        return sum;
    }
}
