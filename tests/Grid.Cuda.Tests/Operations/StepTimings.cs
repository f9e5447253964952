using System.Diagnostics;
using System.Globalization;
using Grid.Determinism.Tests.Harness;
using Grid.Models;
using Grid.Models.Operations;

namespace Grid.Cuda.Tests;

/// <summary>Times loading, decode steps and prefill of published models with dummy weights; only where GRID_TIMINGS names the file
/// to append to. Asserts nothing.</summary>
[Collection(GpuCollection.Name)]
public sealed class StepTimings(OperationsFixture device)
{
    private const int PrefillRows = 2048;
    private const int Steps = 21;

    [Theory]
    [InlineData("Qwen/Qwen3-0.6B")]
    [InlineData("Qwen/Qwen3-8B")]
    [InlineData("Qwen/Qwen3-30B-A3B")]
    public void A_model(string name)
    {
        string? file = Environment.GetEnvironmentVariable("GRID_TIMINGS");
        Assert.SkipWhen(string.IsNullOrEmpty(file), "GRID_TIMINGS names no file.");
        var operations = device.Require();
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
            Write($"decode of {count} at 512: {whole:F2} ms a step, {count * 1000 / whole:F0} tokens/s; without logits and sampling {forward:F2} ms");
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

        void Write(string line) => File.AppendAllText(file, string.Create(CultureInfo.InvariantCulture, $"{name} {line}\n"));
    }

    [Fact]
    public void Opening_cold_and_warm()
    {
        string? file = Environment.GetEnvironmentVariable("GRID_TIMINGS");
        Assert.SkipWhen(string.IsNullOrEmpty(file), "GRID_TIMINGS names no file.");
        device.Require();
        var folder = Directory.CreateTempSubdirectory("grid-cuda-cold");
        foreach (string state in (ReadOnlySpan<string>)["cold", "warm"])
        {
            long start = Stopwatch.GetTimestamp();
            using var operations = CudaOperations.Open(CudaDevice.Require(0), new CudaOptions { KernelCacheFolder = folder.FullName });
            File.AppendAllText(file, string.Create(
                CultureInfo.InvariantCulture, $"opened {state} in {Stopwatch.GetElapsedTime(start).TotalSeconds:F2} s\n"));
        }

        folder.Delete(recursive: true);
    }

    /// <summary>What recording and early starts are worth.</summary>
    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void Qwen3_8B_in_every_way_of_launching(bool record, bool early)
    {
        string? file = Environment.GetEnvironmentVariable("GRID_TIMINGS");
        Assert.SkipWhen(string.IsNullOrEmpty(file), "GRID_TIMINGS names no file.");
        using var operations = device.Open(new CudaOptions { RecordPasses = record, KernelsStartEarly = early });
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
            File.AppendAllText(file, string.Create(
                CultureInfo.InvariantCulture, $"Qwen3-8B decode of {count} at 512, recorded {record}, early starts {early}: {forward:F2} ms\n"));
        }
    }

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
            int[] tokens = Requests.Prompt(rows, sequence, 4000);
            for (int i = 0; i < rows; i++)
            {
                (batch.TokenIds[batch.RowCount], batch.Positions[batch.RowCount]) = (tokens[i], position + i);
                batch.RowCount++;
            }

            batch.LogitRows[batch.LogitRowCount++] = batch.RowCount - 1;
        }
    }
}
