using Grid.Cuda.Kernels.Sampling;

namespace Grid.Cuda.Tests;

/// <summary>What the GPU's sampler cannot do of what a row may ask (SamplingCheckTests of Grid.Models.Tests has the rest).</summary>
public sealed class SamplingLimitTests
{
    [Fact]
    public void More_most_probable_tokens_than_a_cluster_lists_are_refused()
    {
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => SamplingRowData.Require(new() { TopLogprobs = 1025 }, 3, 4, 5000));
        Assert.StartsWith("rows[3].TopLogprobs is 1025; it must be at most 1024.", error.Message, StringComparison.Ordinal);
        SamplingRowData.Require(new() { TopLogprobs = 2000 }, 0, 4, vocabulary: 10);
    }

    [Fact]
    public void A_row_that_the_logits_do_not_have_is_refused()
    {
        foreach (int row in (int[])[4, -1])
        {
            var error = Assert.Throws<ArgumentOutOfRangeException>(() => SamplingRowData.Require(new() { LogitRow = row }, 3, 4, 5000));
            Assert.StartsWith($"rows[3].LogitRow is {row}; it must be a row of the logits, which have 4.", error.Message, StringComparison.Ordinal);
        }
    }
}
