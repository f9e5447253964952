using System.Diagnostics;
using Grid.Cpu;
using Grid.Engine;
using Grid.Models;
using Grid.Numerics;

namespace Grid.Benchmarks;

/// <summary>Tokens a second of the engine alone, without text, grains or HTTP: the demo model, and one with the shape of
/// Qwen3-0.6B, whose decode is bound by the memory that its weights lie in.</summary>
internal static class EngineBenchmark
{
    public static void Run()
    {
        Run("demo model", DemoModel.Path, LoadFormat.Safetensors, tokens: 200, [1, 8, 32, 128]);
        const string Large = "Qwen/Qwen3-0.6B";
        Run($"{Large}, dummy weights", ShippedConfigs.Find(Large)!, LoadFormat.Dummy, tokens: 64, [1, 8]);
    }

    private static void Run(string name, string path, LoadFormat format, int tokens, int[] streamCounts)
    {
        using var operations = new TimedOperations(new CpuOperations(new CpuOptions()));
        using var loaded = ModelLoader.Load(path, operations, new ModelLoadOptions { LoadFormat = format });
        Console.WriteLine($"Engine, {name}, {operations.DeviceDescription}");
        foreach (int streams in streamCounts)
        {
            var engine = new InferenceEngine(loaded.Model, operations, new EngineOptions { KvPages = Math.Max(16, streams * 8) });
            double promptSeconds = RunStreams(engine, streams, promptTokens: 48, tokens, out double seconds);
            double rate = streams * (double)tokens / seconds;
            double gigabytes = rate / streams * operations.WeightBytes / 1e9;
            Console.WriteLine(
                $"  {streams,3} streams: {rate,8:F1} tokens/s, {rate / streams,6:F1} each; weights read at {gigabytes,5:F1} GB/s; "
                + $"prefill {streams * 48 / promptSeconds,7:F0} tokens/s");
            operations.PrintShares();
        }
    }

    private static double RunStreams(InferenceEngine engine, int streams, int promptTokens, int tokens, out double decodeSeconds)
    {
        var random = new Random(streams);
        for (int s = 0; s < streams; s++)
        {
            engine.TrySubmit(new SequenceRequest
            {
                Id = new SequenceId(Guid.NewGuid(), 0),
                PromptIds = [.. Enumerable.Range(0, promptTokens).Select(_ => random.Next(3000))],
                Sampling = new SamplingParameters { Temperature = 0.8f, TopP = 0.95f, Seed = (ulong)s },
                MaxNewTokens = tokens,
                IgnoreEndTokens = true,
            });
        }

        long start = Stopwatch.GetTimestamp();
        int first = 0;
        while (first < streams)
        {
            first += engine.Step().OfType<TokenGenerated>().Count(e => e.Index == 0);
        }

        double prompt = Stopwatch.GetElapsedTime(start).TotalSeconds;
        start = Stopwatch.GetTimestamp();
        int finished = 0;
        while (finished < streams)
        {
            foreach (var e in engine.Step())
            {
                finished += e is SequenceFinished ? 1 : 0;
            }
        }

        decodeSeconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return prompt;
    }
}
