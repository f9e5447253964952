using System.Globalization;
using Grid.Models.Operations;

namespace Grid.Cuda.Tests;

/// <summary>SHA-256 of samplers' results captured from an H100, so that a machine without a GPU sees the CPU's sampler change.</summary>
[Collection(GpuCollection.Name)]
public sealed class SamplingKnownAnswerTests(GpuFixture gpu)
{
    /// <summary>Captures/sampling_hashes.txt: vocabulary, rows, seed, hash.</summary>
    public static TheoryData<int, int, int, string> KnownAnswers()
    {
        var answers = new TheoryData<int, int, int, string>();
        foreach (string line in TestResource.Read("sampling_hashes.txt").Split('\n').Where(line => line.Length > 0 && line[0] != '#'))
        {
            string[] parts = line.Split(' ');
            answers.Add(Number(parts[0]), Number(parts[1]), Number(parts[2]), parts[3]);
        }

        return answers;
    }

    [Theory]
    [MemberData(nameof(KnownAnswers))]
    public void The_CPU_has_the_bits_that_were_captured_from_the_GPU(int vocabulary, int rows, int seed, string hash) =>
        RequireHash(hash, vocabulary, new SamplingCase(vocabulary, rows, seed).OnCpu());

    [Theory]
    [MemberData(nameof(KnownAnswers))]
    public void The_GPU_still_has_the_bits_that_were_captured_from_it(int vocabulary, int rows, int seed, string hash)
    {
        using var bench = new SamplingBench(gpu, rows, vocabulary);
        RequireHash(hash, vocabulary, bench.Run(new SamplingCase(vocabulary, rows, seed)));
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private static void RequireHash(string expected, int vocabulary, SampledToken[] results)
    {
        string actual = SamplingCase.HashOf(results);
        Assert.True(expected == actual, $"{vocabulary} {results.Length} {actual}");
    }
}
