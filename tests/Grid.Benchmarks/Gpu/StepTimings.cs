using System.Diagnostics;
using System.Globalization;
using Grid.Cuda;
using Grid.Models;
using Grid.Models.Operations;

namespace Grid.Benchmarks.Gpu;

/// <summary>Loading, decode steps and prefill of published models with dummy weights.</summary>
internal static class StepTimings
{
    private const int PrefillRows = 2048;
    private const int Steps = 21;

    /// <summary>Models as a node runs them.</summary>
    public static void RunSteps()
    {
        using var operations = Open(new CudaOptions());
        foreach (string name in (string[])["Qwen/Qwen3-0.6B", "Qwen/Qwen3-8B", "Qwen/Qwen3-30B-A3B"])
        {
            RunSteps(operations, name);
        }
    }

    private static void RunSteps(CudaOperations operations, string name)
    {
        long start = Stopwatch.GetTimestamp();
        var options = new ModelLoadOptions { LoadFormat = LoadFormat.Dummy, MaxBatchTokens = PrefillRows };
        using var loaded = ModelLoader.Load(ShippedConfigs.Find(name)!, operations, options);
        operations.Synchronize();
        Write($"loaded in {Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s");
        using var logits = operations.AllocateLogits(256, loaded.Model.Config.VocabularySize);
        using var cache = loaded.Model.AllocateKvCache(256 * 9);
        var batch = new BatchLayout(PrefillRows, 256);
        SamplingRow[] rows = [.. Enumerable.Range(0, 256).Select(i => new SamplingRow { LogitRow = i, Parameters = new() { Seed = (ulong)i, TopP = 0.95f } })];
        var results = new SampledToken[256];
        Lay(batch, [.. Enumerable.Range(0, 4).Select(i => (0, PrefillRows / 4))]);
        double prefill = Median(() => Step(0));
        Write($"prefill of 4 x {PrefillRows / 4}: {prefill:F2} ms, {PrefillRows / prefill:F1} k tokens/s");
        foreach (int count in (ReadOnlySpan<int>)[1, 8, 32, 64, 128, 256])
        {
            Lay(batch, [.. Enumerable.Range(0, count).Select(i => (512, 1))]);
            double whole = Median(() => Step(count));
            double forward = Median(() => Step(0));
            Array.ForEach(rows, row => row.Digest = true);
            double digested = Median(() => Step(count));
            Array.ForEach(rows, row => row.Digest = false);
            Write($"decode of {count} at 512: {whole:F2} ms a step, {count * 1000 / whole:F0} tokens/s; with digests {digested:F2} ms; without logits and sampling {forward:F2} ms");
        }

        void Step(int sampled)
        {
            loaded.Model.Forward(batch, cache);
            if (sampled > 0)
            {
                loaded.Model.ComputeLogits(0, sampled, logits);
                operations.Sample(logits, rows.AsSpan(0, sampled), results);
            }
            else
            {
                operations.Synchronize();
            }
        }

        void Write(FormattableString line) => Console.WriteLine($"{name} {line.ToString(CultureInfo.InvariantCulture)}");
    }

    /// <summary>The kernels built, and fetched.</summary>
    public static void RunOpening()
    {
        var folder = Directory.CreateTempSubdirectory("grid-cuda-cold");
        foreach (string state in (ReadOnlySpan<string>)["cold", "warm"])
        {
            long start = Stopwatch.GetTimestamp();
            using var operations = Open(new CudaOptions { KernelCacheFolder = folder.FullName });
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"opened {state} in {Stopwatch.GetElapsedTime(start).TotalSeconds:F2} s"));
        }

        folder.Delete(recursive: true);
    }

    /// <summary>What recording and early starts are worth.</summary>
    public static void RunLaunching()
    {
        RunLaunching(record: false, early: false);
        RunLaunching(record: false, early: true);
        RunLaunching(record: true, early: false);
        RunLaunching(record: true, early: true);
    }

    private static void RunLaunching(bool record, bool early)
    {
        using var operations = Open(new CudaOptions { RecordPasses = record, KernelsStartEarly = early });
        var options = new ModelLoadOptions { LoadFormat = LoadFormat.Dummy, MaxBatchTokens = 64 };
        using var loaded = ModelLoader.Load(ShippedConfigs.Find("Qwen/Qwen3-8B")!, operations, options);
        using var cache = loaded.Model.AllocateKvCache(64 * 9);
        var batch = new BatchLayout(64, 64);
        foreach (int count in (ReadOnlySpan<int>)[1, 32])
        {
            Lay(batch, [.. Enumerable.Range(0, count).Select(i => (512, 1))]);
            double forward = Median(() =>
            {
                loaded.Model.Forward(batch, cache);
                operations.Synchronize();
            });
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"Qwen3-8B decode of {count} at 512, recorded {record}, early starts {early}: {forward:F2} ms"));
        }
    }

    private static CudaOperations Open(CudaOptions options) => CudaOperations.Open(CudaDevice.Require(0), options);

    private static double Median(Action step)
    {
        step();
        step();
        double[] milliseconds = new double[Steps];
        for (int i = 0; i < Steps; i++)
        {
            long start = Stopwatch.GetTimestamp();
            step();
            milliseconds[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }

        Array.Sort(milliseconds);
        return milliseconds[Steps / 2];
    }

    private static void Lay(BatchLayout batch, (int Position, int Rows)[] sequences)
    {
        (batch.RowCount, batch.SequenceCount, batch.LogitRowCount) = (0, 0, 0);
        foreach ((int position, int rows) in sequences)
        {
            int sequence = batch.SequenceCount++;
            batch.Sequences[sequence] = new SequenceSlice(batch.RowCount, rows, [.. Enumerable.Range(sequence * 9, 9)]);
            var random = new Random((sequence * 7919) + 1);
            for (int i = 0; i < rows; i++)
            {
                (batch.TokenIds[batch.RowCount], batch.Positions[batch.RowCount]) = (random.Next(4000), position + i);
                batch.RowCount++;
            }

            batch.LogitRows[batch.LogitRowCount++] = batch.RowCount - 1;
        }
    }
}
