using System.Globalization;
using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.Experts;
using Grid.Cuda.Kernels.PackWeights;
using Grid.Cuda.Kernels.Product;

namespace Grid.Benchmarks.Gpu;

/// <summary>
/// The experts' kernels at the sizes of Qwen3-30B-A3B. Launches go through several routings, so that other experts' weights
/// come from memory; medians of replays.
/// </summary>
internal sealed class ExpertTimings(GpuKernels gpu)
{
    private const int Width = 2048, Inner = 768, Experts = 128, Slots = 8, Routings = 8;

    public void Run()
    {
        var context = gpu.Context;
        using var stream = new CudaStream(context);
        CudaModule[] productModules = [.. gpu.LoadAll(ProductKernel.Sources)], modules = [.. ExpertKernels.Sources.Select(gpu.Load)];
        var kernels = new ExpertKernels(new ProductKernel(productModules, context.Device), modules);
        using var gateUp = ProductTimings.Noise(context, stream, PackedLayout.Gated(Inner, Width).Bytes * Experts);
        using var down = ProductTimings.Noise(context, stream, new PackedLayout(Width, Inner).Bytes * Experts);
        using var router = ProductTimings.Noise(context, stream, new PackedLayout(Experts, Width).Bytes + PackedLayout.ReadAheadBytes);
        foreach (int rows in (int[])[1, 8, 32, 64, 128, 256, 512, 1024, 2048, 8192])
        {
            using var setting = new Setting(context, stream, rows);
            foreach (int shape in Shapes(rows))
            {
                Console.WriteLine(Line(context, stream, kernels, setting, router, gateUp, down, shape));
            }
        }

        Array.ForEach(productModules, module => module.Dispose());
        Array.ForEach(modules, module => module.Dispose());
    }

    // The chosen one and its neighbours; all large ones where the choice turns.
    private static IEnumerable<int> Shapes(int rows)
    {
        int chosen = ExpertKernels.ChooseShape(rows, Experts, Slots);
        return Enumerable.Range(0, ExpertShape.All.Count)
            .Where(shape => Math.Abs(shape - chosen) <= 1 || (rows is >= 512 and <= 2048 && shape >= 2));
    }

    private static string Line(
        CudaContext context, CudaStream stream, ExpertKernels kernels, Setting s, DeviceMemory router, DeviceMemory gateUp, DeviceMemory down, int shape)
    {
        int launches = s.Rows > 256 ? 8 : 40;
        foreach (var routing in s.Routings)
        {
            kernels.RouteLogits(stream, routing, s.Count.Span, s.Rows, true, shape, false);
        }

        int[] header = new int[4];
        stream.Download<int>(header, s.Routings[0].Work.Slice(0, 16));
        double route = Time(i => kernels.RouteLogits(stream, s.Routings[i % Routings], s.Count.Span, s.Rows, true, shape, true));
        double gated = Time(i => kernels.GatedSilu(stream, s.Routings[i % Routings], s.Input.Span, gateUp.Span, Width, Inner, s.Gated.Span, true));
        double added = Time(i => kernels.AddDown(stream, s.Routings[i % Routings], s.Gated.Span, down.Span, Inner, s.Residual.Span, true));
        double layer = Time(i =>
        {
            kernels.RouteLogits(stream, s.Routings[i % Routings], s.Count.Span, s.Rows, true, shape, true);
            kernels.GatedSilu(stream, s.Routings[i % Routings], s.Input.Span, gateUp.Span, Width, Inner, s.Gated.Span, true);
            kernels.AddDown(stream, s.Routings[i % Routings], s.Gated.Span, down.Span, Inner, s.Residual.Span, true);
        });

        // Logits of noise: other routings than above, so last.
        double routed = Time(i => kernels.Route(
            stream,
            new RouteOperands { Input = s.Input.Span, Router = router.Span, RowCount = s.Count.Span, Rows = s.Rows, Width = Width, Normalize = true, Routing = s.Scratch },
            true));
        double terabytes = s.DistinctExperts * 3.0 * Inner * Width * sizeof(ushort) / 1e6;
        double flops = 6.0 * s.Rows * Slots * Inner * Width / 1e6;
        return string.Create(CultureInfo.InvariantCulture,
            $"rows {s.Rows}, tile {ExpertShape.All[shape].Tokens}, {header[0]} items, {s.DistinctExperts:F1} experts: route {route:F1}, with logits {routed:F1}, gated {gated:F1}, down {added:F1}, route+gated+down {layer:F1} us; gated+down {terabytes / (gated + added):F2} TB/s, {flops / (gated + added):F0} TFLOP/s");

        double Time(Action<int> launch) => GraphTimer.Median(context, stream, launches, launch);
    }

    /// <summary>Random rows and routings of them.</summary>
    private sealed class Setting : IDisposable
    {
        public Setting(CudaContext context, CudaStream stream, int rows)
        {
            Rows = rows;
            var random = new Random(rows);
            Routings = [.. Enumerable.Range(0, ExpertTimings.Routings).Select(_ => new ExpertRoutingMemory(context, stream, rows, Experts, Slots, Width))];
            Scratch = new ExpertRoutingMemory(context, stream, rows, Experts, Slots, Width);
            foreach (var routing in Routings)
            {
                float[] logits = [.. Enumerable.Range(0, rows * Experts).Select(_ => random.NextSingle())];
                stream.Upload<float>(routing.Logits, logits);
                DistinctExperts += Enumerable.Range(0, rows).SelectMany(r => Enumerable.Range(0, Experts).OrderByDescending(e => logits[(r * Experts) + e]).Take(Slots))
                    .Distinct().Count() / (double)ExpertTimings.Routings;
            }

            Input = ProductTimings.Noise(context, stream, (long)rows * Width * sizeof(ushort));
            Gated = ProductTimings.Noise(context, stream, (long)rows * Slots * Inner * sizeof(ushort));
            Residual = ProductTimings.Noise(context, stream, (long)rows * Width * sizeof(ushort));
            Count = DeviceMemory.Of<int>(context, stream, [rows]);
        }

        public int Rows { get; }

        public double DistinctExperts { get; }

        public ExpertRoutingMemory[] Routings { get; }

        public ExpertRoutingMemory Scratch { get; }

        public DeviceMemory Input { get; }

        public DeviceMemory Gated { get; }

        public DeviceMemory Residual { get; }

        public DeviceMemory Count { get; }

        public void Dispose()
        {
            Array.ForEach(Routings, routing => routing.Dispose());
            Array.ForEach([Scratch, (IDisposable)Input, Gated, Residual, Count], memory => memory.Dispose());
        }
    }
}
