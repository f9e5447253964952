using System.Globalization;
using Grid.Cuda.Build;
using Grid.Cuda.Kernels.PackWeights;

namespace Grid.Cuda.Kernels.Product;

/// <summary>One tile of Product.cu. All of them give the same bits; they differ in speed.</summary>
/// <param name="Warpgroups">Warpgroups of <paramref name="Operands"/> * 64 tokens each, 1 to 3: beside each other or in turn.</param>
/// <param name="Operands">wgmma operands of 64 tokens that a warpgroup has.</param>
/// <param name="Rows">Weight rows of a block: wgmma's N, a multiple of 8.</param>
/// <param name="Tokens">Of a tile: operands * 64 of one warpgroup or of all beside each other; or fewer than 64.</param>
/// <param name="ShareTokens">Blocks of a cluster that share tokens and differ in weights.</param>
/// <param name="ShareWeights">Blocks of a cluster that share weights and differ in tokens.</param>
/// <param name="Chunks">64-element chunks of K in a stage of the ring.</param>
/// <param name="Stages">Stages of the ring.</param>
/// <param name="Boxes">Boxes of shared memory per warpgroup through which rounded results leave; 0: from registers.</param>
/// <param name="For">The epilogues that are built: what the large ones have more costs every start.</param>
/// <param name="AnyOutputs">Also for outputs that are no multiple of 8.</param>
/// <param name="InTurn">Warpgroups take tiles of their own by turns, so that one's epilogue runs beside the other's chains.</param>
internal sealed record ProductTile(
    int Warpgroups, int Operands, int Rows, int Tokens, int ShareTokens, int ShareWeights, int Chunks, int Stages, int Boxes = 0,
    ProductEpilogues For = ProductEpilogues.All, bool AnyOutputs = false, bool InTurn = false)
{
    private const ProductEpilogues Store = ProductEpilogues.Store;
    private const ProductEpilogues Add = ProductEpilogues.Add;
    private const ProductEpilogues Gated = ProductEpilogues.GatedSilu;
    private const ProductEpilogues Raw = ProductEpilogues.Raw;

    /// <summary>Outputs that are a multiple of this lie so that several are written at once.</summary>
    public const int OutputMultiple = 8;

    private const int WarpgroupThreads = 128;
    private const int WarpThreads = 32;
    private const int BoxBytes = 64 * PackedLayout.ChunkRowBytes;
    private const int BarrierBytes = 8;

    /// <summary>
    /// Every tile that is built, by tokens: heights that give 128 blocks (nearly one a multiprocessor) for the widths of models,
    /// and larger tiles as soon as there are enough tokens to fill the GPU with them.
    /// </summary>
    public static IReadOnlyList<ProductTile> All { get; } =
    [
        new(1, 1, 16, 16, 1, 1, 2, 20), new(1, 1, 32, 16, 1, 1, 2, 16), new(1, 1, 48, 16, 1, 1, 2, 12),
        new(1, 1, 32, 32, 1, 1, 2, 12), new(1, 1, 48, 32, 1, 1, 2, 10), new(1, 1, 96, 32, 2, 1, 1, 6, For: Raw),

        new(1, 1, 32, 64, 1, 1, 2, 8), new(1, 1, 48, 64, 1, 1, 2, 7), new(1, 1, 96, 64, 1, 1, 1, 10, For: Gated | Raw),
        new(1, 1, 112, 64, 1, 1, 1, 9, For: Gated),

        new(1, 1, 64, 64, 1, 2, 2, 6, For: Store | Add), new(1, 1, 96, 64, 1, 2, 1, 10, For: Store | Add),
        new(1, 1, 128, 64, 1, 2, 1, 8, For: Store | Add), new(1, 1, 256, 64, 1, 2, 1, 5, 2, For: Store),
        new(2, 1, 64, 128, 1, 2, 1, 8, For: Store | Add), new(2, 1, 96, 128, 1, 1, 1, 7, For: Store | Add),
        new(2, 1, 96, 128, 1, 2, 1, 7, For: Store | Add),
        new(2, 1, 144, 128, 1, 1, 1, 6, For: Store | Raw), new(2, 1, 192, 128, 1, 1, 1, 5, For: Gated),
        new(2, 1, 224, 128, 1, 1, 1, 4, For: Gated), new(3, 1, 192, 192, 1, 1, 1, 4, For: Gated | Raw),

        new(2, 1, 128, 128, 1, 2, 1, 6, 2, For: Store | Add | Raw),
        new(2, 2, 192, 256, 1, 2, 1, 3, 3, For: Store), new(2, 1, 256, 128, 1, 2, 1, 4, 2, For: Add),
        new(2, 2, 128, 128, 1, 2, 1, 6, 2, For: Store | Add | Gated, InTurn: true),
        new(2, 2, 192, 128, 1, 2, 1, 5, For: Gated | Raw, InTurn: true), new(2, 2, 192, 128, 1, 2, 1, 4, 3, For: Store, InTurn: true),

        new(1, 1, 64, 64, 1, 1, 2, 6, AnyOutputs: true),
    ];

    /// <summary>Such as t128w96c1x2: tokens, weight rows, who shares; boxes where there are any.</summary>
    public string Name => string.Create(
        CultureInfo.InvariantCulture,
        $"t{Tokens}w{Rows}c{ShareTokens}x{ShareWeights}{(Boxes > 0 ? $"b{Boxes}" : "")}{(AnyOutputs ? "any" : "")}{(InTurn ? "turn" : "")}");

    /// <summary>Blocks of a cluster.</summary>
    public int Cluster => ShareTokens * ShareWeights;

    /// <summary>Threads of a block: the consumers and a warp that fetches, or a warpgroup where consumers need its registers.</summary>
    public int Threads =>
        (Warpgroups * WarpgroupThreads) + (Warpgroups == 3 || (Warpgroups == 2 && Operands * Rows >= 224) ? WarpgroupThreads : WarpThreads);

    /// <summary>Dynamic shared memory of a block: the ring, the boxes, two barriers a stage and one for each warpgroup's residuals.</summary>
    public int SharedBytes =>
        (Stages * Chunks * (Tokens + Rows) * PackedLayout.ChunkRowBytes) + (Boxes * Warpgroups * BoxBytes)
        + (((2 * Stages) + Warpgroups) * BarrierBytes);

    /// <summary>Rows of the boxes in which a block fetches tokens.</summary>
    public int BoxRows => Tokens / ShareTokens;

    /// <summary>What to build for it.</summary>
    public KernelSource Source => KernelSource.FromResource("Product/Product.cu", $"Product-{Name}", Definitions);

    /// <summary>The text's definitions.</summary>
    public string[] Definitions =>
    [
        $"WARPGROUPS={Warpgroups}", $"OPERANDS={Operands}", $"TILE_ROWS={Rows}", $"TOKENS={Tokens}", $"SHARE_TOKENS={ShareTokens}",
        $"SHARE_WEIGHTS={ShareWeights}", $"CHUNKS={Chunks}", $"STAGES={Stages}", $"BOXES={Boxes}", $"ANY_OUTPUTS={(AnyOutputs ? 1 : 0)}",
        $"IN_TURN={(InTurn ? 1 : 0)}", $"EPILOGUES={(int)For}", $"SHARED_BYTES={SharedBytes}",
    ];

    /// <summary>Whether it can do a product at all.</summary>
    public bool Takes(int outputs, ProductEpilogue epilogue) =>
        (AnyOutputs || outputs % OutputMultiple == 0) && For.HasFlag((ProductEpilogues)(1 << (int)epilogue));

    /// <summary>Tiles of a cluster's size over the weight rows.</summary>
    public int ClustersOver(int packedRows) => DivideUp(packedRows, Rows * ShareTokens);

    /// <summary>Tiles of a cluster's size over the tokens.</summary>
    public int ClustersOverTokens(int tokens) => DivideUp(tokens, Tokens * ShareWeights);

    private static int DivideUp(int value, int by) => (int)((value + (long)by - 1) / by);
}
