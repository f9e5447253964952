namespace Grid.Cuda.Kernels.Product;

/// <summary>How a product is laid over the GPU. Free to choose, for speed alone.</summary>
/// <param name="Tile">Index in <see cref="ProductTile.All"/>.</param>
/// <param name="EarlyStages">Stages of weights that are asked for before the wait for the kernel before.</param>
internal readonly record struct ProductPlan(int Tile, int EarlyStages = ProductTable.OneStage);

/// <summary>Which tile a product takes: measured choices for the matrices of published models, and a rule for all others.</summary>
internal static class ProductTable
{
    /// <summary>One stage of weights, then stage by stage: a first token arrives soonest.</summary>
    public const int OneStage = 1;

    /// <summary>As many stages as there are: fills the gap between kernels where weights set the pace.</summary>
    public const int AllStages = 99;

    // Cycles of a multiprocessor for 64 k: of a weight row's or a token's 128 bytes out of L2, of a tile's row in the tensor cores
    // (for 64 tokens; fewer than 64 rows take as long as 64), and the whole GPU's for a weight row out of memory.
    private const double SharedRowCycles = 2.46;
    private const double TensorRowCycles = 2.0;
    private const double MemoryRowCycles = 0.05;
    private const int LeastTensorRows = 64;

    /// <summary>Weight rows and width, then tiles by the most tokens they are for; the last is for any more. Measured on an H200.</summary>
    private static readonly Dictionary<(int PackedRows, int Width), (int Tokens, ProductPlan Plan)[]> Measured = new()
    {
        // Qwen3-8B and Llama-3.1-8B: q, k and v.
        [(6144, 4096)] =
        [
            (16, All("t16w48c1x1")), (32, All("t32w48c1x1")), (64, All("t64w48c1x1")), (128, One("t64w96c1x2")),
            (256, One("t128w96c1x2")), (384, One("t128w144c1x1")), (512, One("t128w192c1x2b3turn")), (2048, One("t256w192c1x2b3")),
            (Any, One("t128w192c1x2b3turn")),
        ],

        // The same models: the attention's output.
        [(4096, 4096)] =
        [
            (16, One("t16w32c1x1")), (32, One("t32w32c1x1")), (64, One("t64w32c1x1")), (128, One("t64w64c1x2")),
            (256, One("t128w64c1x2")), (384, One("t128w96c1x1")), (512, One("t128w128c1x2b2")), (Any, One("t128w256c1x2b2")),
        ],

        // Qwen3-8B: gate and up, down, head.
        [(24576, 4096)] =
        [
            (64, All("t64w96c1x1")), (128, One("t128w192c1x1")), (192, One("t192w192c1x1")), (256, One("t128w128c1x2b2turn")),
            (384, One("t192w192c1x1")), (2048, One("t128w192c1x2turn")), (Any, One("t128w128c1x2b2turn")),
        ],
        [(4096, 12288)] =
        [
            (16, One("t16w32c1x1")), (32, One("t32w32c1x1")), (64, One("t64w32c1x1")), (128, One("t64w64c1x2")),
            (256, One("t128w64c1x2")), (384, One("t128w96c1x1")), (512, One("t128w128c1x2b2turn")), (Any, One("t128w256c1x2b2")),
        ],
        [(151936, 4096)] =
        [
            (32, All("t32w96c2x1")), (64, All("t64w96c1x1")), (128, One("t128w144c1x1")), (192, One("t192w192c1x1")),
            (256, One("t128w192c1x2turn")), (384, One("t128w144c1x1")), (Any, One("t128w192c1x2turn")),
        ],

        // Llama-3.1-8B: gate and up, down, head.
        [(28672, 4096)] = [(64, All("t64w112c1x1")), (384, One("t128w224c1x1")), (Any, One("t128w128c1x2b2turn"))],
        [(4096, 14336)] =
        [
            (16, One("t16w32c1x1")), (32, One("t32w32c1x1")), (64, One("t64w32c1x1")), (128, One("t64w64c1x2")),
            (256, One("t64w128c1x2")), (384, One("t128w96c1x1")), (512, One("t128w128c1x2b2")), (Any, One("t128w256c1x2b2")),
        ],
        [(128256, 4096)] =
        [
            (32, All("t32w96c2x1")), (64, All("t64w96c1x1")), (128, One("t128w144c1x1")), (192, One("t192w192c1x1")),
            (256, One("t128w128c1x2b2")), (384, One("t128w144c1x1")), (Any, One("t128w128c1x2b2")),
        ],

        // Qwen3-30B-A3B: q, k and v; the attention's output; router; head.
        [(5120, 2048)] =
        [
            (16, All("t16w48c1x1")), (32, All("t32w48c1x1")), (64, All("t64w48c1x1")), (128, One("t64w96c1x2")),
            (256, One("t128w96c1x2")), (384, One("t64w256c1x2b2")), (1024, One("t128w192c1x2b3turn")),
            (2048, One("t128w128c1x2b2turn")), (Any, One("t128w192c1x2b3turn")),
        ],
        [(2048, 4096)] =
        [
            (16, All("t16w32c1x1")), (32, All("t32w32c1x1")), (64, All("t64w64c1x2")), (256, One("t64w64c1x2")),
            (384, One("t64w96c1x2")), (512, One("t128w64c1x2")), (1024, One("t128w128c1x2b2")), (Any, One("t128w256c1x2b2")),
        ],
        [(128, 2048)] = [(64, All("t16w16c1x1")), (256, One("t16w32c1x1")), (Any, One("t32w32c1x1"))],
        [(151936, 2048)] =
        [
            (32, All("t32w96c2x1")), (64, All("t64w96c1x1")), (128, One("t128w144c1x1")), (192, One("t192w192c1x1")),
            (256, One("t128w192c1x2turn")), (384, One("t128w144c1x1")), (Any, One("t128w192c1x2turn")),
        ],
    };

    private const int Any = int.MaxValue;

    /// <summary>Matrices with choices of their own.</summary>
    public static IEnumerable<(int PackedRows, int Width)> MeasuredShapes => Measured.Keys;

    /// <summary>The plan for a product.</summary>
    /// <param name="packedRows">Weight rows: twice the outputs for <see cref="ProductEpilogue.GatedSilu"/>.</param>
    /// <param name="width">K.</param>
    /// <param name="tokens">At least 1.</param>
    /// <param name="outputs">Of a token.</param>
    /// <param name="epilogue">What becomes of the chains.</param>
    /// <param name="multiprocessors">Of the GPU.</param>
    public static ProductPlan Choose(int packedRows, int width, int tokens, int outputs, ProductEpilogue epilogue, int multiprocessors)
    {
        if (Measured.TryGetValue((packedRows, width), out var plans))
        {
            foreach ((int most, var plan) in plans)
            {
                if (tokens <= most && ProductTile.All[plan.Tile].Takes(outputs, epilogue))
                {
                    return plan;
                }
            }
        }

        return ByRule(packedRows, tokens, outputs, epilogue, multiprocessors);
    }

    /// <summary>The tile whose slowest part, of memory, L2 and tensor cores, is estimated to be the shortest.</summary>
    internal static ProductPlan ByRule(int packedRows, int tokens, int outputs, ProductEpilogue epilogue, int multiprocessors)
    {
        int best = -1;
        double least = double.MaxValue;
        for (int i = 0; i < ProductTile.All.Count; i++)
        {
            double cycles = ProductTile.All[i].Takes(outputs, epilogue) ? Cycles(ProductTile.All[i], packedRows, tokens, multiprocessors) : double.MaxValue;
            if (cycles < least)
            {
                (best, least) = (i, cycles);
            }
        }

        return new ProductPlan(best, tokens <= LeastTensorRows ? AllStages : OneStage);
    }

    private static double Cycles(ProductTile tile, int packedRows, int tokens, int multiprocessors)
    {
        long blocks = (long)tile.ClustersOver(packedRows) * tile.ClustersOverTokens(tokens) * tile.Cluster;
        long rounds = (blocks + multiprocessors - 1) / multiprocessors;
        double shared = SharedRowCycles * (((double)tile.Tokens / tile.ShareTokens) + ((double)tile.Rows / tile.ShareWeights));
        double tensor = TensorRowCycles * (tile.InTurn ? 1 : tile.Warpgroups) * tile.Operands * Math.Max(tile.Rows, LeastTensorRows);
        return Math.Max(rounds * Math.Max(shared, tensor), MemoryRowCycles * packedRows) + (rounds * Math.Min(shared, tensor) / 16);
    }

    private static ProductPlan One(string tile) => new(IndexOf(tile));

    private static ProductPlan All(string tile) => new(IndexOf(tile), AllStages);

    private static int IndexOf(string name)
    {
        for (int i = 0; i < ProductTile.All.Count; i++)
        {
            if (ProductTile.All[i].Name == name)
            {
                return i;
            }
        }

        throw new ArgumentException($"No product tile is called {name}.", nameof(name));
    }
}
