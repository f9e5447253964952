using System.Runtime.InteropServices;
using Grid.Cuda.Build;
using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.PackWeights;
using Grid.Cuda.Kernels.Product;

namespace Grid.Cuda.Tests;

/// <summary>The product kernels, loaded, and a case's operands on the GPU.</summary>
internal sealed class ProductBench : IDisposable
{
    private const int GuardBytes = 512;
    private readonly List<IDisposable> owned = [];
    private readonly ProductCase values;
    private readonly DeviceMemory output;
    private readonly ProductKernel kernel;

    public ProductBench(GpuFixture gpu, ProductCase values, Func<ProductTile, KernelSource>? source = null)
    {
        this.values = values;
        Context = gpu.Require();
        Stream = Own(new CudaStream(Context));
        kernel = new ProductKernel(
            [.. gpu.LoadAll([.. ProductTile.All.Select(tile => source is null ? tile.Source : source(tile))]).Select(Own)], Context.Device);
        using var packing = gpu.Load(PackWeightsKernel.Source);
        var pack = new PackWeightsKernel(packing);
        var layout = new PackedLayout(values.Outputs, values.Width);
        var gatedLayout = PackedLayout.Gated(values.Outputs, values.Width);
        var packed = Own(new DeviceMemory(Context, layout.Bytes + PackedLayout.ReadAheadBytes));
        var gated = Own(new DeviceMemory(Context, gatedLayout.Bytes + PackedLayout.ReadAheadBytes));

        // NaN behind the matrices, and zeros where nothing is packed: a tile may read both and store neither.
        Stream.Fill(packed.Span, 0xFF);
        Stream.Fill(gated.Span, 0xFF);
        Stream.Fill(packed.Span.Slice(0, layout.Bytes), 0);
        Stream.Fill(gated.Span.Slice(0, gatedLayout.Bytes), 0);
        DeviceMemory weights = Upload(values.Weights), up = Upload(values.UpWeights);
        pack.Launch(Stream, weights.Span, packed.Span, layout, values.Outputs);
        pack.Launch(Stream, weights.Span, gated.Span, gatedLayout, values.Outputs, 0, interleaved: true);
        pack.Launch(Stream, up.Span, gated.Span, gatedLayout, values.Outputs, 8, interleaved: true);
        Stream.Synchronize();
        (Weights, GatedWeights) = (packed.Span, gated.Span);
        Input = Upload(values.Input).Span;
        Bias = Upload(values.Bias).Span;
        Residual = Upload(values.Residual).Span;
        output = Own(new DeviceMemory(Context, ((long)values.Tokens * values.Outputs * sizeof(float)) + GuardBytes));
    }

    public CudaContext Context { get; }

    public CudaStream Stream { get; }

    public DeviceSpan Weights { get; }

    public DeviceSpan GatedWeights { get; }

    public DeviceSpan Input { get; }

    public DeviceSpan Bias { get; }

    public DeviceSpan Residual { get; }

    public DeviceSpan Output => output.Span;

    /// <summary>The first tokens of the case.</summary>
    public ProductOperands Operands(ProductEpilogue epilogue, int tokens, bool bias = false) => new()
    {
        Weights = epilogue == ProductEpilogue.GatedSilu ? GatedWeights : Weights,
        Input = Input,
        Bias = bias ? Bias : default,
        Residual = epilogue == ProductEpilogue.Add ? Residual : default,
        Output = Output,
        Tokens = tokens,
        Width = values.Width,
        Outputs = values.Outputs,
        Epilogue = epilogue,
    };

    /// <summary>The results; fails if anything beyond them was written. Tile below 0: the launcher chooses.</summary>
    public ushort[] Run(in ProductOperands operands, int tile = -1)
    {
        Stream.Fill(output.Span, 0xFF);
        if (tile < 0)
        {
            kernel.Launch(Stream, operands);
        }
        else
        {
            kernel.Launch(Stream, operands, new ProductPlan(tile), startsEarly: false);
        }

        int words = operands.Tokens * operands.Outputs * (operands.Epilogue == ProductEpilogue.Raw ? 2 : 1);
        ushort[] all = new ushort[words + (GuardBytes / 2)];
        Stream.Download<ushort>(all, output.Span.Slice(0, all.Length * 2L));
        Assert.True(all.AsSpan(words).IndexOfAnyExcept((ushort)0xFFFF) < 0, "the kernel wrote past its output");
        return all[..words];
    }

    public ushort[] Run(ProductEpilogue epilogue, int tokens, int tile = -1, bool bias = false) =>
        Run(Operands(epilogue, tokens, bias), tile);

    public void Launch(in ProductOperands operands, ProductPlan plan, bool startsEarly) => kernel.Launch(Stream, operands, plan, startsEarly);

    public void Launch(in ProductOperands operands, bool startsEarly) => kernel.Launch(Stream, operands, startsEarly);

    public DeviceMemory Upload<T>(T[] source)
        where T : unmanaged => Own(DeviceMemory.Of<T>(Context, Stream, source));

    public T Own<T>(T resource)
        where T : IDisposable
    {
        owned.Add(resource);
        return resource;
    }

    public static ushort[] Words(float[] values) => MemoryMarshal.Cast<float, ushort>(values).ToArray();

    public void Dispose()
    {
        for (int i = owned.Count - 1; i >= 0; i--)
        {
            owned[i].Dispose();
        }
    }
}
