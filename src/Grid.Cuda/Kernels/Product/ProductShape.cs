using Grid.Cuda.Build;
using Grid.Cuda.Kernels.PackWeights;

namespace Grid.Cuda.Kernels.Product;

/// <summary>One shape of Product.cu. All of them give the same bits; they differ in speed.</summary>
/// <param name="Tokens">Tokens of a tile, wgmma's N: a power of two from 8 to 256.</param>
/// <param name="Warpgroups">Warpgroups of 64 weight rows each.</param>
/// <param name="Chunks">64-element chunks of K in a stage of the ring.</param>
/// <param name="Stages">Stages of the ring.</param>
internal sealed record ProductShape(int Tokens, int Warpgroups, int Chunks, int Stages)
{
    private const int WarpgroupThreads = 128;
    private const int ProducerThreads = 128;
    private const int BarrierBytes = 16;

    /// <summary>Every shape that is built, by tokens. Up to 32 tokens, two blocks fit into a multiprocessor.</summary>
    public static IReadOnlyList<ProductShape> All { get; } =
    [
        new(8, 1, 2, 6), new(16, 1, 2, 5), new(32, 1, 2, 4), new(64, 1, 2, 6), new(128, 1, 1, 8), new(256, 2, 1, 4),
    ];

    /// <summary>Threads of a block: the consumers and four producer warps.</summary>
    public int Threads => (Warpgroups * WarpgroupThreads) + ProducerThreads;

    /// <summary>Dynamic shared memory of a block: the ring, and two barriers a stage.</summary>
    public int SharedBytes =>
        (Stages * ((((Warpgroups * PackWeightsKernel.Chunk) + Tokens) * Chunks * PackWeightsKernel.Chunk * sizeof(ushort)) + BarrierBytes));

    /// <summary>What to build for it.</summary>
    public KernelSource Source => KernelSource.FromResource("Product/Product.cu", $"Product-{Tokens}", Definitions);

    /// <summary>The text's definitions.</summary>
    public string[] Definitions =>
    [
        $"TOKENS={Tokens}", $"WARPGROUPS={Warpgroups}", $"CHUNKS={Chunks}", $"STAGES={Stages}", $"SHARED_BYTES={SharedBytes}",
    ];

    /// <summary>Blocks for so many tokens and 64-row weight tiles.</summary>
    public long Blocks(int tokens, int weightTiles) => DivideUp(tokens, Tokens) * DivideUp(weightTiles, Warpgroups);

    /// <summary>Index in <see cref="All"/> of the shape for a product; free to choose, for speed alone.</summary>
    /// <param name="tokens">At least 1.</param>
    /// <param name="weightTiles">At least 1.</param>
    /// <param name="multiprocessors">Of the GPU.</param>
    public static int Choose(int tokens, int weightTiles, int multiprocessors)
    {
        for (int i = 0; i < All.Count - 1; i++)
        {
            if (tokens <= All[i].Tokens)
            {
                return i;
            }
        }

        // The largest shape reads least, but only if its blocks keep the whole GPU busy.
        int last = All.Count - 1;
        return All[last].Blocks(tokens, weightTiles) >= multiprocessors ? last : last - 1;
    }

    private static long DivideUp(int value, int by) => (value + (long)by - 1) / by;
}
