using System.Diagnostics;
using Grid.Cpu;
using Grid.Models.Operations;

namespace Grid.Benchmarks;

/// <summary>One mixture of experts with Qwen3-30B-A3B's shapes: how fast the chosen experts' weights are read, and what choosing
/// and combining cost.</summary>
internal static class ExpertBenchmark
{
    private const int Experts = 128;
    private const int Slots = 8;
    private const int Width = 2048;
    private const int Inner = 768;
    private const int Tokens = 4096;
    private const long ExpertBytes = 3L * Width * Inner * 2;

    public static void Run()
    {
        Console.WriteLine($"Mixture of experts: {Slots} of {Experts}, {Width} x {Inner} ({Experts * ExpertBytes >> 20} MiB), {Environment.ProcessorCount} cores");
        using var operations = new CpuOperations(new CpuOptions());
        TensorSource[] Tensors(string name, int rows, int columns) =>
            [.. Enumerable.Range(0, Experts).Select(e => new RandomTensor($"{name} {e}", 0.05f, rows, columns))];
        using var table = operations.UploadMatrix(new RandomTensor("tokens", 2f, Tokens, Width));
        using var router = operations.UploadMatrix(new RandomTensor("router", 0.05f, Experts, Width));
        using var gateUp = operations.UploadGatedExperts(Tensors("gate", Inner, Width), Tensors("up", Inner, Width));
        using var down = operations.UploadExperts(Tensors("down", Width, Inner));
        foreach (int rows in (int[])[1, 8, 32, 512])
        {
            var input = operations.AllocateActivation(rows, Width);
            var gated = operations.AllocateActivation(rows, Slots * Inner);
            var routing = operations.AllocateRouting(rows, Experts, Slots, Width);
            var batch = new BatchLayout(rows, 1) { RowCount = rows, SequenceCount = 1 };
            batch.Sequences[0] = new SequenceSlice(0, rows, [0]);
            int[] chosen = new int[rows * Slots];
            List<double> route = [], products = [], rates = [];
            for (int run = 0; run < Math.Max(5, 64 / rows); run++)
            {
                for (int r = 0; r < rows; r++)
                {
                    batch.TokenIds[r] = ((run * rows) + r) % Tokens; // other rows, so other experts: not in a cache
                }

                operations.BeginStep(batch);
                operations.Embed(table, input);
                long start = Stopwatch.GetTimestamp();
                operations.Route(input, router, new RoutingSpec(Normalize: true), routing);
                long routed = Stopwatch.GetTimestamp();
                operations.ProjectExperts(input, routing, gateUp, Epilogue.GatedSilu(gated));
                operations.ProjectExperts(gated, routing, down, Epilogue.AddTo(input));
                double seconds = Stopwatch.GetElapsedTime(routed).TotalSeconds;
                operations.Read(routing, rows, chosen, new float[chosen.Length]);
                route.Add(Stopwatch.GetElapsedTime(start, routed).TotalSeconds);
                products.Add(seconds);
                rates.Add(chosen.Distinct().Count() * ExpertBytes / seconds);
            }

            double macs = (double)rows * Slots * 3 * Width * Inner / Median(products);
            Console.WriteLine($"  {rows,4} rows: choice {Median(route) * 1e6,8:F0} us, products and combination {Median(products) * 1e3,8:F2} ms, " +
                $"weights at {Median(rates) / 1e9,5:F1} GB/s, {macs / 1e9,6:F1} billion multiply-adds a second");
        }
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
}
