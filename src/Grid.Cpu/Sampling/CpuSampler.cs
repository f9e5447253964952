using System.Numerics;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cpu.Sampling;

/// <summary>
/// Samples and scores rows of logits, one at a time, with the bits of <see cref="SamplerReference"/> and
/// <see cref="LogprobReference"/>. Holds scratch memory, so each thread has its own.
/// </summary>
public sealed class CpuSampler
{
    private readonly int _vocabulary;
    private readonly float[] _adjusted;
    private readonly float[] _maxima;
    private readonly ulong[] _keys;
    private readonly ulong[] _weights;
    private readonly ulong[] _sums;

    /// <summary>Allocates the scratch memory.</summary>
    /// <param name="vocabulary">Length of every row.</param>
    public CpuSampler(int vocabulary)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabulary, 1);
        _vocabulary = vocabulary;
        _adjusted = new float[vocabulary];
        _maxima = new float[vocabulary];
        _keys = new ulong[vocabulary];
        _weights = new ulong[vocabulary];
        _sums = new ulong[LogitScan.Blocks(vocabulary)];
    }

    /// <summary>Length of the rows.</summary>
    public int Vocabulary => _vocabulary;

    /// <summary>Draws a token, or scores the given one, and computes the logprobs asked for.</summary>
    /// <param name="logits">[vocabulary] fp32.</param>
    /// <param name="row">What is asked; its LogitRow is not read.</param>
    /// <param name="result">The token and its logprobs.</param>
    /// <exception cref="ArgumentException">The row's length is not the vocabulary's.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A token id is not in the vocabulary.</exception>
    public void Sample(ReadOnlySpan<float> logits, SamplingRow row, out SampledToken result)
    {
        if (logits.Length != _vocabulary)
        {
            throw new ArgumentException($"A row has {logits.Length} logits; the vocabulary has {_vocabulary}.", nameof(logits));
        }

        if (row.ScoredToken >= _vocabulary)
        {
            throw new ArgumentOutOfRangeException(
                nameof(row), row.ScoredToken, $"ScoredToken is {row.ScoredToken}; token ids are 0 to {_vocabulary - 1}.");
        }

        bool scored = row.ScoredToken >= 0;
        int token = row.ScoredToken;
        bool finite = LogitScan.TryMax(logits, allowNegativeInfinity: false, out float max)
            && (scored || TryDraw(logits, max, row, out token));
        if (!finite)
        {
            result = new SampledToken(SamplerReference.NonFinite, float.NaN, [], NonFinite: true);
            return;
        }

        float logprob = float.NaN;
        TokenLogprob[] top = [];
        if (scored || row.Logprobs || row.TopLogprobs > 0)
        {
            ulong sum = LogitScan.BlockSums(logits, new WeightScale(max, 1f), 0, _sums);
            float logSum = VocabularySum.LogSum(sum);
            logprob = logits[token] - max - logSum;
            top = Top(logits, row.TopLogprobs, max, logSum);
        }

        result = new SampledToken(token, logprob, top, NonFinite: false) { Digest = row.Digest ? DigestScan.Digest(logits) : null };
    }

    private bool TryDraw(ReadOnlySpan<float> logits, float max, SamplingRow row, out int token)
    {
        var parameters = row.Parameters;
        token = SamplerReference.NonFinite;
        var adjusted = logits;
        if (LogitAdjustment.IsNeeded(parameters, row.History, row.BannedTokens))
        {
            logits.CopyTo(_adjusted);
            LogitAdjustment.Apply(_adjusted, parameters, row.History, row.BannedTokens);
            adjusted = _adjusted;
            if (!LogitScan.TryMax(adjusted, allowNegativeInfinity: true, out max) || !float.IsFinite(max))
            {
                return false;
            }
        }

        token = parameters.Temperature == 0f
            ? LogitScan.IndexOf(adjusted, max)
            : Draw(adjusted, new WeightScale(max, parameters.Temperature), parameters, row.Position);
        return true;
    }

    private int Draw(ReadOnlySpan<float> logits, WeightScale scale, SamplingParameters parameters, long position)
    {
        ulong minWeight = VocabularySum.MinPBound(parameters.MinP);
        ulong lastKey = ulong.MaxValue;
        bool ranked = (parameters.TopK > 0 && parameters.TopK < _vocabulary) || parameters.TopP < 1f;
        ulong sum = ranked
            ? RankedSums(logits, scale, parameters, minWeight, out lastKey)
            : LogitScan.BlockSums(logits, scale, minWeight, _sums);

        ulong random = Philox4x32.Draw(parameters.Seed, position, Philox4x32.TokenDrawStream);
        ulong point = VocabularySum.Point(random, sum);
        int block = 0;
        while (point >= _sums[block])
        {
            point -= _sums[block++];
        }

        for (int token = block * LogitScan.BlockTokens; ; token++)
        {
            ulong weight = TokenRanking.Key(logits[token], token) <= lastKey ? scale.Weight(logits[token]) : 0;
            weight = weight >= minWeight ? weight : 0;
            if (weight > point)
            {
                return token;
            }

            point -= weight;
        }
    }

    // The block sums of what top_k and top_p leave: the keys up to lastKey.
    private ulong RankedSums(
        ReadOnlySpan<float> logits, WeightScale scale, SamplingParameters parameters, ulong minWeight, out ulong lastKey)
    {
        int count;
        ulong bound = ulong.MaxValue;
        if (parameters.TopK > 0 && parameters.TopK < _vocabulary)
        {
            count = SelectTop(logits, parameters.TopK);
            ulong survivors = Weigh(count, scale);
            bound = parameters.TopP < 1f ? VocabularySum.TopPBound(parameters.TopP, survivors) : bound;
        }
        else
        {
            ulong all = LogitScan.BlockSums(logits, scale, 0, _sums);
            bound = VocabularySum.TopPBound(parameters.TopP, all);
            float least = MathF.Max(TailBound(scale, all - bound), MaximaBound(logits, scale, bound));
            count = LogitScan.Gather(logits, least, _keys);
            _ = Weigh(count, scale);
        }

        if (parameters.TopP < 1f)
        {
            count = TokenRanking.SelectByWeight(_keys.AsSpan(0, count), _weights.AsSpan(0, count), bound);
        }

        lastKey = Largest(_keys.AsSpan(0, count));
        Array.Clear(_sums);
        ulong sum = 0;
        for (int i = 0; i < count; i++)
        {
            ulong weight = _weights[i] >= minWeight ? _weights[i] : 0;
            _sums[TokenRanking.Token(_keys[i]) / LogitScan.BlockTokens] += weight;
            sum += weight;
        }

        return sum;
    }

    /// <summary>
    /// A logit below which all tokens together weigh no more than the given mass, so that top_p, leaving out at least that
    /// much, keeps none of them. Only saves work; it need not be tight.
    /// </summary>
    private float TailBound(WeightScale scale, ulong mass)
    {
        ulong each = mass / (ulong)_vocabulary;
        if (each == 0)
        {
            return float.NegativeInfinity;
        }

        // A hundredth of an octave covers all roundings between logit and weight.
        double exponent = BitOperations.Log2(each) - VocabularySum.FractionBits - 0.01;
        double bound = scale.Max + (exponent * scale.Temperature / Transcendentals.Log2E);
        return MathF.BitDecrement(MathF.BitDecrement((float)bound));
    }

    /// <summary>
    /// A logit that the tokens which weigh at least the given mass do not fall below: so many of the largest maxima as weigh
    /// that much. -infinity when all maxima together do not.
    /// </summary>
    private float MaximaBound(ReadOnlySpan<float> logits, WeightScale scale, ulong mass)
    {
        int maxima = RankMaxima(logits);
        if (Weigh(maxima, scale) < mass)
        {
            return float.NegativeInfinity;
        }

        int count = TokenRanking.SelectByWeight(_keys.AsSpan(0, maxima), _weights.AsSpan(0, maxima), mass);
        return TokenRanking.Logit(Largest(_keys.AsSpan(0, count)));
    }

    /// <summary>Moves the keys of the first tokens by (logit descending, id ascending) to the front, in no order.</summary>
    private int SelectTop(ReadOnlySpan<float> logits, int count)
    {
        float bound = float.NegativeInfinity;
        int maxima = RankMaxima(logits);
        if (count <= maxima / 2)
        {
            TokenRanking.Select(_keys.AsSpan(0, maxima), count);
            bound = TokenRanking.Logit(Largest(_keys.AsSpan(0, count)));
        }

        int gathered = LogitScan.Gather(logits, bound, _keys);
        TokenRanking.Select(_keys.AsSpan(0, gathered), count);
        return count;
    }

    // Keys of maxima of disjoint sets; they stand for tokens only in their logits.
    private int RankMaxima(ReadOnlySpan<float> logits)
    {
        int maxima = LogitScan.StridedMaxima(logits, _maxima);
        for (int i = 0; i < maxima; i++)
        {
            _keys[i] = TokenRanking.Key(_maxima[i], i);
        }

        return maxima;
    }

    private static ulong Largest(ReadOnlySpan<ulong> keys)
    {
        ulong largest = 0;
        foreach (ulong key in keys)
        {
            largest = Math.Max(largest, key);
        }

        return largest;
    }

    private ulong Weigh(int count, WeightScale scale)
    {
        ulong sum = 0;
        for (int i = 0; i < count; i++)
        {
            _weights[i] = scale.Weight(TokenRanking.Logit(_keys[i]));
            sum += _weights[i];
        }

        return sum;
    }

    private TokenLogprob[] Top(ReadOnlySpan<float> logits, int count, float max, float logSum)
    {
        count = Math.Min(count, _vocabulary);
        if (count <= 0)
        {
            return [];
        }

        _ = SelectTop(logits, count);
        var keys = _keys.AsSpan(0, count);
        keys.Sort();
        var top = new TokenLogprob[count];
        for (int i = 0; i < count; i++)
        {
            int token = TokenRanking.Token(keys[i]);
            top[i] = new TokenLogprob(token, logits[token] - max - logSum);
        }

        return top;
    }
}
