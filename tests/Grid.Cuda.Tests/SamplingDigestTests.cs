using Grid.Cuda.Build;
using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.Sampling;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cuda.Tests;

/// <summary>Digests of rows of logits from the GPU against the contract's, bit for bit, and what they leave as it was.</summary>
[Collection(GpuCollection.Name)]
public sealed class SamplingDigestTests(GpuFixture gpu)
{
    // Around what a lane, a tile, a block and a cluster hold, with rows that begin where 16 bytes can and cannot; vocabularies of models.
    [Theory]
    [InlineData(64, 1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 100, 127, 128, 129, 255, 257, 1000, 1023, 1024, 1025)]
    [InlineData(64, 1276, 1280, 1284, 2560, 4095, 4096, 4099, 10240, 10241, 20011, 32000)]
    [InlineData(16, 50257, 128256, 151936, 200019, 262143, 262144)]
    public void A_row_that_asks_gets_the_reference_s_digest_and_no_other_row_changes(int rows, params int[] vocabularies)
    {
        int given = 0;
        foreach (int vocabulary in vocabularies)
        {
            var values = new SamplingCase(vocabulary, rows, seed: 21);
            for (int i = 0; i < rows; i++)
            {
                values.Rows[i].Digest = i % 3 != 1;
            }

            using var bench = new SamplingBench(gpu, rows, vocabulary);
            var actual = bench.Run(values);
            Assert.Null(values.Difference(values.OnCpu(), actual));
            for (int i = 0; i < rows; i++)
            {
                LogitDigest? expected = values.Rows[i].Digest && !actual[i].NonFinite
                    ? LogitDigest.Of(values.Logits.AsSpan(values.Rows[i].LogitRow * vocabulary, vocabulary))
                    : null;
                Assert.True(expected == actual[i].Digest, $"vocabulary {vocabulary}, row {i}: expected {expected}, got {actual[i].Digest}");
                given += expected is null ? 0 : 1;
            }
        }

        Assert.True(given > rows, $"{given} digests");
        TestContext.Current.TestOutputHelper?.WriteLine($"{given} digests");
    }

    [Theory]
    [InlineData(32000)]
    [InlineData(4099)]
    public void A_digest_is_the_same_alone_and_beside_rows_with_and_without_one(int vocabulary)
    {
        var values = new SamplingCase(vocabulary, 40, seed: 22);
        using var bench = new SamplingBench(gpu, 40, vocabulary);
        using var logits = DeviceMemory.Of<float>(bench.Context, bench.Stream, values.Logits);
        foreach (var row in values.Rows)
        {
            row.Digest = true;
        }

        var all = new SampledToken[40];
        bench.Sampler.Sample(bench.Stream, logits.Span, values.Rows, all);
        var alone = new SampledToken[1];
        for (int i = 0; i < 10; i++)
        {
            bench.Sampler.Sample(bench.Stream, logits.Span, values.Rows.AsSpan(i, 1), alone);
            Assert.Equal(all[i].Digest, alone[0].Digest);
        }

        for (int i = 0; i < 40; i += 2)
        {
            values.Rows[i].Digest = false;
        }

        var half = new SampledToken[40];
        bench.Sampler.Sample(bench.Stream, logits.Span, values.Rows, half);
        for (int i = 0; i < 40; i++)
        {
            Assert.Equal(i % 2 == 0 ? null : all[i].Digest, half[i].Digest);
            Assert.Equal(SamplingCase.HashOf(all.AsSpan(i, 1)), SamplingCase.HashOf(half.AsSpan(i, 1)));
        }
    }

    [Theory]
    [InlineData("at + k < count ? x[k] : 0", "x[k]")]
    [InlineData("2 * DIGEST_TILE + 2 * (first_tile + i - DIGEST_TILE)", "2 * DIGEST_TILE + 2 * (i - DIGEST_TILE)")]
    [InlineData("(first + threadIdx.x * EACH) % DIGEST_TILE", "(threadIdx.x * EACH) % DIGEST_TILE")]
    [InlineData("others[k] += key.second * bits", "others[k] += key.first * bits")]
    [InlineData("for (u32 r = 0; r < BLOCKS; r++) sum = ", "for (u32 r = 1; r < BLOCKS; r++) sum = ")]
    public void The_comparison_sees_a_digest_that_is_a_little_wrong(string right, string wrong)
    {
        var source = SamplingKernel.Source;
        var header = source.Headers.Single(one => one.Name == "token_digest.cuh");
        Assert.Contains(right, header.Text, StringComparison.Ordinal);
        string broken = source.Text.Replace(
            "#include \"token_digest.cuh\"",
            header.Text.Replace("#pragma once", "", StringComparison.Ordinal).Replace(right, wrong, StringComparison.Ordinal), StringComparison.Ordinal);
        bool seen = false;
        foreach (int vocabulary in (int[])[9, 1000, 10241])
        {
            var values = new SamplingCase(vocabulary, 32, seed: 23);
            foreach (var row in values.Rows)
            {
                row.Digest = true;
            }

            using var bench = new SamplingBench(gpu, 32, vocabulary, KernelSource.FromText("broken", broken));
            seen |= values.Difference(values.OnCpu(), bench.Run(values)) is not null;
        }

        Assert.True(seen);
    }
}
