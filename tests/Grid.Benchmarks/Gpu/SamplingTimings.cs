using System.Diagnostics;
using System.Globalization;
using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.Sampling;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Benchmarks.Gpu;

/// <summary>Sampling at a vocabulary of 151,936.</summary>
internal sealed class SamplingTimings(GpuKernels gpu)
{
    private const int Vocabulary = 151936, MaxRows = 256;
    private static readonly int[] s_counts = [1, 8, 32, 256];

    public void Run()
    {
        Run(flat: false);
        Run(flat: true);
    }

    private void Run(bool flat)
    {
        var context = gpu.Context;
        using var stream = new CudaStream(context);
        using var module = gpu.Load(SamplingKernel.Source);
        using var sampler = new DeviceSampler(context, new SamplingKernel(module), MaxRows, Vocabulary);
        using var logits = DeviceMemory.Of<float>(context, stream, Logits(flat));
        var all = logits.Span;
        var history = new TokenHistory();
        for (int i = 0; i < 2000; i++)
        {
            history.AddOutput(i * 71);
        }

        (string Name, SamplingRow Row)[] kinds =
        [
            ("greedy", new() { Parameters = new() { Temperature = 0f } }),
            ("greedy, digest", new() { Parameters = new() { Temperature = 0f }, Digest = true }),
            ("greedy, logprob", new() { Parameters = new() { Temperature = 0f }, Logprobs = true }),
            ("temperature 0.7", new() { Parameters = new() { Temperature = 0.7f } }),
            ("temperature 0.7, digest", new() { Parameters = new() { Temperature = 0.7f }, Digest = true }),
            ("temperature 1", new()),
            ("top_k 50", new() { Parameters = new() { Temperature = 0.7f, TopK = 50 } }),
            ("top_p 0.95", new() { Parameters = new() { Temperature = 0.7f, TopP = 0.95f } }),
            ("top_k 50, top_p 0.95, min_p 0.05", new() { Parameters = new() { Temperature = 0.7f, TopK = 50, TopP = 0.95f, MinP = 0.05f } }),
            ("temperature 0.7, penalties over 2000", new() { History = history, Parameters = new() { Temperature = 0.7f, RepetitionPenalty = 1.1f, FrequencyPenalty = 0.1f } }),
            ("temperature 0.7, 20 top logprobs", new() { Parameters = new() { Temperature = 0.7f }, Logprobs = true, TopLogprobs = 20 }),
        ];
        foreach ((string name, var asked) in kinds)
        {
            string line = $"{(flat ? "flat" : "peaked")}, {name}:";
            foreach (int count in s_counts)
            {
                SamplingRow[] rows = [.. Enumerable.Range(0, count).Select(i => Row(asked, i))];
                var results = new SampledToken[count];
                sampler.Sample(stream, all, rows, results);
                double kernel = GraphTimer.Median(context, stream, 10, _ => sampler.Launch(stream, all, count));
                line += string.Create(CultureInfo.InvariantCulture, $" {count}: {kernel:F1} us (whole call {WholeCall(sampler, stream, all, rows, results):F0}),");
            }

            Console.WriteLine(line);
        }
    }

    private static double WholeCall(DeviceSampler sampler, CudaStream stream, DeviceSpan logits, SamplingRow[] rows, SampledToken[] results)
    {
        double[] times = new double[9];
        for (int i = 0; i < times.Length; i++)
        {
            long start = Stopwatch.GetTimestamp();
            sampler.Sample(stream, logits, rows, results);
            times[i] = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        }

        Array.Sort(times);
        return times[times.Length / 2];
    }

    private static SamplingRow Row(SamplingRow asked, int i) => new()
    {
        LogitRow = i,
        Position = i,
        Parameters = asked.Parameters,
        History = asked.History,
        Logprobs = asked.Logprobs,
        TopLogprobs = asked.TopLogprobs,
        Digest = asked.Digest,
    };

    // Bell-shaped with a deviation of 2.5; peaked: some tokens up to 12 above. Flat: a deviation of 0.5, as of random weights.
    private static float[] Logits(bool flat)
    {
        float[] logits = new float[MaxRows * Vocabulary];
        Parallel.For(0, MaxRows, row =>
        {
            var random = new Random(row);
            foreach (ref float l in logits.AsSpan(row * Vocabulary, Vocabulary))
            {
                float x = 0f;
                for (int i = 0; i < 4; i++)
                {
                    x += random.NextSingle() - 0.5f;
                }

                l = x * 1.732f * (flat ? 0.5f : 2.5f);
                l += !flat && random.Next(5000) == 0 ? 8f + (12f * random.NextSingle() * random.NextSingle()) : 0f;
            }
        });
        return logits;
    }
}
