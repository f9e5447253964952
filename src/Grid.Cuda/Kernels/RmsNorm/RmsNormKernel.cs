using Grid.Cuda.Build;
using Grid.Cuda.Driver;
using Grid.Numerics;

namespace Grid.Cuda.Kernels.RmsNorm;

/// <summary>Launches RmsNorm.cu: output[r] = RMSNorm(input[r]) * weight, bits of <see cref="RmsNormReference"/>.</summary>
internal sealed class RmsNormKernel(CudaModule module)
{
    private const int WarpThreads = 32;

    private readonly CudaKernel<Arguments> kernel = module.GetKernel<Arguments>("rms_norm");

    /// <summary>What to build.</summary>
    public static KernelSource Source { get; } = KernelSource.FromResource("RmsNorm/RmsNorm.cu");

    /// <summary>Gives one launch to the stream.</summary>
    /// <param name="stream">Where.</param>
    /// <param name="input">[rows, width] bf16.</param>
    /// <param name="weight">[width] bf16.</param>
    /// <param name="output">[rows, width] bf16; may be the input.</param>
    /// <param name="rows">At least 1.</param>
    /// <param name="width">At least 1.</param>
    /// <param name="epsilon">Added to the mean square.</param>
    /// <param name="startsEarly">Programmatic dependent launch.</param>
    public void Launch(
        CudaStream stream, DeviceSpan input, DeviceSpan weight, DeviceSpan output, int rows, int width, float epsilon,
        bool startsEarly = false)
    {
        KernelShapes.RequireBytes(input, (long)rows * width * sizeof(ushort));
        KernelShapes.RequireBytes(weight, (long)width * sizeof(ushort));
        KernelShapes.RequireBytes(output, (long)rows * width * sizeof(ushort));
        int lanes = RowReduction.Lanes(width);
        var shape = new LaunchShape(new Dim3(rows), new Dim3(Math.Max(lanes, WarpThreads))) { StartsEarly = startsEarly };
        kernel.Launch(stream, shape, new Arguments
        {
            Input = input.Start,
            Weight = weight.Start,
            Output = output.Start,
            Width = (uint)width,
            Lanes = (uint)lanes,
            Epsilon = epsilon,
        });
    }

    private struct Arguments
    {
        public CUdeviceptr Input;
        public CUdeviceptr Weight;
        public CUdeviceptr Output;
        public uint Width;
        public uint Lanes;
        public float Epsilon;
#pragma warning disable CS0649 // Fills the structure to a multiple of its alignment, as in the kernel's text.
        public uint Unused;
#pragma warning restore CS0649
    }
}
