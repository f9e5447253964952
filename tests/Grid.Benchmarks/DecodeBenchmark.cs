using System.Diagnostics;
using System.Runtime.Intrinsics;
using Grid.Cpu;
using Grid.Models.Operations;

namespace Grid.Benchmarks;

/// <summary>How much of the machine's memory bandwidth a one-row product over large weights uses.</summary>
internal static class DecodeBenchmark
{
    private const int Columns = 4096;
    private const int Rows = 49152; // 384 MiB of bf16, far more than any cache

    public static void Run()
    {
        int threads = Environment.ProcessorCount;
        Console.WriteLine($"Decode: one row through {Rows}x{Columns} bf16 weights ({(long)Rows * Columns * 2 >> 20} MiB), {threads} cores");
        double read = ReadBandwidth(threads);
        using var operations = new CpuOperations(new CpuOptions());
        using var weight = operations.UploadMatrix(new RandomTensor("weight", 0.05f, Rows, Columns));
        var input = operations.AllocateActivation(1, Columns);
        var output = operations.AllocateActivation(1, Rows);
        using var table = operations.UploadMatrix(new RandomTensor("row", 2f, 1, Columns));
        var batch = new BatchLayout(1, 1) { RowCount = 1, SequenceCount = 1 };
        batch.Sequences[0] = new SequenceSlice(0, 1, [0]);
        operations.BeginStep(batch);
        operations.Embed(table, input);
        operations.Project(input, RowList.All, weight, Epilogue.Store(output));
        double best = double.MaxValue;
        for (int i = 0; i < 10; i++)
        {
            long start = Stopwatch.GetTimestamp();
            operations.Project(input, RowList.All, weight, Epilogue.Store(output));
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        double rate = (double)Rows * Columns * 2 / best / 1e9;
        Console.WriteLine($"  plain streaming read      {read,7:F1} GB/s");
        Console.WriteLine($"  Dot16 product, one row    {rate,7:F1} GB/s, {rate / read:P0} of the streaming read");
    }

    private static double ReadBandwidth(int threads)
    {
        const int Length = 64 << 20; // floats a thread: 256 MiB
        float[][] buffers = [.. Enumerable.Range(0, threads).Select(_ => new float[Length])];
        foreach (float[] buffer in buffers)
        {
            Array.Fill(buffer, 1f);
        }

        double best = double.MaxValue;
        for (int trial = 0; trial < 5; trial++)
        {
            long start = Stopwatch.GetTimestamp();
            Parallel.For(0, threads, t => Sum(buffers[t]));
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return (double)threads * Length * 4 / best / 1e9;
    }

    private static float Sum(float[] values)
    {
        Vector512<float> a = Vector512<float>.Zero, b = a, c = a, d = a;
        ref float first = ref values[0];
        for (nuint i = 0; i < (nuint)values.Length; i += 64)
        {
            a += Vector512.LoadUnsafe(ref first, i);
            b += Vector512.LoadUnsafe(ref first, i + 16);
            c += Vector512.LoadUnsafe(ref first, i + 32);
            d += Vector512.LoadUnsafe(ref first, i + 48);
        }

        return Vector512.Sum(a + b + c + d);
    }
}
