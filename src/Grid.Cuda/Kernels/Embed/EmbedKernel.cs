using Grid.Cuda.Build;
using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.PackWeights;

namespace Grid.Cuda.Kernels.Embed;

/// <summary>Launches Embed.cu: output[r] = table[ids[r]], the table as PackWeights packs it.</summary>
internal sealed class EmbedKernel(CudaModule module)
{
    private const int MaxThreads = 256;
    private const int WarpThreads = 32;
    private const int ElementsPerThread = 8;

    private readonly CudaKernel<Arguments> kernel = module.GetKernel<Arguments>("embed");

    /// <summary>What to build.</summary>
    public static KernelSource Source { get; } = KernelSource.FromResource("Embed/Embed.cu");

    /// <summary>Gives one launch to the stream.</summary>
    /// <param name="stream">Where.</param>
    /// <param name="ids">[rows] int32, each in [0, vocabulary), or ~i for row i of the drawn: checked by whoever wrote them there.</param>
    /// <param name="packed">[vocabulary, width] bf16, packed from row 0 on and not interleaved.</param>
    /// <param name="output">[rows, width] bf16, row-major.</param>
    /// <param name="rows">At least 1.</param>
    /// <param name="vocabulary">Rows of the table, at least 1.</param>
    /// <param name="width">A multiple of 8.</param>
    /// <param name="startsEarly">Programmatic dependent launch.</param>
    /// <param name="drawn">Results of the sampling whose tokens ids below 0 name; empty where none is.</param>
    public void Launch(
        CudaStream stream, DeviceSpan ids, DeviceSpan packed, DeviceSpan output, int rows, int vocabulary, int width,
        bool startsEarly = false, DeviceSpan drawn = default)
    {
        if (width <= 0 || width % ElementsPerThread != 0)
        {
            throw new ArgumentException(
                $"Width is {width}; rows start at 16 bytes, so it must be a multiple of {ElementsPerThread}.", nameof(width));
        }

        KernelShapes.RequireBytes(ids, (long)rows * sizeof(int));
        var table = new PackedLayout(vocabulary, width);
        KernelShapes.RequireBytes(packed, table.Bytes);
        KernelShapes.RequireBytes(output, (long)rows * width * sizeof(ushort));
        int warps = (width + (WarpThreads * ElementsPerThread) - 1) / (WarpThreads * ElementsPerThread);
        var shape = new LaunchShape(new Dim3(rows), new Dim3(Math.Min(MaxThreads, warps * WarpThreads))) { StartsEarly = startsEarly };
        kernel.Launch(stream, shape, new Arguments
        {
            Ids = ids.Start,
            Drawn = drawn.Start,
            Packed = packed.Start,
            Output = output.Start,
            Width = (uint)width,
            PackedRows = (uint)table.PaddedRows,
            Vocabulary = (uint)vocabulary,
        });
    }

    private struct Arguments
    {
        public CUdeviceptr Ids;
        public CUdeviceptr Drawn;
        public CUdeviceptr Packed;
        public CUdeviceptr Output;
        public uint Width;
        public uint PackedRows;
        public uint Vocabulary;
    }
}
