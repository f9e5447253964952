using System.Runtime.InteropServices;
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
    /// <summary>Tokens whose tiles go over the same weights before the grid moves on: they stay in L2 meanwhile.</summary>
    private const int GroupTokens = 2048;

    /// <summary>What the kernel's divisions can take.</summary>
    private const int MaxTiles = 1 << 20;

    private const int InverseBits = 40;
    private const int WidthMultiple = 8;
    private const int BoxColumns = 64;

    private readonly CudaKernel<Arguments>[] kernels;
    private readonly int[] clusters; // that the GPU runs at once, of each tile
    private readonly int multiprocessors;

    /// <param name="modules">Of <see cref="Sources"/>, in their order.</param>
    /// <param name="device">The GPU they are loaded on.</param>
    public ProductKernel(IReadOnlyList<CudaModule> modules, CudaDevice device)
    {
        if (modules.Count != ProductTile.All.Count)
        {
            throw new ArgumentException($"{modules.Count} modules for {ProductTile.All.Count} tiles.", nameof(modules));
        }

        kernels = [.. modules.Select((module, i) => module.GetKernel<Arguments>("product", ProductTile.All[i].SharedBytes))];
        multiprocessors = device.Multiprocessors;
        clusters = [.. kernels.Select((kernel, i) => ActiveClusters(kernel, ProductTile.All[i]))];
    }

    /// <summary>What to build: one text per tile.</summary>
    public static IReadOnlyList<KernelSource> Sources { get; } = [.. ProductTile.All.Select(tile => tile.Source)];

    /// <summary>Gives one launch to the stream, with the tile that suits the product.</summary>
    /// <param name="stream">Where.</param>
    /// <param name="operands">What.</param>
    /// <param name="startsEarly">Programmatic dependent launch: weights are fetched while the kernel before still runs.</param>
    public void Launch(CudaStream stream, in ProductOperands operands, bool startsEarly = false) => Launch(
        stream, operands,
        ProductTable.Choose(
            Layout(operands).Rows, operands.Width, operands.Tokens, operands.Outputs, operands.Epilogue, multiprocessors), startsEarly);

    /// <summary>Gives one launch with a given tile to the stream; the bits are the same for all.</summary>
    /// <param name="stream">Where.</param>
    /// <param name="operands">What.</param>
    /// <param name="plan">One whose tile takes the product.</param>
    /// <param name="startsEarly">Programmatic dependent launch.</param>
    public void Launch(CudaStream stream, in ProductOperands operands, ProductPlan plan, bool startsEarly)
    {
        var layout = Check(operands);
        var tile = ProductTile.All[plan.Tile];
        if (!tile.Takes(operands.Outputs, operands.Epilogue))
        {
            throw new ArgumentException($"Tile {tile.Name} does not take {operands.Outputs} outputs with {operands.Epilogue}.", nameof(plan));
        }

        var arguments = Describe(operands, layout, tile, plan.EarlyStages);
        int tiles = checked((int)(arguments.TilesOverRows * arguments.TilesOverTokens));
        var grid = new Dim3(Math.Min(clusters[plan.Tile], tiles) * tile.Cluster);
        kernels[plan.Tile].Launch(stream, Shape(tile, grid, startsEarly), arguments);
    }

    private static LaunchShape Shape(ProductTile tile, Dim3 grid, bool startsEarly) => new(grid, new Dim3(tile.Threads))
    {
        SharedBytes = tile.SharedBytes,
        StartsEarly = startsEarly,
        Cluster = tile.Cluster > 1 ? new Dim3(tile.Cluster) : default,
    };

    private int ActiveClusters(CudaKernel<Arguments> kernel, ProductTile tile)
    {
        var shape = Shape(tile, new Dim3(tile.Cluster), startsEarly: false);
        return tile.Cluster > 1 ? kernel.ActiveClusters(shape) : kernel.BlocksPerMultiprocessor(shape) * multiprocessors;
    }

    private static PackedLayout Layout(in ProductOperands o) =>
        o.Epilogue == ProductEpilogue.GatedSilu ? PackedLayout.Gated(o.Outputs, o.Width) : new PackedLayout(o.Outputs, o.Width);

    private static Arguments Describe(in ProductOperands o, PackedLayout layout, ProductTile tile, int earlyStages)
    {
        int over = tile.ClustersOver(layout.Rows), overTokens = tile.ClustersOverTokens(o.Tokens);
        if ((long)over * overTokens > MaxTiles)
        {
            throw new ArgumentException(
                $"{o.Tokens} tokens and {layout.Rows} weight rows are {(long)over * overTokens} of tile {tile.Name}; a launch takes {MaxTiles}.",
                nameof(o));
        }

        int group = Math.Clamp(GroupTokens / (tile.Tokens * tile.ShareWeights), 1, overTokens);
        bool boxed = tile.Boxes > 0 && o.Outputs % ProductTile.OutputMultiple == 0 && o.Epilogue is ProductEpilogue.Store or ProductEpilogue.Add;
        bool residual = boxed && o.Epilogue == ProductEpilogue.Add;
        return new Arguments
        {
            Input = CUtensorMap.OfRows(o.Input.Start, o.Width, o.Input.Bytes / (o.Width * sizeof(ushort)), BoxColumns, tile.BoxRows),
            Output = boxed ? CUtensorMap.OfRows(o.Output.Start, o.Outputs, o.Tokens, BoxColumns, BoxColumns) : default,
            Residual = residual ? CUtensorMap.OfRows(o.Residual.Start, o.Outputs, o.Tokens, BoxColumns, BoxColumns) : default,
            Weights = o.Weights.Start,
            Results = o.Output.Start,
            Bias = o.Bias.Start,
            ResidualRows = o.Residual.Start,
            Outputs = (uint)o.Outputs,
            Epilogue = (uint)o.Epilogue,
            Tokens = (uint)o.Tokens,
            PackedOutputs = (uint)layout.Rows,
            PackedRows = (uint)layout.PaddedRows,
            Chunks = (uint)(layout.PaddedWidth / PackedLayout.Chunk),
            TilesOverRows = (uint)over,
            TilesOverTokens = (uint)overTokens,
            Group = (uint)group,
            EarlyStages = (uint)earlyStages,
            Boxed = boxed ? 1u : 0u,
            ByGroupSize = Inverse((long)group * over),
            ByGroup = Inverse(group),
            ByLastGroup = Inverse(overTokens % group == 0 ? group : overTokens % group),
        };
    }

    private static ulong Inverse(long divisor) => ((1ul << InverseBits) + (ulong)divisor - 1) / (ulong)divisor;

    private static PackedLayout Check(in ProductOperands o)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(o.Tokens);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(o.Outputs);
        if (o.Width <= 0 || o.Width % WidthMultiple != 0)
        {
            throw new ArgumentException($"Width is {o.Width}; rows start at 16 bytes, so it must be a multiple of {WidthMultiple}.", nameof(o));
        }

        var layout = Layout(o);
        long results = (long)o.Tokens * o.Outputs;
        KernelShapes.RequireBytes(o.Weights, layout.Bytes + PackedLayout.ReadAheadBytes);
        KernelShapes.RequireBytes(o.Output, results * (o.Epilogue == ProductEpilogue.Raw ? sizeof(float) : sizeof(ushort)));
        KernelShapes.RequireBytes(o.Input, (long)o.Tokens * o.Width * sizeof(ushort));
        RequireEpilogue(o, results);
        return layout;
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

    /// <summary>As in Product.cu, whose alignment to 64 bytes makes it as large.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 512)]
    private struct Arguments
    {
        public CUtensorMap Input;
        public CUtensorMap Output;
        public CUtensorMap Residual;
        public CUdeviceptr Weights;

        [KernelField("results.output")]
        public CUdeviceptr Results;

        [KernelField("results.bias")]
        public CUdeviceptr Bias;

        [KernelField("results.residual")]
        public CUdeviceptr ResidualRows;

        [KernelField("results.outputs")]
        public uint Outputs;

        [KernelField("results.epilogue")]
        public uint Epilogue;

        public uint Tokens;
        public uint PackedOutputs;
        public uint PackedRows;
        public uint Chunks;
        public uint TilesOverRows;
        public uint TilesOverTokens;
        public uint Group;
        public uint EarlyStages;
        public uint Boxed;
#pragma warning disable CS0649 // Fills the structure, as in the kernel's text.
        public uint Unused0;
        public uint Unused1;
        public uint Unused2;
#pragma warning restore CS0649
        public ulong ByGroupSize;
        public ulong ByGroup;
        public ulong ByLastGroup;
    }
}
