using Grid.Cuda.Build;
using Grid.Cuda.Driver;

namespace Grid.Cuda.Kernels.GatherRows;

/// <summary>Launches GatherRows.cu: output[r] = input[rows[r]].</summary>
internal sealed class GatherRowsKernel(CudaModule module)
{
    private const int WidthMultiple = 8;
    private const int Threads = 256;

    private readonly CudaKernel<Arguments> kernel = module.GetKernel<Arguments>("gather_rows");

    /// <summary>What to build.</summary>
    public static KernelSource Source { get; } = KernelSource.FromResource("GatherRows/GatherRows.cu");

    /// <summary>Gives one launch to the stream.</summary>
    /// <param name="stream">Where.</param>
    /// <param name="rows">[count] int32, each a row of the input: checked by whoever wrote them there.</param>
    /// <param name="input">[*, width] bf16, row-major.</param>
    /// <param name="output">[count, width] bf16, row-major; never the input.</param>
    /// <param name="count">At least 1.</param>
    /// <param name="width">A multiple of 8.</param>
    /// <param name="startsEarly">Programmatic dependent launch.</param>
    public void Launch(CudaStream stream, DeviceSpan rows, DeviceSpan input, DeviceSpan output, int count, int width, bool startsEarly = false)
    {
        KernelShapes.RequireMultiple(width, WidthMultiple);
        KernelShapes.RequireBytes(rows, (long)count * sizeof(int));
        KernelShapes.RequireBytes(input, (long)width * sizeof(ushort));
        KernelShapes.RequireBytes(output, (long)count * width * sizeof(ushort));
        var shape = new LaunchShape(new Dim3(count), new Dim3(Threads)) { StartsEarly = startsEarly };
        kernel.Launch(stream, shape, new Arguments
        {
            Rows = rows.Start,
            Input = input.Start,
            Output = output.Start,
            Width = (uint)width,
        });
    }

    private struct Arguments
    {
        public CUdeviceptr Rows;
        public CUdeviceptr Input;
        public CUdeviceptr Output;
        public uint Width;
#pragma warning disable CS0649 // Fills the structure to a multiple of its alignment, as in the kernel's text.
        public uint Unused;
#pragma warning restore CS0649
    }
}
