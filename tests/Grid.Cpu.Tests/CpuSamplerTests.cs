using Grid.Cpu.Sampling;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cpu.Tests;

public sealed class CpuSamplerTests
{
    // Lengths around vectors, blocks and groups of vectors.
    private static readonly int[] s_vocabularies = [1, 2, 7, 8, 15, 16, 17, 127, 128, 129, 255, 257, 500, 1000, 4096, 4099, 20011];

    [Fact]
    public void A_draw_is_the_reference_draw_for_any_parameters()
    {
        int drawn = 0;
        foreach (int vocabulary in s_vocabularies)
        {
            var sampler = new CpuSampler(vocabulary);
            int trials = Math.Clamp(200_000 / vocabulary, 12, 400);
            for (int trial = 0; trial < trials; trial++)
            {
                var random = new Random((vocabulary * 1000) + trial);
                float[] logits = Logits(vocabulary, random);
                var row = RandomRow(vocabulary, random);
                int expected = SamplerReference.Sample(logits, row.Parameters, row.Position, row.History, row.BannedTokens);
                sampler.Sample(logits, row, out var actual);
                Assert.True(
                    expected == actual.TokenId && actual.NonFinite == (expected == SamplerReference.NonFinite),
                    $"vocabulary {vocabulary}, trial {trial}: expected {expected}, got {actual}, {row.Parameters}");
                drawn += expected >= 0 ? 1 : 0;
            }
        }

        Assert.InRange(drawn, 2000, int.MaxValue);
    }

    [Fact]
    public void Logprobs_and_the_most_probable_tokens_are_the_reference_bit_for_bit()
    {
        foreach (int vocabulary in s_vocabularies)
        {
            var sampler = new CpuSampler(vocabulary);
            for (int trial = 0; trial < 10; trial++)
            {
                var random = new Random((vocabulary * 1000) + trial);
                float[] logits = Logits(vocabulary, random);
                int scored = random.Next(vocabulary);
                int count = random.Next(25);
                sampler.Sample(logits, new SamplingRow { ScoredToken = scored, TopLogprobs = count }, out var actual);

                Assert.Equal(scored, actual.TokenId);
                AssertBits(LogprobReference.Logprob(logits, scored), actual.Logprob);
                int[] top = LogprobReference.Top(logits, count);
                Assert.Equal(top, actual.Top.Select(t => t.TokenId));
                foreach (var entry in actual.Top)
                {
                    AssertBits(LogprobReference.Logprob(logits, entry.TokenId), entry.Logprob);
                }
            }
        }
    }

    [Fact]
    public void A_drawn_tokens_logprob_is_that_of_scoring_it()
    {
        var sampler = new CpuSampler(4096);
        for (int trial = 0; trial < 100; trial++)
        {
            var random = new Random(trial);
            float[] logits = Logits(4096, random);
            var row = RandomRow(4096, random);
            row.Logprobs = true;
            sampler.Sample(logits, row, out var drawn);
            sampler.Sample(logits, new SamplingRow { ScoredToken = drawn.TokenId }, out var scored);
            AssertBits(scored.Logprob, drawn.Logprob);
        }
    }

    [Fact]
    public void A_bad_logit_anywhere_is_reported()
    {
        const int vocabulary = 300;
        var sampler = new CpuSampler(vocabulary);
        foreach (float bad in (float[])[float.NaN, float.PositiveInfinity, float.NegativeInfinity])
        {
            for (int place = 0; place < vocabulary; place++)
            {
                float[] logits = Logits(vocabulary, new Random(place));
                logits[place] = bad;
                sampler.Sample(logits, new SamplingRow(), out var drawn);
                Assert.True(drawn.NonFinite);
                sampler.Sample(logits, new SamplingRow { ScoredToken = 0 }, out var scored);
                Assert.True(scored.NonFinite);
            }
        }

        var overflow = new SamplingParameters { LogitBias = [new LogitBias(7, float.MaxValue), new LogitBias(7, float.MaxValue)] };
        sampler.Sample(new float[vocabulary], new SamplingRow { Parameters = overflow }, out var result);
        Assert.True(result.NonFinite);
        int[] all = [.. Enumerable.Range(0, vocabulary)];
        sampler.Sample(new float[vocabulary], new SamplingRow { BannedTokens = all }, out result);
        Assert.True(result.NonFinite);
    }

    [Fact]
    public void What_was_not_asked_for_is_not_there()
    {
        new CpuSampler(100).Sample(Logits(100, new Random(1)), new SamplingRow(), out var drawn);
        Assert.True(float.IsNaN(drawn.Logprob));
        Assert.Empty(drawn.Top);
    }

    [Fact]
    public void Wrong_lengths_and_tokens_are_refused()
    {
        var sampler = new CpuSampler(100);
        Assert.Throws<ArgumentException>(() => sampler.Sample(new float[99], new SamplingRow(), out _));
        Assert.Throws<ArgumentOutOfRangeException>(
            () => sampler.Sample(new float[100], new SamplingRow { ScoredToken = 100 }, out _));
        Assert.Throws<ArgumentOutOfRangeException>(() => new CpuSampler(0));
    }

    [Fact]
    public void A_draw_without_logprobs_allocates_nothing()
    {
        var sampler = new CpuSampler(4096);
        float[] logits = Logits(4096, new Random(1));
        SamplingRow[] rows =
        [
            new(), new() { Parameters = new() { TopK = 50, TopP = 0.9f, MinP = 0.01f } }, new() { Parameters = new() { TopP = 0.9f } },
            new() { Parameters = new() { Temperature = 0f }, BannedTokens = [5] },
        ];
        void Sample()
        {
            foreach (var row in rows)
            {
                sampler.Sample(logits, row, out _);
            }
        }

        Sample();
        Assert.Equal(0, AllocatedBytes.Measure(Sample));
    }

    private static void AssertBits(float expected, float actual) =>
        Assert.Equal(BitConverter.SingleToUInt32Bits(expected), BitConverter.SingleToUInt32Bits(actual));

    // Several shapes: spread, coarse with many ties, all equal, one peak, sorted, signed zeros.
    private static float[] Logits(int vocabulary, Random random)
    {
        float spread = MathF.ScaleB(1f, random.Next(-4, 6));
        int shape = random.Next(6);
        float[] row = new float[vocabulary];
        for (int i = 0; i < vocabulary; i++)
        {
            float x = ((random.NextSingle() + random.NextSingle() + random.NextSingle()) * 2f) - 3f;
            row[i] = shape switch
            {
                0 => MathF.Round(x * 4f) / 4f * spread,
                1 => -2.5f,
                2 => i == vocabulary / 2 ? 30f : x,
                3 => random.Next(3) switch { 0 => 0f, 1 => -0f, _ => -spread },
                _ => x * spread,
            };
        }

        if (shape == 5)
        {
            Array.Sort(row);
        }

        return row;
    }

    private static SamplingRow RandomRow(int vocabulary, Random random)
    {
        float[] temperatures = [0f, 0.01f, 0.5f, 0.7f, 1f, 1f, 1f, 1.3f, 50f];
        float[] topPs = [1f, 1f, 0.95f, 0.9f, 0.5f, 0.1f, 1e-6f, 0.999f, 1e-9f];
        float[] minPs = [0f, 0f, 0f, 0.01f, 0.1f, 0.9f, 1f];
        int[] topKs = [0, 0, 0, 1, 2, 5, 50, 1000, vocabulary / 2, vocabulary - 1, vocabulary, vocabulary + 5];
        var history = new TokenHistory();
        bool penalties = random.Next(3) == 0;
        for (int i = 0; i < 20; i++)
        {
            history.AddPrompt(random.Next(vocabulary));
            history.AddOutput(random.Next(vocabulary));
        }

        return new SamplingRow
        {
            Position = random.NextInt64(),
            History = penalties ? history : null,
            BannedTokens = random.Next(4) == 0 ? [random.Next(vocabulary)] : [],
            Parameters = new SamplingParameters
            {
                Temperature = temperatures[random.Next(temperatures.Length)],
                TopP = topPs[random.Next(topPs.Length)],
                TopK = topKs[random.Next(topKs.Length)],
                MinP = minPs[random.Next(minPs.Length)],
                Seed = (ulong)random.NextInt64(),
                LogitBias = random.Next(4) == 0 ? [new LogitBias(random.Next(vocabulary), (random.NextSingle() * 20f) - 10f)] : [],
                RepetitionPenalty = penalties ? 1.2f : 1f,
                FrequencyPenalty = penalties ? 0.3f : 0f,
                PresencePenalty = penalties ? -0.2f : 0f,
            },
        };
    }
}
