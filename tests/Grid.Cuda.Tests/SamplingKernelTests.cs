using Grid.Cuda.Build;
using Grid.Cuda.Driver;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cuda.Tests;

/// <summary>Tokens and logprobs from the GPU against the CPU's sampler, bit for bit.</summary>
[Collection(GpuCollection.Name)]
public sealed class SamplingKernelTests(GpuFixture gpu)
{
    private const int LaunchedRows = 512;

    // Around what a lane, a warp, a tile, a block and a cluster hold; vocabularies of real models.
    [Theory]
    [InlineData(4608, 1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 64)]
    [InlineData(4608, 100, 127, 128, 129, 255, 256, 257, 500, 1000, 1023, 1024, 1025)]
    [InlineData(1024, 1276, 1280, 1284, 2560, 4095, 4096, 4099, 10240, 10241)]
    [InlineData(256, 20011, 32000, 50257)]
    [InlineData(128, 128256, 151936, 200019, 262143, 262144)]
    public void Every_row_has_the_bits_of_the_CPU(int rows, params int[] vocabularies)
    {
        int drawn = 0, bad = 0;
        foreach (int vocabulary in vocabularies)
        {
            var values = new SamplingCase(vocabulary, rows, seed: 1);
            using var bench = new SamplingBench(gpu, LaunchedRows, vocabulary);
            var expected = values.OnCpu();
            Assert.Null(values.Difference(expected, bench.Run(values)));
            bad += expected.Count(result => result.NonFinite);
            drawn += expected.Count(result => !result.NonFinite);
        }

        Assert.True(bad > 0 && drawn > 5 * bad, $"{drawn} drawn or scored, {bad} not finite");
        TestContext.Current.TestOutputHelper?.WriteLine($"{drawn} rows drawn or scored, {bad} not finite");
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(32000)]
    public void A_row_has_the_same_bits_alone_and_in_any_crowd(int vocabulary)
    {
        var values = new SamplingCase(vocabulary, 200, seed: 2);
        using var bench = new SamplingBench(gpu, 200, vocabulary);
        using var logits = DeviceMemory.Of<float>(bench.Context, bench.Stream, values.Logits);
        var expected = values.OnCpu();
        var alone = new SampledToken[1];
        for (int i = 0; i < 50; i++)
        {
            bench.Sampler.Sample(bench.Stream, logits.Span, values.Rows.AsSpan(i, 1), alone);
            Assert.Equal(SamplingCase.HashOf(expected.AsSpan(i, 1)), SamplingCase.HashOf(alone));
        }

        Array.Reverse(values.Rows);
        Array.Reverse(expected);
        var reversed = new SampledToken[200];
        bench.Sampler.Sample(bench.Stream, logits.Span, values.Rows, reversed);
        Assert.Null(values.Difference(expected, reversed));
    }

    [Fact]
    public void Lists_longer_than_any_before_find_room()
    {
        const int Vocabulary = 262144;
        var values = new SamplingCase(Vocabulary, 3, seed: 3);
        var history = new TokenHistory();
        for (int token = 0; token < Vocabulary; token += 2)
        {
            history.AddOutput(token);
        }

        foreach (var row in values.Rows)
        {
            row.ScoredToken = -1;
            row.History = history;
            row.Parameters = new SamplingParameters { FrequencyPenalty = 0.5f, RepetitionPenalty = 1.1f, TopP = 0.9f, Seed = 5 };
        }

        using var bench = new SamplingBench(gpu, 3, Vocabulary);
        Assert.Null(values.Difference(values.OnCpu(), bench.Run(values)));
    }

    [Fact]
    public void A_graph_holds_the_launch_for_other_rows_and_fewer_of_them()
    {
        const int Launched = 64, Vocabulary = 5000;
        var values = new SamplingCase(Vocabulary, Launched, seed: 4);
        var expected = values.OnCpu();
        using var bench = new SamplingBench(gpu, Launched, Vocabulary);
        using var logits = DeviceMemory.Of<float>(bench.Context, bench.Stream, values.Logits);
        var all = logits.Span;
        using var graph = CudaGraph.Capture(
            bench.Context, bench.Stream, () => bench.Sampler.Launch(bench.Stream, all, Launched, startsEarly: true));
        foreach (int count in (int[])[64, 1, 40, 0, 63])
        {
            var rows = values.Rows[..count];
            var results = new SampledToken[count];
            bench.Sampler.Prepare(bench.Stream, rows, Launched, Launched);
            graph.Launch(bench.Stream);
            bench.Sampler.Return(bench.Stream);
            bench.Sampler.End(results);
            Assert.Null(values.Difference(expected.AsSpan(0, count), results));
        }
    }

    [Fact]
    public void Two_samplings_are_under_way_and_end_in_their_order()
    {
        const int Vocabulary = 5000;
        var one = new SamplingCase(Vocabulary, 40, seed: 14);
        var other = new SamplingCase(Vocabulary, 64, seed: 15);
        using var bench = new SamplingBench(gpu, 64, Vocabulary);
        using var oneLogits = DeviceMemory.Of<float>(bench.Context, bench.Stream, one.Logits);
        using var otherLogits = DeviceMemory.Of<float>(bench.Context, bench.Stream, other.Logits);
        bench.Sampler.Begin(bench.Stream, oneLogits.Span, one.Rows, 40);
        for (int turn = 0; turn < 4; turn++)
        {
            var (next, logits) = turn % 2 == 0 ? (other, otherLogits) : (one, oneLogits);
            bench.Sampler.Begin(bench.Stream, logits.Span, next.Rows, next.Rows.Length);
            Assert.Throws<InvalidOperationException>(() => bench.Sampler.Begin(bench.Stream, logits.Span, next.Rows, next.Rows.Length));
            var before = turn % 2 == 0 ? one : other;
            var results = new SampledToken[before.Rows.Length];
            bench.Sampler.End(results);
            Assert.Null(before.Difference(before.OnCpu(), results));
        }

        var last = new SampledToken[one.Rows.Length];
        bench.Sampler.End(last);
        Assert.Null(one.Difference(one.OnCpu(), last));
        Assert.Throws<InvalidOperationException>(() => bench.Sampler.End(last));
    }

    [Fact]
    public void A_step_without_top_tokens_allocates_nothing()
    {
        const int Vocabulary = 4096;
        var values = new SamplingCase(Vocabulary, 100, seed: 5);
        foreach (var row in values.Rows)
        {
            row.TopLogprobs = 0;
        }

        using var bench = new SamplingBench(gpu, 100, Vocabulary);
        using var logits = DeviceMemory.Of<float>(bench.Context, bench.Stream, values.Logits);
        var results = new SampledToken[100];
        bench.Sampler.Sample(bench.Stream, logits.Span, values.Rows, results);
        Assert.Equal(0, AllocatedBytes.Measure(() => bench.Sampler.Sample(bench.Stream, logits.Span, values.Rows, results)));
    }

    [Fact]
    public void Every_operation_of_a_penalty_rounds()
    {
        // Token 1 is where token 0 lands when product and difference both round: token 0 wins the tie. An fma lands elsewhere.
        const int Vocabulary = 2;
        var random = new Random(7);
        var rows = new List<SamplingRow>();
        var logits = new List<float>();
        while (rows.Count < 200)
        {
            float logit = (random.NextSingle() * 8f) + 1f, frequency = random.NextSingle();
            int count = random.Next(1, 6);
            float product = frequency * count;
            if (MathF.FusedMultiplyAdd(-frequency, count, logit) < logit - product)
            {
                var history = new TokenHistory();
                history.AddPrompt(0);
                for (int i = 0; i < count; i++)
                {
                    history.AddOutput(0);
                }

                logits.AddRange([logit, logit - product]);
                rows.Add(new() { LogitRow = rows.Count, History = history, Parameters = new() { Temperature = 0f, FrequencyPenalty = frequency } });
            }
        }

        using var bench = new SamplingBench(gpu, rows.Count, Vocabulary);
        using var memory = DeviceMemory.Of<float>(bench.Context, bench.Stream, [.. logits]);
        var results = new SampledToken[rows.Count];
        bench.Sampler.Sample(bench.Stream, memory.Span, [.. rows], results);
        Assert.All(results, result => Assert.Equal(0, result.TokenId));
    }

    [Theory]
    [InlineData("weight >= a.min_weight", "weight > a.min_weight")]
    [InlineData("keeps(by_count, key, token) ? token_weight(scale, l) : 0", "token_weight(scale, l)")]
    [InlineData("place += list[j] < mine", "place += list[j] >> 32 < mine >> 32")]
    [InlineData("__fmul_rn(a.frequency, __uint2float_rn(count))", "a.frequency")]
    [InlineData("a.seed, a.position, 0)", "a.seed, a.position + 1, 0)")]
    [InlineData("l > e.most || e.token == NO_TOKEN", "l >= e.most")]
    [InlineData("return count > 0 ? __fsub_rn(l, a.presence) : l;", "return __fsub_rn(l, a.presence);")]
    public void The_comparison_sees_a_kernel_that_is_a_little_wrong(string right, string wrong)
    {
        var source = Kernels.Sampling.SamplingKernel.Source;
        Assert.Contains(right, source.Text, StringComparison.Ordinal);
        var broken = KernelSource.FromText("broken", source.Text.Replace(right, wrong, StringComparison.Ordinal));
        bool seen = false;
        foreach (int vocabulary in (int[])[9, 100, 1000])
        {
            var values = new SamplingCase(vocabulary, 2048, seed: 6);
            using var bench = new SamplingBench(gpu, LaunchedRows, vocabulary, broken);
            seen |= values.Difference(values.OnCpu(), bench.Run(values)) is not null;
        }

        Assert.True(seen);
    }
}
