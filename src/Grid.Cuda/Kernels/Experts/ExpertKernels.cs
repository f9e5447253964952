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
    private const int RowsPerGroup = 8;

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
        shapes = [.. ProductShape.All.Select((shape, i) => modules[3 + i].GetKernel<ExpertProductArguments>("expert_product", ProductSharedBytes(shape)))];
    }

    /// <summary>What to build.</summary>
    public static IReadOnlyList<KernelSource> Sources { get; } =
    [
        RouteSource(FewExpertsPerLane), RouteSource(MostExpertsPerLane), KernelSource.FromResource("Experts/Combine.cu", "ExpertCombine"),
        .. ProductShape.All.Select(shape => KernelSource.FromResource(
            "Experts/ExpertProduct.cu", $"ExpertProduct-{shape.Tokens}", shape.Definitions)),
    ];

    /// <summary>
    /// Bytes of one expert's packed matrix; a layer's lie one after the other, in the experts' order. Each is packed by
    /// PackWeights into its part, gate and up interleaved, with rows that nothing writes cleared by the caller.
    /// </summary>
    /// <param name="rows">Outputs: of each of gate and up, where gated.</param>
    /// <param name="width">K.</param>
    /// <param name="gated">Whether gate and up are interleaved in it.</param>
    public static long ExpertBytes(int rows, int width, bool gated) => PackWeightsKernel.TileBytes(PackedRows(rows, gated), width);

    /// <summary>
    /// Logits, then every row's experts and weights, then the work of the products, into the routing.
    /// </summary>
    /// <param name="stream">Where.</param>
    /// <param name="operands">What.</param>
    /// <param name="startsEarly">Programmatic dependent launch, of all its kernels.</param>
    public void Route(CudaStream stream, in RouteOperands operands, bool startsEarly = false)
    {
        RouteOperands o = operands;
        ExpertRoutingMemory routing = o.Routing;
        RequireRows(o.Rows, routing.MaxRows);
        products.Launch(
            stream,
            new ProductOperands
            {
                Tiles = o.Router,
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
    /// <param name="shape">Index in <see cref="ProductShape.All"/>.</param>
    /// <param name="startsEarly">Programmatic dependent launch.</param>
    public void RouteLogits(
        CudaStream stream, ExpertRoutingMemory routing, DeviceSpan rowCount, int rows, bool normalize, int shape, bool startsEarly)
    {
        RequireRows(rows, routing.MaxRows);
        KernelShapes.RequireBytes(rowCount, sizeof(int));
        (routing.Rows, routing.RowCount, routing.Shape) = (rows, rowCount, shape);
        CudaKernel<RouteArguments> kernel = routing.Experts <= 32 * FewExpertsPerLane ? routeFew : routeMost;
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
                TileTokens = (uint)ProductShape.All[shape].Tokens,
                TreeLanes = (uint)Numerics.RowReduction.Lanes(routing.Experts),
            });
    }

    /// <summary>output[row, slot] = bf16(silu(input[row] * Gate^T) * (input[row] * Up^T)) of the slot's expert.</summary>
    /// <param name="stream">Where.</param>
    /// <param name="routing">Routed by this step's <see cref="Route"/>.</param>
    /// <param name="input">[rows, width] bf16.</param>
    /// <param name="gateUp">[experts] of <see cref="ExpertBytes"/>, gated.</param>
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
        long expertBytes = ExpertBytes(inner, width, gated: true);
        KernelShapes.RequireBytes(input, (long)routing.Rows * width * sizeof(ushort));
        KernelShapes.RequireBytes(gateUp, expertBytes * routing.Experts);
        KernelShapes.RequireBytes(output, (long)routing.Rows * routing.Slots * inner * sizeof(ushort));
        Launch(
            stream, routing,
            new ExpertProductArguments
            {
                Tiles = gateUp.Start,
                Input = input.Start,
                Output = output.Start,
                ExpertElements = (ulong)expertBytes / sizeof(ushort),
                WeightTiles = (uint)DivideUp(PackedRows(inner, gated: true), PackWeightsKernel.Chunk),
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
    /// <param name="down">[experts] of <see cref="ExpertBytes"/>, not gated.</param>
    /// <param name="inner">K, a multiple of 8.</param>
    /// <param name="residual">[rows, routing.Width] bf16.</param>
    /// <param name="startsEarly">Programmatic dependent launch, of all its kernels.</param>
    public void AddDown(
        CudaStream stream, ExpertRoutingMemory routing, DeviceSpan input, DeviceSpan down, int inner, DeviceSpan residual,
        bool startsEarly = false)
    {
        KernelShapes.RequireMultiple(inner, WidthMultiple);
        RequireRows(routing.Rows, routing.MaxRows);
        long expertBytes = ExpertBytes(routing.Width, inner, gated: false);
        KernelShapes.RequireBytes(input, (long)routing.Rows * routing.Slots * inner * sizeof(ushort));
        KernelShapes.RequireBytes(down, expertBytes * routing.Experts);
        KernelShapes.RequireBytes(residual, (long)routing.Rows * routing.Width * sizeof(ushort));
        int pass = routing.PassColumns(routing.Rows);
        KernelShapes.RequireBytes(routing.Outputs, (long)routing.Rows * routing.Slots * pass * sizeof(float));
        long tileRowBytes = PackWeightsKernel.TileBytes(1, inner) / PackWeightsKernel.Chunk;
        for (int first = 0; first < routing.Width; first += pass)
        {
            int columns = Math.Min(pass, routing.Width - first);
            Launch(
                stream, routing,
                new ExpertProductArguments
                {
                    Tiles = down.Start + (first * tileRowBytes),
                    Input = input.Start,
                    Output = routing.Outputs.Start,
                    ExpertElements = (ulong)expertBytes / sizeof(ushort),
                    WeightTiles = (uint)DivideUp(columns, PackWeightsKernel.Chunk),
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
        for (int i = 0; i < ProductShape.All.Count; i++)
        {
            if (tokens <= ProductShape.All[i].Tokens)
            {
                return i;
            }
        }

        return ProductShape.All.Count - 1;
    }

    private void Launch(CudaStream stream, ExpertRoutingMemory routing, ExpertProductArguments arguments, bool startsEarly)
    {
        ProductShape shape = ProductShape.All[routing.Shape];
        arguments.Work = routing.Work.Start;
        arguments.Grouped = routing.Grouped.Start;
        int blocks = checked(routing.MaxItems(routing.Rows, shape.Tokens) * DivideUp((int)arguments.WeightTiles, shape.Warpgroups));
        shapes[routing.Shape].Launch(
            stream,
            new LaunchShape(new Dim3(blocks), new Dim3(shape.Threads)) { SharedBytes = ProductSharedBytes(shape), StartsEarly = startsEarly },
            arguments);
    }

    private void Combine(CudaStream stream, ExpertRoutingMemory routing, DeviceSpan residual, int first, int columns, bool startsEarly)
    {
        int threads = checked(routing.Rows * (columns / RowsPerGroup));
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

    private static int ProductSharedBytes(ProductShape shape) => shape.SharedBytes + (shape.Tokens * sizeof(int));

    private static int PackedRows(int rows, bool gated) => gated ? DivideUp(rows, RowsPerGroup) * 2 * RowsPerGroup : rows;

    private static int DivideUp(int value, int by) => (int)((value + (long)by - 1) / by);
}
