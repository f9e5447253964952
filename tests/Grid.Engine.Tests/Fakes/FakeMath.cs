using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Engine.Tests.Fakes;

/// <summary>A "language model" whose logits are a hash of the whole token prefix, and its sampler. Anything that goes
/// wrong on the way (a page, a position, a neighbour's parameter) gives other tokens.</summary>
internal static class FakeMath
{
    public const int Vocabulary = 97;

    /// <summary>A prefix with this token has non-finite values, as an overflow would give.</summary>
    public const int PoisonToken = Vocabulary - 1;

    public static ulong Mix(ulong hash, ulong value)
    {
        hash = (hash ^ value) * 0xFF51AFD7ED558CCD;
        hash ^= hash >> 32;
        hash *= 0xC4CEB9FE1A85EC53;
        return hash ^ (hash >> 29);
    }

    /// <summary>What a page slot holds: position and token. Zero is an unused slot.</summary>
    public static ulong Slot(int position, int token) => ((ulong)(position + 1) << 32) | (uint)(token + 1);

    public static float Logit(ulong prefix, int token) =>
        token == PoisonToken ? -40f : (Unit(Mix(prefix, (ulong)token + 1)) * 12f) - 6f;

    /// <summary>Samples or scores one row of logits.</summary>
    public static SampledToken Sample(ReadOnlySpan<float> logits, SamplingRow row)
    {
        foreach (float logit in logits)
        {
            if (!float.IsFinite(logit))
            {
                return new SampledToken(0, float.NaN, [], true);
            }
        }

        int token = row.ScoredToken >= 0 ? row.ScoredToken : Draw(logits, row);
        float logprob = row.Logprobs ? Logprob(logits, token) : float.NaN;
        return new SampledToken(token, logprob, Top(logits, row.TopLogprobs), false) { Digest = row.Digest ? LogitDigest.Of(logits) : null };
    }

    private static int Draw(ReadOnlySpan<float> logits, SamplingRow row)
    {
        var p = row.Parameters;
        Span<float> scores = stackalloc float[Vocabulary];
        logits.CopyTo(scores);
        Penalise(scores, row.History, p);
        for (int i = 0; i < p.LogitBias.Count; i++)
        {
            scores[p.LogitBias[i].TokenId] += p.LogitBias[i].Bias;
        }

        foreach (int banned in row.BannedTokens)
        {
            scores[banned] = float.NegativeInfinity;
        }

        // Filters are not modelled; their values enter the noise, so that a row with another row's filters shows.
        ulong key = Mix(Mix(Mix(Mix(p.Seed, (ulong)row.Position), BitConverter.SingleToUInt32Bits(p.TopP)), (ulong)p.TopK), BitConverter.SingleToUInt32Bits(p.MinP));
        int best = -1;
        float bestScore = float.NegativeInfinity;
        for (int v = 0; v < Vocabulary; v++)
        {
            float score = p.Temperature == 0f ? scores[v] : (scores[v] / p.Temperature) + (Unit(Mix(key, (ulong)v)) * 8f);
            if (score > bestScore)
            {
                (best, bestScore) = (v, score);
            }
        }

        return best;
    }

    private static void Penalise(Span<float> scores, TokenHistory? history, SamplingParameters p)
    {
        for (int i = 0; i < (history?.Tokens.Count ?? 0); i++)
        {
            int token = history!.Tokens[i];
            int count = history.OutputCounts[i];
            scores[token] = scores[token] > 0 ? scores[token] / p.RepetitionPenalty : scores[token] * p.RepetitionPenalty;
            scores[token] -= (count * p.FrequencyPenalty) + (count > 0 ? p.PresencePenalty : 0f);
        }
    }

    private static float Logprob(ReadOnlySpan<float> logits, int token)
    {
        double sum = 0;
        foreach (float logit in logits)
        {
            sum += Math.Exp(logit);
        }

        return (float)(logits[token] - Math.Log(sum));
    }

    private static TokenLogprob[] Top(ReadOnlySpan<float> logits, int count) => count == 0 ? [] : Top(logits.ToArray(), count);

    private static TokenLogprob[] Top(float[] logits, int count) =>
    [
        .. Enumerable.Range(0, logits.Length).OrderByDescending(v => logits[v]).ThenBy(v => v).Take(count)
            .Select(v => new TokenLogprob(v, Logprob(logits, v))),
    ];

    private static float Unit(ulong hash) => (hash >> 40) * (1f / (1 << 24));
}
