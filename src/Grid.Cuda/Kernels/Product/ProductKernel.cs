using Grid.Cuda.Build;
using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.PackWeights;

namespace Grid.Cuda.Kernels.Product;

/// <summary>
/// Launches Product.cu: output = epilogue(input * weights^T), one chain per element, bits of Grid.Numerics' Dot16.Chain
/// for any number of tokens.
/// </summary>
internal sealed class ProductKernel
{
    private const int RowsPerGroup = 8;
    private const int WidthMultiple = 8;

    private readonly CudaKernel<Arguments>[] kernels;
    private readonly int multiprocessors;

    /// <param name="modules">Of <see cref="Sources"/>, in their order.</param>
    /// <param name="device">The GPU they are loaded on.</param>
    public ProductKernel(IReadOnlyList<CudaModule> modules, CudaDevice device)
    {
        if (modules.Count != ProductShape.All.Count)
        {
            throw new ArgumentException($"{modules.Count} modules for {ProductShape.All.Count} shapes.", nameof(modules));
        }

        kernels = [.. modules.Select((module, i) => module.GetKernel<Arguments>("product", ProductShape.All[i].SharedBytes))];
        multiprocessors = device.Multiprocessors;
    }

    /// <summary>What to build: one text per shape.</summary>
    public static IReadOnlyList<KernelSource> Sources { get; } = [.. ProductShape.All.Select(shape => shape.Source)];

    /// <summary>Gives one launch to the stream, in the shape that suits the number of tokens.</summary>
    /// <param name="stream">Where.</param>
    /// <param name="operands">What.</param>
    /// <param name="startsEarly">Programmatic dependent launch: weights are fetched while the kernel before still runs.</param>
    public void Launch(CudaStream stream, in ProductOperands operands, bool startsEarly = false) =>
        Launch(stream, operands, ProductShape.Choose(operands.Tokens, WeightTiles(operands), multiprocessors), startsEarly);

    /// <summary>Gives one launch in a given shape to the stream; the bits are the same for all.</summary>
    /// <param name="stream">Where.</param>
    /// <param name="operands">What.</param>
    /// <param name="shape">Index in <see cref="ProductShape.All"/>.</param>
    /// <param name="startsEarly">Programmatic dependent launch.</param>
    public void Launch(CudaStream stream, in ProductOperands operands, int shape, bool startsEarly)
    {
        ProductShape chosen = ProductShape.All[shape];
        Arguments arguments = Check(operands);
        var grid = new Dim3(checked((int)chosen.Blocks(operands.Tokens, (int)arguments.WeightTiles)));
        kernels[shape].Launch(
            stream,
            new LaunchShape(grid, new Dim3(chosen.Threads)) { SharedBytes = chosen.SharedBytes, StartsEarly = startsEarly },
            arguments);
    }

    /// <summary>Rows of the packed weights, as PackWeights places them.</summary>
    private static int PackedRows(in ProductOperands o) =>
        o.Epilogue == ProductEpilogue.GatedSilu ? checked((o.Outputs + RowsPerGroup - 1) / RowsPerGroup * (2 * RowsPerGroup)) : o.Outputs;

    private static int WeightTiles(in ProductOperands o) => (PackedRows(o) + PackWeightsKernel.Chunk - 1) / PackWeightsKernel.Chunk;

    private static Arguments Check(in ProductOperands o)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(o.Tokens);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(o.Outputs);
        if (o.Width <= 0 || o.Width % WidthMultiple != 0)
        {
            throw new ArgumentException($"Width is {o.Width}; rows start at 16 bytes, so it must be a multiple of {WidthMultiple}.", nameof(o));
        }

        long results = (long)o.Tokens * o.Outputs;
        KernelShapes.RequireBytes(o.Tiles, PackWeightsKernel.TileBytes(PackedRows(o), o.Width));
        KernelShapes.RequireBytes(o.Output, results * (o.Epilogue == ProductEpilogue.Raw ? sizeof(float) : sizeof(ushort)));
        if (o.Rows != default)
        {
            KernelShapes.RequireBytes(o.Rows, (long)o.Tokens * sizeof(int));
        }

        KernelShapes.RequireBytes(o.Input, (o.Rows != default ? 1L : o.Tokens) * o.Width * sizeof(ushort));
        RequireEpilogue(o, results);
        return new Arguments
        {
            Tiles = o.Tiles.Start,
            Input = o.Input.Start,
            Rows = o.Rows.Start,
            Bias = o.Bias.Start,
            Residual = o.Residual.Start,
            Output = o.Output.Start,
            Tokens = (uint)o.Tokens,
            Width = (uint)o.Width,
            Outputs = (uint)o.Outputs,
            WeightTiles = (uint)WeightTiles(o),
            Epilogue = (uint)o.Epilogue,
        };
    }

    private static void RequireEpilogue(in ProductOperands o, long results)
    {
        if (o.Epilogue is < ProductEpilogue.Store or > ProductEpilogue.Raw)
        {
            throw new ArgumentException($"There is no epilogue {o.Epilogue}.", nameof(o));
        }

        if (o.Bias != default)
        {
            RequireOnly(ProductEpilogue.Store, o.Epilogue, "a bias");
            KernelShapes.RequireBytes(o.Bias, (long)o.Outputs * sizeof(ushort));
        }

        if (o.Epilogue == ProductEpilogue.Add)
        {
            KernelShapes.RequireBytes(o.Residual, results * sizeof(ushort));
        }
        else if (o.Residual != default)
        {
            RequireOnly(ProductEpilogue.Add, o.Epilogue, "a residual");
        }
    }

    private static void RequireOnly(ProductEpilogue expected, ProductEpilogue actual, string what)
    {
        if (actual != expected)
        {
            throw new ArgumentException($"{what} goes with epilogue {expected}, not with {actual}.", nameof(actual));
        }
    }

    private struct Arguments
    {
        public CUdeviceptr Tiles;
        public CUdeviceptr Input;
        public CUdeviceptr Rows;
        public CUdeviceptr Bias;
        public CUdeviceptr Residual;
        public CUdeviceptr Output;
        public uint Tokens;
        public uint Width;
        public uint Outputs;
        public uint WeightTiles;
        public uint Epilogue;
#pragma warning disable CS0649 // Fills the structure to a multiple of its alignment, as in the kernel's text.
        public uint Unused;
#pragma warning restore CS0649
    }
}
