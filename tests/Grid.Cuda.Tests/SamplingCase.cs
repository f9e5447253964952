using System.Security.Cryptography;
using Grid.Cpu.Sampling;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cuda.Tests;

/// <summary>Logits of many shapes and rows that ask for everything; a function of its arguments alone, on any machine.</summary>
internal sealed class SamplingCase
{
    private const int Shapes = 16;

    public SamplingCase(int vocabulary, int rows, int seed)
    {
        Vocabulary = vocabulary;
        Logits = new float[(long)vocabulary * rows];
        Rows = new SamplingRow[rows];
        Parallel.For(0, rows, row =>
        {
            var random = new Random(HashOf(vocabulary, row, seed));
            FillLogits(Logits.AsSpan(row * vocabulary, vocabulary), random);
            Rows[row] = RandomRow(random, rows);
        });
    }

    public int Vocabulary { get; }

    /// <summary>[rows, Vocabulary]</summary>
    public float[] Logits { get; }

    public SamplingRow[] Rows { get; }

    /// <summary>What the CPU's sampler gives.</summary>
    public SampledToken[] OnCpu()
    {
        var results = new SampledToken[Rows.Length];
        Parallel.For(0, Rows.Length, () => new CpuSampler(Vocabulary), (i, _, sampler) =>
        {
            sampler.Sample(Logits.AsSpan(Rows[i].LogitRow * Vocabulary, Vocabulary), Rows[i], out results[i]);
            return sampler;
        }, _ => { });
        return results;
    }

    /// <summary>SHA-256 of results, NaN as one pattern.</summary>
    public static string HashOf(ReadOnlySpan<SampledToken> results)
    {
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes);
        foreach (var result in results)
        {
            writer.Write(result.TokenId);
            writer.Write(BitsOf(result.Logprob));
            writer.Write(result.NonFinite);
            writer.Write(result.Top.Length);
            foreach (var top in result.Top)
            {
                writer.Write(top.TokenId);
                writer.Write(BitsOf(top.Logprob));
            }
        }

        return Convert.ToHexStringLower(SHA256.HashData(bytes.GetBuffer().AsSpan(0, (int)bytes.Length)));
    }

    /// <summary>The first difference in words; null when there is none.</summary>
    public string? Difference(ReadOnlySpan<SampledToken> expected, ReadOnlySpan<SampledToken> actual)
    {
        for (int i = 0; i < expected.Length; i++)
        {
            if (Difference(expected[i], actual[i]) is { } difference)
            {
                var row = Rows[i];
                return $"vocabulary {Vocabulary}, row {i}: {difference}. Expected {Text(expected[i])}, got {Text(actual[i])}; {row.Parameters}, "
                    + $"logits {row.LogitRow}, position {row.Position}, scored {row.ScoredToken}, logprobs {row.Logprobs}, top {row.TopLogprobs}, "
                    + $"biases {row.Parameters.LogitBias.Count}, history {row.History?.Tokens.Count}, banned {row.BannedTokens.Length}";
            }
        }

        return null;
    }

    private static string Text(SampledToken token) =>
        $"token {token.TokenId}, logprob {BitsOf(token.Logprob):X8}, {token.Top.Length} top, non-finite {token.NonFinite}";

    private static string? Difference(SampledToken expected, SampledToken actual)
    {
        if (expected.TokenId != actual.TokenId || expected.NonFinite != actual.NonFinite)
        {
            return "token";
        }

        if (BitsOf(expected.Logprob) != BitsOf(actual.Logprob))
        {
            return "logprob";
        }

        if (expected.Digest != actual.Digest)
        {
            return $"digest, expected {expected.Digest}, got {actual.Digest}";
        }

        if (expected.Top.Length != actual.Top.Length)
        {
            return "number of top tokens";
        }

        for (int i = 0; i < expected.Top.Length; i++)
        {
            TokenLogprob a = expected.Top[i], b = actual.Top[i];
            if (a.TokenId != b.TokenId || BitsOf(a.Logprob) != BitsOf(b.Logprob))
            {
                return $"top[{i}], expected {a.TokenId} {BitsOf(a.Logprob):X8}, got {b.TokenId} {BitsOf(b.Logprob):X8}";
            }
        }

        return null;
    }

    private static uint BitsOf(float x) => float.IsNaN(x) ? 0x7FC00000 : BitConverter.SingleToUInt32Bits(x);

    private static int HashOf(int vocabulary, int row, int seed) => unchecked((((vocabulary * 31) + row) * 1009) + seed);

    private static void FillLogits(Span<float> row, Random random)
    {
        float spread = MathF.ScaleB(1f, random.Next(-4, 6));
        int shape = random.Next(Shapes);
        for (int i = 0; i < row.Length; i++)
        {
            float x = ((random.NextSingle() + random.NextSingle() + random.NextSingle()) * 2f) - 3f;
            row[i] = shape switch
            {
                0 => MathF.Round(x * 4f) / 4f * spread, // few distinct values
                1 => -2.5f,
                2 => i == row.Length / 2 ? 30f : x,
                3 => random.Next(3) switch { 0 => 0f, 1 => -0f, _ => -spread },
                4 => random.Next(2) == 0 ? 0f : -0f,
                5 => x * 1e38f, // differences overflow
                6 => BitConverter.Int32BitsToSingle(random.Next(0x00800000) | (random.Next(2) << 31)), // subnormal
                7 => Finite(random.Next(int.MinValue, int.MaxValue)), // any size
                8 => BitConverter.Int32BitsToSingle(0x41200000 + random.Next(2)), // neighbours
                9 => random.Next(2000) == 0 ? 20f + x : x, // a few likely ones
                _ => x * spread,
            };
        }

        if (shape is 10 or 11)
        {
            row.Sort();
        }

        if (shape == 11)
        {
            row.Reverse();
        }

        if (random.Next(25) == 0)
        {
            float[] bad = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, -float.NaN];
            row[random.Next(row.Length)] = bad[random.Next(bad.Length)];
        }
    }

    private static float Finite(int bits) =>
        float.IsFinite(BitConverter.Int32BitsToSingle(bits)) ? BitConverter.Int32BitsToSingle(bits) : 1f;

    private static T Any<T>(Random random, params ReadOnlySpan<T> values) => values[random.Next(values.Length)];

    private SamplingRow RandomRow(Random random, int logitRows)
    {
        int v = Vocabulary;
        bool penalties = random.Next(3) == 0;
        return new SamplingRow
        {
            LogitRow = random.Next(logitRows),
            Position = random.NextInt64(),
            ScoredToken = random.Next(6) == 0 ? random.Next(v) : -1,
            Logprobs = random.Next(2) == 0,
            TopLogprobs = random.Next(4) == 0 ? Any(random, 1, 2, 5, 20, 100, Math.Min(v, 1024), Math.Min(v + 3, 1024)) : 0,
            History = penalties ? RandomHistory(random) : null,
            BannedTokens = random.Next(4) == 0 ? RandomBans(random) : [],
            Parameters = new SamplingParameters
            {
                Temperature = Any(random, 0f, 1e-3f, 0.01f, 0.5f, 0.7f, 1f, 1f, 1f, 1.3f, 50f, 1e4f),
                TopP = Any(random, 1f, 1f, 1f, 0.95f, 0.9f, 0.5f, 0.1f, 1e-6f, 1e-9f, 0.999f, 0.99999994f),
                TopK = Any(random, 0, 0, 0, 1, 2, 5, 50, 1000, v / 2, v - 1, v, v + 5),
                MinP = Any(random, 0f, 0f, 0f, 1e-9f, 0.01f, 0.1f, 0.9f, 1f),
                Seed = (ulong)random.NextInt64() * 2,
                LogitBias = random.Next(4) == 0 ? RandomBiases(random) : [],
                RepetitionPenalty = penalties ? Any(random, 1f, 1.2f, 0.5f, 1e-30f) : 1f,
                FrequencyPenalty = penalties ? Any(random, 0f, 0.3f, -0.7f) : 0f,
                PresencePenalty = penalties ? Any(random, 0f, 0.2f, -1f) : 0f,
            },
        };
    }

    private TokenHistory RandomHistory(Random random)
    {
        var history = new TokenHistory();
        for (int i = random.Next(60); i >= 0; i--)
        {
            history.AddPrompt(random.Next(Vocabulary));
            history.AddOutput(random.Next(Math.Min(Vocabulary, 40)));
        }

        return history;
    }

    // A few, or all but one, or all.
    private int[] RandomBans(Random random)
    {
        int kept = random.Next(Vocabulary);
        return random.Next(8) switch
        {
            0 => [.. Enumerable.Range(0, Vocabulary).Where(token => token != kept)],
            1 => [.. Enumerable.Range(0, Vocabulary)],
            _ => [.. Enumerable.Range(0, random.Next(1, 5)).Select(_ => random.Next(Vocabulary)).Order()],
        };
    }

    // Ascending; some tokens twice, some biases that overflow.
    private LogitBias[] RandomBiases(Random random) =>
        [.. Enumerable.Range(0, random.Next(1, 6)).Select(_ => random.Next(Vocabulary)).Order()
            .Select(token => new LogitBias(token, random.Next(60) == 0 ? float.MaxValue : (random.NextSingle() * 20f) - 10f))];
}
