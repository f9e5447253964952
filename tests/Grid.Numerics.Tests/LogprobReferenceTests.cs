namespace Grid.Numerics.Tests;

public sealed class LogprobReferenceTests(ITestOutputHelper output)
{
    [Fact]
    public void Logprobs_are_those_of_the_softmax()
    {
        double worst = 0;
        foreach (int vocabulary in (int[])[2, 500, 4096])
        {
            float[] row = TestLogits.Row(vocabulary, 3);
            double max = row.Max();
            double logSum = Math.Log(row.Sum(l => Math.Exp(l - max)));
            for (int token = 0; token < Math.Min(vocabulary, 100); token++)
            {
                double expected = row[token] - max - logSum;
                worst = Math.Max(worst, Math.Abs(LogprobReference.Logprob(row, token) - expected));
            }
        }

        output.WriteLine($"largest error {worst:G3}");
        Assert.InRange(worst, 0.0, 4e-6);
    }

    [Fact]
    public void A_certain_token_has_a_logprob_of_zero_and_a_nearly_certain_one_a_little_less()
    {
        Assert.Equal(0f, LogprobReference.Logprob([100f, 0f, 0f], 0));
        Assert.Equal(-100f, LogprobReference.Logprob([100f, 0f, 0f], 1));
        float nearly = LogprobReference.Logprob([12f, 0f], 0);
        Assert.InRange(nearly, -6.3e-6f, -6.0e-6f);
    }

    [Fact]
    public void The_order_of_the_vocabulary_does_not_matter()
    {
        float[] row = TestLogits.Row(3000, 8);
        float expected = LogprobReference.Logprob(row, 17);
        for (ulong shuffle = 0; shuffle < 20; shuffle++)
        {
            float[] shuffled = [.. row.Select((l, i) => (l, key: Philox4x32.Draw(shuffle, i, 1))).OrderBy(p => p.key).Select(p => p.l)];
            Assert.NotEqual(row, shuffled);
            BitAssert.Equal(
                expected, LogprobReference.Logprob(shuffled, Array.IndexOf(shuffled, row[17])), $"shuffle {shuffle}");
        }
    }

    [Fact]
    public void Top_tokens_come_by_logit_and_then_by_id()
    {
        Assert.Equal([3, 1, 4, 0, 2], LogprobReference.Top([1f, 2f, 0.5f, 7f, 2f], 10));
        Assert.Equal([3, 1], LogprobReference.Top([1f, 2f, 0.5f, 7f, 2f], 2));
    }
}
