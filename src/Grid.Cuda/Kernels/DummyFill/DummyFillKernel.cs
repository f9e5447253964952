using Grid.Cuda.Build;
using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.PackWeights;
using Grid.Numerics;

namespace Grid.Cuda.Kernels.DummyFill;

/// <summary>Launches DummyFill.cu: dummy weights made on the device, bits of <see cref="DummyWeights"/>.</summary>
internal sealed class DummyFillKernel(CudaModule module)
{
    private const int Threads = 256;
    private const int ElementsPerThread = 8;

    private readonly CudaKernel<Arguments> matrices = module.GetKernel<Arguments>("dummy_fill_matrix");
    private readonly CudaKernel<Arguments> vector = module.GetKernel<Arguments>("dummy_fill_vector");

    /// <summary>What to build.</summary>
    public static KernelSource Source { get; } = KernelSource.FromResource("DummyFill/DummyFill.cu");

    /// <summary>Rows of a matrix, packed at once: the bits that packing <see cref="DummyWeights.Fill"/> would give.</summary>
    /// <param name="stream">Where.</param>
    /// <param name="tensor">Of the whole matrix.</param>
    /// <param name="packed">The whole packed matrix; rows that nothing writes were cleared by the caller.</param>
    /// <param name="matrix">Its layout.</param>
    /// <param name="rows">Rows to fill, at least 1.</param>
    /// <param name="firstRow">Where the first of them goes, as for <see cref="PackWeightsKernel.Launch"/>.</param>
    /// <param name="interleaved">Every other group of eight rows is left for the matrix's other part (gate and up).</param>
    /// <param name="sourceRow">Which row of the tensor is the first.</param>
    public void LaunchMatrix(
        CudaStream stream, in DummyTensor tensor, DeviceSpan packed, PackedLayout matrix, int rows, int firstRow = 0,
        bool interleaved = false, long sourceRow = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sourceRow);
        matrix.RequireRows(rows, firstRow, interleaved);
        KernelShapes.RequireBytes(packed, matrix.Bytes);
        matrices.Launch(stream, Shape((long)rows * matrix.PaddedWidth / ElementsPerThread), Describe(tensor) with
        {
            Target = packed.Start,
            Start = (ulong)checked(sourceRow * matrix.Width),
            Rows = (uint)rows,
            Width = (uint)matrix.Width,
            First = (uint)firstRow,
            Group = (uint)PackedLayout.GroupStride(interleaved),
            PackedRows = (uint)matrix.PaddedRows,
        });
    }

    /// <summary>A vector or a part of one, as it is.</summary>
    /// <param name="stream">Where.</param>
    /// <param name="tensor">Of the whole vector.</param>
    /// <param name="target">bf16.</param>
    /// <param name="offset">Elements of the target before the first that is filled.</param>
    /// <param name="count">Elements to fill, at least 1.</param>
    /// <param name="first">Which element of the tensor is the first.</param>
    public void LaunchVector(CudaStream stream, in DummyTensor tensor, DeviceSpan target, long offset, int count, long first = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        KernelShapes.RequireBytes(target, (offset + count) * sizeof(ushort));
        vector.Launch(stream, Shape(count), Describe(tensor) with
        {
            Target = target.Start + (offset * sizeof(ushort)),
            Start = (ulong)first,
            Width = (uint)count,
        });
    }

    private static LaunchShape Shape(long threads) => new(new Dim3(checked((int)((threads + Threads - 1) / Threads))), new Dim3(Threads));

    private static Arguments Describe(in DummyTensor tensor) => new()
    {
        Key0 = tensor.Key0,
        Key1 = tensor.Key1,
        Base = tensor.Base,
        Scale = MathF.ScaleB(1f, tensor.Exponent),
    };

    private struct Arguments
    {
        public CUdeviceptr Target;
        public ulong Start;
        public uint Rows;
        public uint Width;
        public uint First;
        public uint Group;
        public uint Key0;
        public uint Key1;
        public int Base;
        public float Scale;
        public uint PackedRows;
#pragma warning disable CS0649 // Fills the structure to a multiple of its alignment, as in the kernel's text.
        public uint Unused;
#pragma warning restore CS0649
    }
}
