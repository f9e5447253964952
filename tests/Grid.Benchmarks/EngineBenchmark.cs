using System.Diagnostics;
using Grid.Cpu;
using Grid.Engine;
using Grid.Models;
using Grid.Numerics;

namespace Grid.Benchmarks;

/// <summary>Tokens a second of the engine alone on the demo model, without text, grains or HTTP.</summary>
internal static class EngineBenchmark
{
    public static void Run()
    {
        using var operations = new TimedOperations(new CpuOperations(new CpuOptions()));
        using LoadedModel loaded = ModelLoader.Load(DemoModel.Path, operations, new ModelLoadOptions());
        Console.WriteLine($"Engine, demo model, {operations.DeviceDescription}");
        long weights = 2L * new FileInfo(Path.Combine(DemoModel.Path, "model.safetensors")).Length / 2;
        foreach (int streams in (int[])[1, 8, 32, 128])
        {
            int tokens = streams == 1 ? 400 : 200;
            var engine = new InferenceEngine(loaded.Model, operations, new EngineOptions { KvPages = 1024 });
            double promptSeconds = RunStreams(engine, streams, promptTokens: 48, tokens, out double seconds);
            double rate = streams * (double)tokens / seconds;
            double multiplyAdds = rate * weights / 2 / 1e9;
            Console.WriteLine(
                $"  {streams,3} streams: {rate,8:F0} tokens/s, {rate / streams,6:F0} each; {multiplyAdds,5:F1} GMAC/s in weights; "
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
            foreach (EngineEvent e in engine.Step())
            {
                finished += e is SequenceFinished ? 1 : 0;
            }
        }

        decodeSeconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return prompt;
    }
}
