using Grid.Cuda.Build;
using Grid.Cuda.Driver;

namespace Grid.Cuda.Kernels.PackWeights;

/// <summary>Launches PackWeights.cu: row-major weights into what the matrix kernels fetch.</summary>
internal sealed class PackWeightsKernel(CudaModule module)
{
    private const int Threads = 256;
    private const int ElementsPerThread = 8;

    private readonly CudaKernel<Arguments> kernel = module.GetKernel<Arguments>("pack_weights");

    /// <summary>What to build.</summary>
    public static KernelSource Source { get; } = KernelSource.FromResource("PackWeights/PackWeights.cu");

    /// <summary>Gives one launch to the stream.</summary>
    /// <param name="stream">Where.</param>
    /// <param name="source">[rows, width] bf16, row-major.</param>
    /// <param name="packed">The whole packed matrix; rows that nothing writes were cleared by the caller.</param>
    /// <param name="matrix">Its layout.</param>
    /// <param name="rows">Rows of this part, at least 1.</param>
    /// <param name="firstRow">Where its first row goes.</param>
    /// <param name="interleaved">Every other group of eight rows is left for the matrix's other part (gate and up).</param>
    public void Launch(
        CudaStream stream, DeviceSpan source, DeviceSpan packed, PackedLayout matrix, int rows, int firstRow = 0, bool interleaved = false)
    {
        matrix.RequireRows(rows, firstRow, interleaved);
        KernelShapes.RequireBytes(source, (long)rows * matrix.Width * sizeof(ushort));
        KernelShapes.RequireBytes(packed, matrix.Bytes);
        long pieces = (long)rows * matrix.PaddedWidth / ElementsPerThread;
        var shape = new LaunchShape(new Dim3(checked((int)((pieces + Threads - 1) / Threads))), new Dim3(Threads));
        kernel.Launch(stream, shape, new Arguments
        {
            Source = source.Start,
            Packed = packed.Start,
            Rows = (uint)rows,
            Width = (uint)matrix.Width,
            First = (uint)firstRow,
            Group = (uint)PackedLayout.GroupStride(interleaved),
            PackedRows = (uint)matrix.PaddedRows,
        });
    }

    private struct Arguments
    {
        public CUdeviceptr Source;
        public CUdeviceptr Packed;
        public uint Rows;
        public uint Width;
        public uint First;
        public uint Group;
        public uint PackedRows;
#pragma warning disable CS0649 // Fills the structure to a multiple of its alignment, as in the kernel's text.
        public uint Unused;
#pragma warning restore CS0649
    }
}
