using System.Runtime.InteropServices;
using Grid.Cuda.Build;
using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.Experts;
using Grid.Cuda.Kernels.PackWeights;
using Grid.Cuda.Kernels.Product;

namespace Grid.Cuda.Tests;

/// <summary>The experts' kernels, loaded, and a case's operands on the GPU.</summary>
internal sealed class ExpertBench : IDisposable
{
    private const byte Mark = 0xEE;
    private readonly List<IDisposable> owned = [];
    private readonly ExpertCase values;
    private readonly CudaContext context;
    private readonly DeviceMemory input, gateUp, down, gated, residual, rowCount;

    public ExpertBench(GpuFixture gpu, ExpertCase values, Func<KernelSource, KernelSource>? change = null)
    {
        this.values = values;
        context = gpu.Require();
        Stream = Own(new CudaStream(context));
        var products = new ProductKernel([.. gpu.LoadAll(ProductKernel.Sources).Select(Own)], context.Device);
        Kernels = new ExpertKernels(products, [.. ExpertKernels.Sources.Select(source => Own(gpu.Load(change is null ? source : change(source))))]);
        Routing = Own(new ExpertRoutingMemory(context, Stream, values.Rows, values.Experts, values.Slots, values.Outputs));
        input = Upload(values.Input);
        (gateUp, down) = PackExperts(gpu);
        gated = Own(new DeviceMemory(context, (long)values.Rows * values.Slots * values.Inner * sizeof(ushort)));
        residual = Own(new DeviceMemory(context, (long)values.Rows * values.Outputs * sizeof(ushort)));
        rowCount = Upload([values.Rows]);
    }

    public CudaStream Stream { get; }

    public ExpertKernels Kernels { get; }

    public ExpertRoutingMemory Routing { get; }

    /// <summary>Routes the case's logits; rows past count are padding.</summary>
    public void Route(int count, int shape, bool startsEarly = false)
    {
        foreach (var span in (DeviceSpan[])[Routing.Chosen, Routing.Weights, Routing.Grouped, Routing.Work])
        {
            Stream.Fill(span, Mark);
        }

        Stream.Upload<float>(Routing.Logits, values.Logits);
        Stream.Upload<int>(rowCount.Span, [count]);
        Kernels.RouteLogits(Stream, Routing, rowCount.Span, values.Rows, values.Normalize, shape, startsEarly);
    }

    /// <summary>Fails at the first difference from the reference, or where padding was touched.</summary>
    public void RequireRouting(int count, int shape, string what)
    {
        int entries = count * values.Slots;
        int[] chosen = Read<int>(Routing.Chosen), grouped = Read<int>(Routing.Grouped), work = Read<int>(Routing.Work);
        float[] weights = Read<float>(Routing.Weights);
        RequireWords(values.Chosen.AsSpan(0, entries), chosen, values.Slots, $"{what}, experts");
        RequireWords(Canonical(values.RouteWeights.AsSpan(0, entries)), Canonical(weights.AsSpan(0, entries)), values.Slots, $"{what}, weights");
        RequireMarks(MemoryMarshal.AsBytes(weights.AsSpan(entries)), $"{what}, weights");
        (int[] expectedGroups, var items) = values.Group(count, ExpertShape.All[shape].Tokens);
        RequireWords(expectedGroups, grouped, 1, $"{what}, grouped");
        Assert.True(items.Length <= Routing.MaxItems(values.Rows, ExpertShape.All[shape].Tokens), $"{what}: {items.Length} items");
        int[] expectedWork = [items.Length, entries, 0, 0, .. items.SelectMany(item => (int[])[item.Expert, item.First, item.Count, 0])];
        RequireWords(expectedWork, work, 4, $"{what}, work");
        RequireWords([0], Read<int>(Routing.Ticket), 1, $"{what}, ticket");
    }

    /// <summary>Gate, up, down and sum of the rows routed before; fails at the first difference, or where padding was touched.</summary>
    public void RequireLayer(int count, string what, bool startsEarly = false)
    {
        (ushort[] actualGated, ushort[] actualAdded) = RunLayer(startsEarly);
        ushort[] expectedGated = values.Gated, expectedAdded = values.Added;
        int gatedCount = count * values.Slots * values.Inner, addedCount = count * values.Outputs;
        Bits.Equal(Canonical(expectedGated.AsSpan(0, gatedCount)), Canonical(actualGated.AsSpan(0, gatedCount)), values.Inner, $"{what}, gated");
        RequireMarks(MemoryMarshal.AsBytes(actualGated.AsSpan(gatedCount)), $"{what}, gated");
        Bits.Equal(Canonical(expectedAdded.AsSpan(0, addedCount)), Canonical(actualAdded.AsSpan(0, addedCount)), values.Outputs, $"{what}, added");
        Bits.Equal(values.Residual.AsSpan(addedCount), actualAdded.AsSpan(addedCount), values.Outputs, $"{what}, residual of the padding");
    }

    public (ushort[] Gated, ushort[] Added) RunLayer(bool startsEarly = false)
    {
        Stream.Fill(gated.Span, Mark);
        Stream.Fill(Routing.Outputs, 0xFF);
        Stream.Upload<ushort>(residual.Span, values.Residual);
        Launch(startsEarly);
        return (Read<ushort>(gated.Span), Read<ushort>(residual.Span));
    }

    public void Launch(bool startsEarly)
    {
        Kernels.GatedSilu(Stream, Routing, input.Span, gateUp.Span, values.Width, values.Inner, gated.Span, startsEarly);
        Kernels.AddDown(Stream, Routing, gated.Span, down.Span, values.Inner, residual.Span, startsEarly);
    }

    /// <summary>Routing and layer as one graph, which is then launched for another number of rows each time.</summary>
    public CudaGraph Capture(int shape) => Own(CudaGraph.Capture(context, Stream, () =>
    {
        Kernels.RouteLogits(Stream, Routing, rowCount.Span, values.Rows, values.Normalize, shape, startsEarly: true);
        Launch(startsEarly: true);
    }));

    public (ushort[] Gated, ushort[] Added) Launch(CudaGraph graph, int count)
    {
        Stream.Fill(gated.Span, Mark);
        Stream.Upload<ushort>(residual.Span, values.Residual);
        Stream.Upload<int>(rowCount.Span, [count]);
        graph.Launch(Stream);
        return (Read<ushort>(gated.Span), Read<ushort>(residual.Span));
    }

    public void Dispose()
    {
        for (int i = owned.Count - 1; i >= 0; i--)
        {
            owned[i].Dispose();
        }
    }

    /// <summary>NaN of any payload becomes one: payloads are outside the contract.</summary>
    public static ushort[] Canonical(ReadOnlySpan<ushort> bf16)
    {
        ushort[] result = bf16.ToArray();
        for (int i = 0; i < result.Length; i++)
        {
            result[i] = (result[i] & 0x7FFF) > 0x7F80 ? (ushort)0x7FC0 : result[i];
        }

        return result;
    }

    private static int[] Canonical(ReadOnlySpan<float> values)
    {
        int[] result = new int[values.Length];
        for (int i = 0; i < result.Length; i++)
        {
            result[i] = float.IsNaN(values[i]) ? 0x7FC00000 : BitConverter.SingleToInt32Bits(values[i]);
        }

        return result;
    }

    // The expected words, and the mark in whatever lies behind them.
    private static void RequireWords(ReadOnlySpan<int> expected, ReadOnlySpan<int> actual, int width, string what)
    {
        int same = expected.CommonPrefixLength(actual);
        if (same < expected.Length)
        {
            Assert.Fail($"{what}: row {same / width}, column {same % width}: expected {expected[same]:X8}, got {actual[same]:X8}");
        }

        RequireMarks(MemoryMarshal.AsBytes(actual[expected.Length..]), what);
    }

    private static void RequireMarks(ReadOnlySpan<byte> rest, string what)
    {
        int changed = rest.IndexOfAnyExcept(Mark);
        Assert.True(changed < 0, $"{what}: byte {changed} of the padding was written");
    }

    private (DeviceMemory GateUp, DeviceMemory Down) PackExperts(GpuFixture gpu)
    {
        using var module = gpu.Load(PackWeightsKernel.Source);
        var pack = new PackWeightsKernel(module);
        var gatedLayout = PackedLayout.Gated(values.Inner, values.Width);
        var downLayout = new PackedLayout(values.Outputs, values.Inner);
        DeviceMemory gates = Upload(values.Gates), ups = Upload(values.Ups), downs = Upload(values.Downs);
        var packedGated = Own(new DeviceMemory(context, gatedLayout.Bytes * values.Experts));
        var packedDown = Own(new DeviceMemory(context, downLayout.Bytes * values.Experts));
        Stream.Fill(packedGated.Span, 0);
        Stream.Fill(packedDown.Span, 0);
        long gateBytes = (long)values.Inner * values.Width * sizeof(ushort), plainBytes = (long)values.Outputs * values.Inner * sizeof(ushort);
        for (int e = 0; e < values.Experts; e++)
        {
            var to = packedGated.Span.Slice(e * gatedLayout.Bytes, gatedLayout.Bytes);
            pack.Launch(Stream, gates.Span.Slice(e * gateBytes, gateBytes), to, gatedLayout, values.Inner, 0, interleaved: true);
            pack.Launch(Stream, ups.Span.Slice(e * gateBytes, gateBytes), to, gatedLayout, values.Inner, 8, interleaved: true);
            pack.Launch(
                Stream, downs.Span.Slice(e * plainBytes, plainBytes), packedDown.Span.Slice(e * downLayout.Bytes, downLayout.Bytes), downLayout,
                values.Outputs);
        }

        Stream.Synchronize();
        return (packedGated, packedDown);
    }

    private T[] Read<T>(DeviceSpan span)
        where T : unmanaged
    {
        var all = new T[span.Bytes / Marshal.SizeOf<T>()];
        Stream.Download<T>(all, span);
        return all;
    }

    private DeviceMemory Upload<T>(T[] source)
        where T : unmanaged => Own(DeviceMemory.Of<T>(context, Stream, source));

    private T Own<T>(T resource)
        where T : IDisposable
    {
        owned.Add(resource);
        return resource;
    }
}
