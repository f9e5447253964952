using Grid.Cpu.Sampling;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cpu.Tests;

/// <summary>The digest of a row of logits from the CPU's sampler, against the contract's.</summary>
public sealed class CpuDigestTests
{
    [Theory]
    [InlineData(1, 2, 15, 16, 17, 127, 128, 129, 143, 144, 255, 256, 257, 1000, 4096, 4099)]
    [InlineData(32000, 50257, 151936)]
    [InlineData(300000)] // beyond what keys are made for at first
    public void A_row_s_digest_is_the_reference_s(params int[] vocabularies)
    {
        foreach (int vocabulary in vocabularies)
        {
            float[] logits = Logits(vocabulary);
            Assert.Equal(LogitDigest.Of(logits), DigestScan.Digest(logits));
        }
    }

    [Fact]
    public void Vectors_and_single_logits_give_one_sum()
    {
        // What a CPU without the vectors does for all tiles: the row's last tile is not whole, so it is done so here as well.
        float[] logits = Logits(128);
        float[] longer = [.. logits, 0f];
        uint[] bits = [.. logits.Select(BitConverter.SingleToUInt32Bits)];
        (ulong first, ulong second) = DigestScan.Sum(bits);
        var plain = LogitDigest.Finish(LogitDigest.TileKey(0, 0) * first, LogitDigest.TileKey(0, 1) * second, 128);
        Assert.Equal(plain, DigestScan.Digest(logits));
        Assert.NotEqual(plain, DigestScan.Digest(longer));
    }

    [Fact]
    public void A_digest_is_of_the_raw_logits_and_given_to_rows_that_ask()
    {
        const int Vocabulary = 1000;
        float[] logits = Logits(Vocabulary);
        var history = new TokenHistory();
        history.AddOutput(3);
        SamplingParameters[] parameters =
        [
            new() { Temperature = 0f },
            new() { Temperature = 0.7f, TopP = 0.9f, TopK = 50, MinP = 0.01f },
            new() { Temperature = 1f, RepetitionPenalty = 1.3f, FrequencyPenalty = 0.5f, LogitBias = [new LogitBias(5, 3f)] },
        ];
        var sampler = new CpuSampler(Vocabulary);
        foreach (var one in parameters)
        {
            sampler.Sample(logits, new SamplingRow { Parameters = one, History = history, BannedTokens = [7], Digest = true }, out var asked);
            sampler.Sample(logits, new SamplingRow { Parameters = one, History = history, BannedTokens = [7] }, out var not);
            Assert.Equal(LogitDigest.Of(logits), asked.Digest);
            Assert.Null(not.Digest);
            Assert.Equal(not.TokenId, asked.TokenId);
        }

        sampler.Sample(logits, new SamplingRow { ScoredToken = 4, Digest = true }, out var scored);
        Assert.Equal(LogitDigest.Of(logits), scored.Digest);
        logits[9] = float.NaN;
        sampler.Sample(logits, new SamplingRow { Digest = true }, out var bad);
        Assert.True(bad.NonFinite);
        Assert.Null(bad.Digest);
    }

    private static float[] Logits(int vocabulary)
    {
        var random = new Random(vocabulary);
        float[] logits = new float[vocabulary];
        for (int i = 0; i < vocabulary; i++)
        {
            logits[i] = random.Next(50) == 0 ? (random.Next(2) == 0 ? 0f : -0f) : (random.NextSingle() - 0.5f) * MathF.ScaleB(1f, random.Next(-100, 100));
        }

        return logits;
    }
}
