using Grid.Cuda.Build;
using Grid.Cuda.Driver;

namespace Grid.Cuda.Kernels.PackWeights;

/// <summary>Launches PackWeights.cu: row-major weights into the tiles of the matrix kernels.</summary>
internal sealed class PackWeightsKernel(CudaModule module)
{
    /// <summary>Rows of a tile, and elements of K in a chunk.</summary>
    public const int Chunk = 64;

    private const int Threads = 256;
    private const int ElementsPerThread = 8;
    private const int RowsPerGroup = 8;

    private readonly CudaKernel<Arguments> kernel = module.GetKernel<Arguments>("pack_weights");

    /// <summary>What to build.</summary>
    public static KernelSource Source { get; } = KernelSource.FromResource("PackWeights/PackWeights.cu");

    /// <summary>Bytes of the tiles of a [rows, width] matrix.</summary>
    public static long TileBytes(int rows, int width) =>
        (long)RoundUp(rows, Chunk) * RoundUp(width, Chunk) * sizeof(ushort);

    /// <summary>Gives one launch to the stream.</summary>
    /// <param name="stream">Where.</param>
    /// <param name="source">[rows, width] bf16, row-major.</param>
    /// <param name="tiles"><see cref="TileBytes"/> of the whole matrix; rows that nothing writes were cleared by the caller.</param>
    /// <param name="rows">Rows of this part, at least 1.</param>
    /// <param name="width">K, at least 1.</param>
    /// <param name="firstRow">Where its first row goes.</param>
    /// <param name="interleaved">Every other group of eight rows is left for the matrix's other part (gate and up).</param>
    public void Launch(
        CudaStream stream, DeviceSpan source, DeviceSpan tiles, int rows, int width, int firstRow = 0, bool interleaved = false)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstRow);
        int group = interleaved ? 2 * RowsPerGroup : RowsPerGroup;
        int lastRow = firstRow + ((rows - 1) / RowsPerGroup * group) + ((rows - 1) % RowsPerGroup);
        KernelShapes.RequireBytes(source, (long)rows * width * sizeof(ushort));
        KernelShapes.RequireBytes(tiles, TileBytes(lastRow + 1, width));
        long pieces = (long)rows * RoundUp(width, Chunk) / ElementsPerThread;
        var shape = new LaunchShape(new Dim3(checked((int)((pieces + Threads - 1) / Threads))), new Dim3(Threads));
        kernel.Launch(stream, shape, new Arguments
        {
            Source = source.Start,
            Tiles = tiles.Start,
            Rows = (uint)rows,
            Width = (uint)width,
            First = (uint)firstRow,
            Group = (uint)group,
        });
    }

    private static int RoundUp(int value, int multiple) => (value + multiple - 1) / multiple * multiple;

    private struct Arguments
    {
        public CUdeviceptr Source;
        public CUdeviceptr Tiles;
        public uint Rows;
        public uint Width;
        public uint First;
        public uint Group;
    }
}
