using Grid.Cuda.Build;
using Grid.Cuda.Driver;

namespace Grid.Cuda.Kernels.Embed;

/// <summary>Launches Embed.cu: output[r] = table[ids[r]].</summary>
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
    /// <param name="ids">[rows] int32, each a row of the table: checked by whoever wrote them there.</param>
    /// <param name="table">[vocabulary, width] bf16, row-major.</param>
    /// <param name="output">[rows, width] bf16.</param>
    /// <param name="rows">At least 1.</param>
    /// <param name="width">At least 1.</param>
    /// <param name="startsEarly">Programmatic dependent launch.</param>
    public void Launch(
        CudaStream stream, DeviceSpan ids, DeviceSpan table, DeviceSpan output, int rows, int width, bool startsEarly = false)
    {
        KernelShapes.RequireBytes(ids, (long)rows * sizeof(int));
        KernelShapes.RequireBytes(table, (long)width * sizeof(ushort));
        KernelShapes.RequireBytes(output, (long)rows * width * sizeof(ushort));
        int warps = Math.Max(1, (width + (WarpThreads * ElementsPerThread) - 1) / (WarpThreads * ElementsPerThread));
        var shape = new LaunchShape(new Dim3(rows), new Dim3(Math.Min(MaxThreads, warps * WarpThreads))) { StartsEarly = startsEarly };
        kernel.Launch(stream, shape, new Arguments
        {
            Ids = ids.Start,
            Table = table.Start,
            Output = output.Start,
            Width = (uint)width,
        });
    }

    private struct Arguments
    {
        public CUdeviceptr Ids;
        public CUdeviceptr Table;
        public CUdeviceptr Output;
        public uint Width;
#pragma warning disable CS0649 // Fills the structure to a multiple of its alignment, as in the kernel's text.
        public uint Unused;
#pragma warning restore CS0649
    }
}
