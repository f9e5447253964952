namespace Grid.Numerics.Tests;

public class MixtureOfExpertsReferenceTests
{
    [Fact]
    public void Slots_are_ordered_by_logit_descending_and_expert_ascending()
    {
        var random = new Random(3);
        for (int trial = 0; trial < 2000; trial++)
        {
            int count = 1 + random.Next(130);
            // Few different values, so that most logits tie.
            float[] logits = [.. Enumerable.Range(0, count).Select(_ => random.Next(1 + (trial % 9)) - 3.5f)];
            (int[] experts, _) = Route(logits, 1 + random.Next(Math.Min(count, 12)), normalize: true);
            int[] expected = [.. Enumerable.Range(0, count).OrderByDescending(e => logits[e]).ThenBy(e => e).Take(experts.Length)];
            Assert.Equal(expected, experts);
        }
    }

    [Fact]
    public void Logits_decide_where_probabilities_are_equal()
    {
        // One last bit apart, and Exp2 of the difference is 1.
        float[] logits = [0.1f, 0.1f, MathF.BitIncrement(0.1f), 0.1f];
        (int[] experts, float[] weights) = Route(logits, 2, normalize: true);
        Assert.Equal([2, 0], experts);
        BitAssert.Equal(weights[0], weights[1], "weights");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Weights_follow_the_contract_s_formula_and_are_a_softmax(bool normalize)
    {
        var random = new Random(4);
        for (int trial = 0; trial < 200; trial++)
        {
            float[] logits = [.. Enumerable.Range(0, 3 + random.Next(300)).Select(_ => (random.NextSingle() - 0.5f) * 30)];
            (int[] experts, float[] weights) = Route(logits, Math.Min(8, logits.Length), normalize);
            float largest = logits.Max();
            float[] shares = [.. logits.Select(l => Transcendentals.Exp2((l - largest) * Transcendentals.Log2E))];
            float sum = normalize ? experts.Aggregate(0f, (s, e) => s + shares[e]) : RowReduction.Sum(shares);
            double[] exact = [.. logits.Select(l => Math.Exp((double)l - largest))];
            double exactSum = normalize ? experts.Sum(e => exact[e]) : exact.Sum();
            for (int slot = 0; slot < experts.Length; slot++)
            {
                BitAssert.Equal(shares[experts[slot]] / sum, weights[slot], $"trial {trial} slot {slot}");
                double probability = exact[experts[slot]] / exactSum;
                Assert.InRange(weights[slot], probability * (1 - 1e-5), probability * (1 + 1e-5));
            }
        }
    }

    [Fact]
    public void Far_apart_logits_give_weight_zero_and_no_overflow()
    {
        (int[] experts, float[] weights) = Route([float.MinValue, 3e38f, -3e38f, 0f], 3, normalize: true);
        Assert.Equal([1, 3, 2], experts);
        Assert.Equal([1f, 0f, 0f], weights);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void A_row_with_a_logit_that_is_not_finite_takes_the_first_experts_with_weights_NaN(float value)
    {
        (int[] experts, float[] weights) = Route([1f, 2f, 3f, value, 5f], 3, normalize: true);
        Assert.Equal([0, 1, 2], experts);
        Assert.All(weights, w => Assert.True(float.IsNaN(w)));
    }

    [Fact]
    public void Combining_adds_slots_in_ascending_order_and_rounds_once_with_the_residual()
    {
        // (2^24 + 1) - 2^24 is 0 in this order and 1 in any other; 1 + 2^-8 would round down alone and up with 2^-12.
        ushort[] residual = [Bf16.FromSingle(3f), Bf16.FromSingle(1f)];
        float[] weights = [0.5f, 0.5f, 1f];
        float[] outputs = [33554432f, 0.00390625f, 2f, 0.00390625f, -16777216f, 0.000244140625f];
        MixtureOfExpertsReference.Combine(weights, outputs, residual);
        Assert.Equal(3f, Bf16.ToSingle(residual[0]));
        Assert.Equal(1.0078125f, Bf16.ToSingle(residual[1]));
    }

    private static (int[] Experts, float[] Weights) Route(float[] logits, int slots, bool normalize)
    {
        int[] experts = new int[slots];
        float[] weights = new float[slots];
        MixtureOfExpertsReference.Route(logits, normalize, experts, weights);
        return (experts, weights);
    }
}
