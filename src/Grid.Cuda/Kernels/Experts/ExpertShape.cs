using Grid.Cuda.Build;
using Grid.Cuda.Kernels.PackWeights;

namespace Grid.Cuda.Kernels.Experts;

/// <summary>One shape of ExpertProduct.cu. All of them give the same bits; they differ in speed.</summary>
/// <param name="Tokens">Tokens of a tile, wgmma's N: a power of two from 8 to 256.</param>
/// <param name="Warpgroups">Warpgroups of 64 weight rows each.</param>
/// <param name="Chunks">64-element chunks of K in a stage of the ring.</param>
/// <param name="Stages">Stages of the ring.</param>
internal sealed record ExpertShape(int Tokens, int Warpgroups, int Chunks, int Stages)
{
    private const int WarpgroupThreads = 128;
    private const int ProducerThreads = 128;
    private const int BarrierBytes = 16;

    /// <summary>Every shape that is built, by tokens. Up to 32 tokens, two blocks fit into a multiprocessor.</summary>
    public static IReadOnlyList<ExpertShape> All { get; } =
    [
        new(8, 1, 2, 6), new(16, 1, 2, 5), new(32, 1, 2, 4), new(64, 1, 2, 6), new(128, 1, 1, 8), new(256, 2, 1, 4),
    ];

    /// <summary>Threads of a block: the consumers and four producer warps.</summary>
    public int Threads => (Warpgroups * WarpgroupThreads) + ProducerThreads;

    /// <summary>Dynamic shared memory of a block: the ring, and the entries of its item.</summary>
    public int SharedBytes => RingBytes + (Tokens * sizeof(int));

    /// <summary>What to build for it.</summary>
    public KernelSource Source => KernelSource.FromResource("Experts/ExpertProduct.cu", $"ExpertProduct-{Tokens}", Definitions);

    private string[] Definitions =>
    [
        $"TOKENS={Tokens}", $"WARPGROUPS={Warpgroups}", $"CHUNKS={Chunks}", $"STAGES={Stages}", $"SHARED_BYTES={RingBytes}",
    ];

    /// <summary>The stages, and two barriers of each.</summary>
    private int RingBytes => Stages * ((((Warpgroups * PackedLayout.Chunk) + Tokens) * Chunks * PackedLayout.Chunk * sizeof(ushort)) + BarrierBytes);
}
