namespace Grid.Numerics.Tests;

public sealed class SamplerReferenceTests(ITestOutputHelper output)
{
    private const int Vocabulary = 500;

    [Fact]
    public void Greedy_takes_the_largest_and_of_equals_the_lowest_id()
    {
        Assert.Equal(2, Sample([1f, 2f, 3f, 3f, 0f], new() { Temperature = 0f }));
        Assert.Equal(0, Sample([0f, -0f, -1f], new() { Temperature = 0f }));
        Assert.Equal(0, Sample([-0f, 0f, -1f], new() { Temperature = 0f }));
    }

    [Fact]
    public void Top_k_of_one_is_greedy_at_any_temperature()
    {
        for (int i = 0; i < 300; i++)
        {
            float[] row = TestLogits.Row(Vocabulary, (ulong)i);
            int greedy = Sample(row, new() { Temperature = 0f });
            foreach (float temperature in (float[])[1e-30f, 0.3f, 1f, 1.5f, 100f])
            {
                Assert.Equal(greedy, Sample(row, new() { Temperature = temperature, TopK = 1, Seed = (ulong)i }, i));
            }
        }

        // Two logits that a division by the temperature makes equal, as do their weights: the order is the logits' own.
        float lower = 1.6f;
        while (MathF.BitIncrement(lower) / 1.5f != lower / 1.5f)
        {
            lower = MathF.BitIncrement(lower);
        }

        Assert.Equal(1, Sample([lower, MathF.BitIncrement(lower)], new() { Temperature = 1.5f, TopK = 1 }));
    }

    [Fact]
    public void A_row_with_a_nan_or_an_infinity_gives_no_token()
    {
        foreach (float bad in (float[])[float.NaN, float.PositiveInfinity, float.NegativeInfinity])
        {
            for (int place = 0; place < 5; place++)
            {
                float[] row = [1f, 2f, 3f, 4f, 5f];
                row[place] = bad;
                Assert.Equal(SamplerReference.NonFinite, Sample(row, new() { Temperature = 0f }));
                Assert.Equal(SamplerReference.NonFinite, Sample(row, new()));
            }
        }

        LogitBias[] overflow = [new(1, float.MaxValue)];
        Assert.Equal(SamplerReference.NonFinite, Sample([1f, float.MaxValue], new() { LogitBias = overflow }));
        Assert.Equal(SamplerReference.NonFinite, SamplerReference.Sample([1f, 2f], new(), 0, null, [0, 1]));
    }

    [Fact]
    public void Extreme_temperatures_and_logits_still_draw()
    {
        float[] row = [3e38f, 2e38f, -3e38f];
        Assert.Equal(0, Sample(row, new() { Temperature = 1e-38f }));
        Assert.Equal(0, Sample(row, new() { Temperature = 1f }));
        Assert.InRange(Sample(row, new() { Temperature = float.MaxValue }), 0, 2);
    }

    [Fact]
    public void Draws_follow_the_probabilities()
    {
        // Chi-square over 20 tokens, 10 seeds of 10,000 draws: 190 degrees of freedom, of which 99.9 % lie below 253 and
        // 0.1 % below 136. The seeds are fixed, so the figure is too.
        float[] row = TestLogits.Row(20, 11, 0.8f);
        foreach (float temperature in (float[])[0.7f, 1f, 2f])
        {
            double chiSquare = 0;
            for (ulong seed = 0; seed < 10; seed++)
            {
                chiSquare += ChiSquare(row, new SamplingParameters { Temperature = temperature, Seed = seed }, 10_000);
            }

            output.WriteLine($"temperature {temperature}: chi-square {chiSquare:F1}");
            Assert.InRange(chiSquare, 136.0, 253.0);
        }
    }

    [Fact]
    public void Another_seed_or_position_is_another_draw_and_the_same_one_is_not()
    {
        float[] row = new float[Vocabulary];
        int[] byPosition = [.. Enumerable.Range(0, 200).Select(p => Sample(row, new() { Seed = 5 }, p))];
        int[] again = [.. Enumerable.Range(0, 200).Select(p => Sample(row, new() { Seed = 5 }, p))];
        int[] bySeed = [.. Enumerable.Range(0, 200).Select(s => Sample(row, new() { Seed = (ulong)s << 32 }, 5))];
        Assert.Equal(byPosition, again);
        Assert.InRange(byPosition.Distinct().Count(), 130, 190);
        Assert.InRange(bySeed.Distinct().Count(), 130, 190);
        Assert.NotEqual(Sample(row, new() { Seed = 5 }, 1L << 32), byPosition[0]);
    }

    [Fact]
    public void Filters_leave_exactly_the_tokens_of_the_text()
    {
        // Probabilities 0.4, 0.3, 0.2, 0.1 at ids 2, 0, 3, 1.
        float[] row = [MathF.Log(0.3f), MathF.Log(0.1f), MathF.Log(0.4f), MathF.Log(0.2f)];
        Assert.Equal([0, 1, 2, 3], Support(row, new()));
        Assert.Equal([0, 2], Support(row, new() { TopK = 2 }));
        Assert.Equal([0, 1, 2, 3], Support(row, new() { TopK = 4 }));
        Assert.Equal([0, 1, 2, 3], Support(row, new() { TopK = 1000 }));
        Assert.Equal([2], Support(row, new() { TopP = 1e-9f }));
        Assert.Equal([2], Support(row, new() { TopP = 0.39f }));
        Assert.Equal([0, 2], Support(row, new() { TopP = 0.41f }));
        Assert.Equal([0, 2], Support(row, new() { TopP = 0.69f }));
        Assert.Equal([0, 2, 3], Support(row, new() { TopP = 0.71f }));
        Assert.Equal([0, 2, 3], Support(row, new() { MinP = 0.49f }));
        Assert.Equal([0, 2], Support(row, new() { MinP = 0.51f }));
        Assert.Equal([2], Support(row, new() { MinP = 1f }));

        // top_p counts within what top_k left: 0.4 of 0.7 is 0.57.
        Assert.Equal([2], Support(row, new() { TopK = 2, TopP = 0.56f }));
        Assert.Equal([0, 2], Support(row, new() { TopK = 2, TopP = 0.58f }));
        Assert.Equal([2], Support(row, new() { TopK = 3, TopP = 0.9f, MinP = 0.8f }));
    }

    [Fact]
    public void Ties_at_the_cut_go_to_the_lowest_ids()
    {
        Assert.Equal([1, 2], Support([0f, 1f, 1f, 1f], new() { TopK = 2 }));
        Assert.Equal([1], Support([0f, 1f, 1f, 1f], new() { TopP = 0.2f }));

        // Weights before the third token are exactly the share asked for: it goes.
        Assert.Equal([0, 1], Support([1f, 1f, 1f, 1f], new() { TopP = 0.5f }));
        Assert.Equal([0, 1, 2], Support([1f, 1f, 1f, 1f], new() { TopP = 0.50001f }));
        Assert.Equal([0, 1], Support([0f, -0f, 0f, 0f], new() { TopK = 2 }));
    }

    [Fact]
    public void Bias_penalties_and_bans_act_in_order()
    {
        var history = new TokenHistory();
        history.AddPrompt(0);
        history.AddPrompt(1);
        history.AddOutput(1);
        history.AddOutput(1);
        history.AddOutput(3);
        var parameters = new SamplingParameters
        {
            LogitBias = [new(1, 0.75f), new(4, -1f)],
            RepetitionPenalty = 2f,
            FrequencyPenalty = 0.25f,
            PresencePenalty = 0.125f,
        };
        float[] row = [3f, 1.25f, 3f, -1f, 3f, 5f];
        LogitAdjustment.Apply(row, parameters, history, [5]);
        Assert.Equal([1.5f, ((1.25f + 0.75f) / 2f) - 0.5f - 0.125f, 3f, -2f - 0.25f - 0.125f, 2f, float.NegativeInfinity], row);
    }

    [Fact]
    public void Banned_tokens_are_never_drawn()
    {
        float[] row = [1f, 9f, 1f, 9f];
        for (int position = 0; position < 500; position++)
        {
            Assert.Contains(SamplerReference.Sample(row, new() { Temperature = 5f }, position, null, [1, 3]), (int[])[0, 2]);
        }

        Assert.Equal(0, SamplerReference.Sample(row, new() { Temperature = 0f }, 0, null, [1, 3]));
    }

    [Fact]
    public void Token_ids_out_of_the_vocabulary_are_refused_by_name()
    {
        var wrong = Assert.Throws<ArgumentOutOfRangeException>(
            () => Sample([1f, 2f], new() { LogitBias = [new(2, 1f)] }));
        Assert.Contains("logit_bias names token 2; token ids are 0 to 1", wrong.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => SamplerReference.Sample([1f], new(), 0, null, [-1]));
    }

    [Fact]
    public void The_draw_walks_the_ids_upwards()
    {
        // 2^63 of 2^64 is the middle: of weights 1, 1, 2 it falls at 2, the first unit of the last token.
        Assert.Equal(2, SamplerReference.Draw([1, 1, 2], 1UL << 63));
        Assert.Equal(1, SamplerReference.Draw([1, 1, 2], (1UL << 63) - 1));
        Assert.Equal(0, SamplerReference.Draw([1, 1, 2], 0));
        Assert.Equal(2, SamplerReference.Draw([1, 1, 2, 0], ulong.MaxValue));
        Assert.Equal(1, SamplerReference.Draw([0, 1], 0));
    }

    private static double ChiSquare(float[] row, SamplingParameters parameters, int draws)
    {
        int[] seen = new int[row.Length];
        for (int position = 0; position < draws; position++)
        {
            seen[Sample(row, parameters, position)]++;
        }

        return Softmax(row, parameters.Temperature).Zip(seen, (p, s) => Math.Pow(s - (p * draws), 2) / (p * draws)).Sum();
    }

    private static int Sample(float[] row, SamplingParameters parameters, long position = 0) =>
        SamplerReference.Sample(row, parameters, position, null, []);

    // The tokens seen in 400 draws.
    private static int[] Support(float[] row, SamplingParameters parameters) =>
        [.. Enumerable.Range(0, 400).Select(position => Sample(row, parameters, position)).Distinct().Order()];

    private static double[] Softmax(float[] row, double temperature)
    {
        double[] e = [.. row.Select(l => Math.Exp((l - row.Max()) / temperature))];
        return [.. e.Select(v => v / e.Sum())];
    }
}
