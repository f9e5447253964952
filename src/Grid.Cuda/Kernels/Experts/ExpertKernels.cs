using Grid.Cuda.Build;
using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.PackWeights;
using Grid.Cuda.Kernels.Product;

namespace Grid.Cuda.Kernels.Experts;

/// <summary>
/// Mixture of experts: launches Route.cu, ExpertProduct.cu and Combine.cu, with the bits of MixtureOfExpertsReference and of
/// Dot16.Chain. Launches depend on sizes alone, so graphs of them hold whatever the routing; how many rows count is read on the
/// device. Padded rows have logits (the router's product takes all), and from there on are neither read nor written.
/// </summary>
internal sealed class ExpertKernels
{
    /// <summary>Experts of a layer at most.</summary>
    public const int MaxExperts = 32 * MostExpertsPerLane;

    /// <summary>Experts of a row at most.</summary>
    public const int MaxSlots = 32;

    /// <summary>Widths are multiples of this.</summary>
    public const int WidthMultiple = 8;

    private const int FewExpertsPerLane = 4;
    private const int MostExpertsPerLane = 16;
    private const int RouteThreads = 1024;
    private const int RouteWarps = RouteThreads / 32;
    private const int CombineThreads = 128;
    private const int ColumnsPerThread = 8;

    private readonly ProductKernel products;
    private readonly CudaKernel<RouteArguments> routeFew;
    private readonly CudaKernel<RouteArguments> routeMost;
    private readonly CudaKernel<CombineArguments> combine;
    private readonly CudaKernel<ExpertProductArguments>[] shapes;

    /// <param name="products">For the router's logits.</param>
    /// <param name="modules">Of <see cref="Sources"/>, in their order.</param>
    public ExpertKernels(ProductKernel products, IReadOnlyList<CudaModule> modules)
    {
        if (modules.Count != Sources.Count)
        {
            throw new ArgumentException($"{modules.Count} modules for {Sources.Count} texts.", nameof(modules));
        }

        this.products = products;
        routeFew = modules[0].GetKernel<RouteArguments>("route", RouteSharedBytes(32 * FewExpertsPerLane));
        routeMost = modules[1].GetKernel<RouteArguments>("route", RouteSharedBytes(MaxExperts));
        combine = modules[2].GetKernel<CombineArguments>("combine");
        shapes = [.. ExpertShape.All.Select((shape, i) => modules[3 + i].GetKernel<ExpertProductArguments>("expert_product", shape.SharedBytes))];
    }

    /// <summary>What to build.</summary>
    public static IReadOnlyList<KernelSource> Sources { get; } =
    [
        RouteSource(FewExpertsPerLane), RouteSource(MostExpertsPerLane), KernelSource.FromResource("Experts/Combine.cu", "ExpertCombine"),
        .. ExpertShape.All.Select(shape => shape.Source),
    ];

    /// <summary>
    /// Logits, then every row's experts and weights, then the work of the products, into the routing.
    /// </summary>
    /// <param name="stream">Where.</param>
    /// <param name="operands">What.</param>
    /// <param name="startsEarly">Programmatic dependent launch, of all its kernels.</param>
    public void Route(CudaStream stream, in RouteOperands operands, bool startsEarly = false)
    {
        var o = operands;
        var routing = o.Routing;
        RequireRows(o.Rows, routing.MaxRows);
        products.Launch(
            stream,
            new ProductOperands
            {
                Weights = o.Router,
                Input = o.Input,
                Output = routing.Logits,
                Tokens = o.Rows,
                Width = o.Width,
                Outputs = routing.Experts,
                Epilogue = ProductEpilogue.Raw,
            },
            startsEarly);
        RouteLogits(stream, routing, o.RowCount, o.Rows, o.Normalize, ChooseShape(o.Rows, routing.Experts, routing.Slots), startsEarly);
    }

    /// <summary>The same from the logits that are there, with a given tile of the products; the results have the same bits for all.</summary>
    /// <param name="stream">Where.</param>
    /// <param name="routing">Its logits; receives the rest.</param>
    /// <param name="rowCount">int32: how many rows count.</param>
    /// <param name="rows">At least as many.</param>
    /// <param name="normalize">Whether a row's weights sum to one.</param>
    /// <param name="shape">Index in <see cref="ExpertShape.All"/>.</param>
    /// <param name="startsEarly">Programmatic dependent launch.</param>
    public void RouteLogits(
        CudaStream stream, ExpertRoutingMemory routing, DeviceSpan rowCount, int rows, bool normalize, int shape, bool startsEarly)
    {
        RequireRows(rows, routing.MaxRows);
        KernelShapes.RequireBytes(rowCount, sizeof(int));
        (routing.Rows, routing.RowCount, routing.Shape) = (rows, rowCount, shape);
        var kernel = routing.Experts <= 32 * FewExpertsPerLane ? routeFew : routeMost;
        kernel.Launch(
            stream,
            new LaunchShape(new Dim3(DivideUp(rows, RouteWarps)), new Dim3(RouteThreads))
            {
                SharedBytes = RouteSharedBytes(routing.Experts),
                StartsEarly = startsEarly,
            },
            new RouteArguments
            {
                Logits = routing.Logits.Start,
                RowCount = rowCount.Start,
                Chosen = routing.Chosen.Start,
                Weights = routing.Weights.Start,
                Grouped = routing.Grouped.Start,
                Work = routing.Work.Start,
                Ticket = routing.Ticket.Start,
                Rows = (uint)rows,
                Experts = (uint)routing.Experts,
                Slots = (uint)routing.Slots,
                Normalize = normalize ? 1u : 0u,
                TileTokens = (uint)ExpertShape.All[shape].Tokens,
                TreeLanes = (uint)Numerics.RowReduction.Lanes(routing.Experts),
            });
    }

    /// <summary>output[row, slot] = bf16(silu(input[row] * Gate^T) * (input[row] * Up^T)) of the slot's expert.</summary>
    /// <param name="stream">Where.</param>
    /// <param name="routing">Routed by this step's <see cref="Route"/>.</param>
    /// <param name="input">[rows, width] bf16.</param>
    /// <param name="gateUp">[experts], one packed matrix after the other (<see cref="PackedLayout.Gated"/>).</param>
    /// <param name="width">K, a multiple of 8.</param>
    /// <param name="inner">Outputs of each of gate and up, a multiple of 8.</param>
    /// <param name="output">[rows, slots, inner] bf16; never the input.</param>
    /// <param name="startsEarly">Programmatic dependent launch.</param>
    public void GatedSilu(
        CudaStream stream, ExpertRoutingMemory routing, DeviceSpan input, DeviceSpan gateUp, int width, int inner, DeviceSpan output,
        bool startsEarly = false)
    {
        KernelShapes.RequireMultiple(width, WidthMultiple);
        KernelShapes.RequireMultiple(inner, WidthMultiple);
        RequireRows(routing.Rows, routing.MaxRows);
        var expert = PackedLayout.Gated(inner, width);
        KernelShapes.RequireBytes(input, (long)routing.Rows * width * sizeof(ushort));
        KernelShapes.RequireBytes(gateUp, expert.Bytes * routing.Experts);
        KernelShapes.RequireBytes(output, (long)routing.Rows * routing.Slots * inner * sizeof(ushort));
        Launch(
            stream, routing,
            new ExpertProductArguments
            {
                Packed = gateUp.Start,
                Input = input.Start,
                Output = output.Start,
                ExpertBytes = (ulong)expert.Bytes,
                PackedRows = (uint)expert.PaddedRows,
                WeightTiles = (uint)(expert.PaddedRows / PackedLayout.Chunk),
                Width = (uint)width,
                Outputs = (uint)inner,
                Epilogue = (uint)ProductEpilogue.GatedSilu,
                EntriesPerRow = (uint)routing.Slots,
            },
            startsEarly);
    }

    /// <summary>
    /// residual[row] = bf16(float(residual[row]) + c), c = fma(weight, input[row, slot] * Down^T, c) over ascending slots from +0. In
    /// passes over columns, as many at a time as <see cref="ExpertRoutingMemory.Outputs"/> has room for.
    /// </summary>
    /// <param name="stream">Where.</param>
    /// <param name="routing">Routed by this step's <see cref="Route"/>; its width is the residual's.</param>
    /// <param name="input">[rows, slots, inner] bf16.</param>
    /// <param name="down">[experts], one packed matrix after the other.</param>
    /// <param name="inner">K, a multiple of 8.</param>
    /// <param name="residual">[rows, routing.Width] bf16.</param>
    /// <param name="startsEarly">Programmatic dependent launch, of all its kernels.</param>
    public void AddDown(
        CudaStream stream, ExpertRoutingMemory routing, DeviceSpan input, DeviceSpan down, int inner, DeviceSpan residual,
        bool startsEarly = false)
    {
        KernelShapes.RequireMultiple(inner, WidthMultiple);
        RequireRows(routing.Rows, routing.MaxRows);
        var expert = new PackedLayout(routing.Width, inner);
        KernelShapes.RequireBytes(input, (long)routing.Rows * routing.Slots * inner * sizeof(ushort));
        KernelShapes.RequireBytes(down, expert.Bytes * routing.Experts);
        KernelShapes.RequireBytes(residual, (long)routing.Rows * routing.Width * sizeof(ushort));
        int pass = routing.PassColumns(routing.Rows);
        KernelShapes.RequireBytes(routing.Outputs, (long)routing.Rows * routing.Slots * pass * sizeof(float));
        for (int first = 0; first < routing.Width; first += pass)
        {
            int columns = Math.Min(pass, routing.Width - first);
            Launch(
                stream, routing,
                new ExpertProductArguments
                {
                    Packed = down.Start + ((long)first * PackedLayout.ChunkRowBytes),
                    Input = input.Start,
                    Output = routing.Outputs.Start,
                    ExpertBytes = (ulong)expert.Bytes,
                    PackedRows = (uint)expert.PaddedRows,
                    WeightTiles = (uint)DivideUp(columns, PackedLayout.Chunk),
                    Width = (uint)inner,
                    Outputs = (uint)columns,
                    Epilogue = (uint)ProductEpilogue.Raw,
                    EntriesPerRow = 1,
                },
                startsEarly);
            Combine(stream, routing, residual, first, columns, startsEarly);
        }
    }

    /// <summary>The tile of the products for so many rows; free to choose, for speed alone.</summary>
    internal static int ChooseShape(int rows, int experts, int slots)
    {
        // Up to 32 tokens, two blocks share a multiprocessor: better than fewer items, until an expert has many (measured).
        long mean = DivideUp(rows * slots, experts);
        int tokens = mean <= 4 ? 8 : mean <= 8 ? 16 : mean <= 64 ? 32 : 256;
        for (int i = 0; i < ExpertShape.All.Count; i++)
        {
            if (tokens <= ExpertShape.All[i].Tokens)
            {
                return i;
            }
        }

        return ExpertShape.All.Count - 1;
    }

    private void Launch(CudaStream stream, ExpertRoutingMemory routing, ExpertProductArguments arguments, bool startsEarly)
    {
        var shape = ExpertShape.All[routing.Shape];
        arguments.Work = routing.Work.Start;
        arguments.Grouped = routing.Grouped.Start;
        int blocks = checked(routing.MaxItems(routing.Rows, shape.Tokens) * DivideUp((int)arguments.WeightTiles, shape.Warpgroups));
        shapes[routing.Shape].Launch(
            stream,
            new LaunchShape(new Dim3(blocks), new Dim3(shape.Threads)) { SharedBytes = shape.SharedBytes, StartsEarly = startsEarly },
            arguments);
    }

    private void Combine(CudaStream stream, ExpertRoutingMemory routing, DeviceSpan residual, int first, int columns, bool startsEarly)
    {
        int threads = checked(routing.Rows * (columns / ColumnsPerThread));
        combine.Launch(
            stream,
            new LaunchShape(new Dim3(DivideUp(threads, CombineThreads)), new Dim3(CombineThreads)) { StartsEarly = startsEarly },
            new CombineArguments
            {
                Outputs = routing.Outputs.Start,
                Weights = routing.Weights.Start,
                Residual = residual.Start,
                RowCount = routing.RowCount.Start,
                Rows = (uint)routing.Rows,
                Slots = (uint)routing.Slots,
                Columns = (uint)columns,
                First = (uint)first,
                Width = (uint)routing.Width,
            });
    }

    private static void RequireRows(int rows, int maxRows)
    {
        if (rows < 1 || rows > maxRows)
        {
            throw new ArgumentOutOfRangeException(nameof(rows), rows, $"a routing for up to {maxRows} rows takes at least 1.");
        }
    }

    private static KernelSource RouteSource(int expertsPerLane) =>
        KernelSource.FromResource("Experts/Route.cu", $"Route-{32 * expertsPerLane}", $"EXPERTS_PER_LANE={expertsPerLane}");

    private static int RouteSharedBytes(int experts) => RouteWarps * experts * sizeof(int);

    private static int DivideUp(int value, int by) => (int)((value + (long)by - 1) / by);
}
