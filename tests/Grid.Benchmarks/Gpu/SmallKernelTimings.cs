using System.Globalization;
using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.Attention;
using Grid.Cuda.Kernels.ClearPages;
using Grid.Cuda.Kernels.DummyFill;
using Grid.Cuda.Kernels.Embed;
using Grid.Cuda.Kernels.PackWeights;
using Grid.Cuda.Kernels.RotateAndStore;
using Grid.Numerics;

namespace Grid.Benchmarks.Gpu;

/// <summary>What is neither product nor attention, at the sizes of Qwen3-8B.</summary>
internal sealed class SmallKernelTimings(GpuKernels gpu)
{
    private const int HeadDim = 128;
    private const int QueryHeads = 32;
    private const int KvHeads = 8;
    private const int Width = 4096;
    private const int Vocabulary = 151936;
    private const int Launches = 20;

    public void Run()
    {
        RotateAndStore();
        Embed();
        ClearPagesAndFill();
    }

    private void RotateAndStore()
    {
        var context = gpu.Context;
        using var module = gpu.Load(RotateAndStoreKernel.Source(HeadDim));
        using var stream = new CudaStream(context);
        var kernel = new RotateAndStoreKernel(module, HeadDim);
        foreach (int rows in (int[])[1, 8, 32, 256, 2048, 8192])
        {
            long qkvBytes = rows * (QueryHeads + (2L * KvHeads)) * HeadDim * sizeof(ushort);
            int copies = (int)Math.Min(Launches, (200_000_000 / qkvBytes) + 2);
            int pages = (rows + 63) / 64;
            DeviceMemory[] qkv = [.. Enumerable.Range(0, copies).Select(_ => Ones(context, stream, qkvBytes))];
            using var cache = new DeviceMemory(context, copies * pages * AttentionKernel.PageBytes(KvHeads, HeadDim));
            using var norm = Ones(context, stream, HeadDim * sizeof(ushort));
            using var table = Ones(context, stream, 8192L * HeadDim / 2 * sizeof(float));
            using var index = DeviceMemory.Of<int>(context, stream, [.. Enumerable.Range(0, rows)]);
            double[] times = [.. ((bool[])[false, true]).Select(early => GraphTimer.Median(context, stream, Launches, i => kernel.Launch(
                stream,
                new RotateAndStoreOperands
                {
                    Qkv = qkv[i % copies].Span,
                    QueryNorm = norm.Span,
                    KeyNorm = norm.Span,
                    Epsilon = 1e-6f,
                    Cos = table.Span,
                    Sin = table.Span,
                    TablePositions = 8192,
                    Positions = index.Span,
                    Slots = index.Span,
                    Pages = cache.Span.Slice(i % copies * (cache.Bytes / copies), cache.Bytes / copies),
                    Rows = rows,
                    QueryHeads = QueryHeads,
                    KvHeads = KvHeads,
                },
                early)))];
            Write($"rotate and store, {rows} rows", times[0], times[1], 2 * qkvBytes);
            Array.ForEach(qkv, memory => memory.Dispose());
        }
    }

    private void Embed()
    {
        var context = gpu.Context;
        using var module = gpu.Load(EmbedKernel.Source);
        using var stream = new CudaStream(context);
        var kernel = new EmbedKernel(module);
        using var tiles = new DeviceMemory(context, new PackedLayout(Vocabulary, Width).Bytes);
        foreach (int rows in (int[])[1, 256, 8192])
        {
            var random = new Random(rows);
            using var ids = DeviceMemory.Of<int>(context, stream, [.. Enumerable.Range(0, rows).Select(_ => random.Next(Vocabulary))]);
            using var output = new DeviceMemory(context, (long)rows * Width * sizeof(ushort));
            double[] times = [.. ((bool[])[false, true]).Select(early => GraphTimer.Median(
                context, stream, Launches, i => kernel.Launch(stream, ids.Span, tiles.Span, output.Span, rows, Vocabulary, Width, early)))];
            Write($"embed, {rows} rows", times[0], times[1], 2 * output.Bytes);
        }
    }

    private void ClearPagesAndFill()
    {
        const int Layers = 36, Pages = 64;
        var context = gpu.Context;
        using var clearing = gpu.Load(ClearPagesKernel.Source);
        using var filling = gpu.Load(DummyFillKernel.Source);
        using var stream = new CudaStream(context);
        long pageBytes = AttentionKernel.PageBytes(KvHeads, HeadDim);
        using var cache = new DeviceMemory(context, Layers * Pages * pageBytes);
        using var ids = DeviceMemory.Of<int>(context, stream, [.. Enumerable.Range(0, Pages)]);
        var clear = new ClearPagesKernel(clearing);
        foreach (int count in (int[])[1, 8, 64])
        {
            double time = GraphTimer.Median(
                context, stream, 4, _ => clear.Launch(stream, cache.Span, ids.Span, count, Layers, Pages, pageBytes));
            Write($"clear {count} pages of {Layers} layers", time, time, count * Layers * pageBytes);
        }

        var fill = new DummyFillKernel(filling);
        foreach (int width in (int[])[Width, 768, 4100])
        {
            int rows = 400_000_000 / width;
            var layout = new PackedLayout(rows, width);
            using var packed = new DeviceMemory(context, layout.Bytes);
            var tensor = DummyWeights.Describe("weight", rows, width);
            double time = GraphTimer.Median(context, stream, 2, _ => fill.LaunchMatrix(stream, tensor, packed.Span, layout, rows));
            Write($"dummy weights {rows} x {width}", time, time, packed.Bytes);
        }
    }

    private static void Write(string what, double microseconds, double early, long bytes) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"{what}: {microseconds:F2} us, started early {early:F2} us, {bytes / Math.Min(microseconds, early) / 1e6:F2} TB/s read and written"));

    private static DeviceMemory Ones(CudaContext context, CudaStream stream, long bytes)
    {
        var memory = new DeviceMemory(context, bytes);
        stream.Fill(memory.Span, 0x3F);
        return memory;
    }
}
