using Grid.Cuda.Build;
using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.Attention;
using Grid.Numerics;

namespace Grid.Cuda.Kernels.RotateAndStore;

/// <summary>Launches RotateAndStore.cu: head norm and rotation of q and k; k and v go into the layer's pages.</summary>
internal sealed class RotateAndStoreKernel
{
    private const int Warps = 8;
    private const int WarpThreads = 32;
    private const int HeadDimMultiple = 16;
    private const int MaxHeadDim = 256;

    /// <summary>Blocks that keep the GPU busy; with fewer groups of rows the heads are shared out.</summary>
    private const int EnoughBlocks = 1024;

    private readonly CudaKernel<Arguments> kernel;
    private readonly int headDim;

    public RotateAndStoreKernel(CudaModule module, int headDim)
    {
        RequireHeadDim(headDim);
        this.headDim = headDim;
        kernel = module.GetKernel<Arguments>("rotate_and_store");
    }

    /// <summary>What to build for a head size: a multiple of 16 up to 256.</summary>
    public static KernelSource Source(int headDim)
    {
        RequireHeadDim(headDim);
        return KernelSource.FromResource("RotateAndStore/RotateAndStore.cu", $"RotateAndStore-{headDim}", $"HEAD_DIM={headDim}");
    }

    /// <summary>Gives one launch to the stream.</summary>
    /// <param name="stream">Where.</param>
    /// <param name="operands">What.</param>
    /// <param name="startsEarly">Programmatic dependent launch.</param>
    public void Launch(CudaStream stream, in RotateAndStoreOperands operands, bool startsEarly = false)
    {
        var arguments = Check(operands);
        int rowsPerWarp = WarpThreads / (RowReduction.Lanes(headDim) / 2);
        int groups = (operands.Rows + rowsPerWarp - 1) / rowsPerWarp;
        int slices = (operands.QueryHeads + (2 * operands.KvHeads) + Warps - 1) / Warps;
        slices = Math.Clamp((EnoughBlocks + groups - 1) / groups, 1, slices);
        kernel.Launch(
            stream, new LaunchShape(new Dim3(groups, slices), new Dim3(Warps * WarpThreads)) { StartsEarly = startsEarly }, arguments);
    }

    private static void RequireHeadDim(int headDim)
    {
        if (headDim is <= 0 or > MaxHeadDim || headDim % HeadDimMultiple != 0)
        {
            throw new ArgumentOutOfRangeException(
                nameof(headDim), headDim, $"The head size must be a multiple of {HeadDimMultiple}, at most {MaxHeadDim}.");
        }
    }

    private Arguments Check(in RotateAndStoreOperands o)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(o.Rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(o.QueryHeads);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(o.KvHeads);
        long headBytes = headDim * sizeof(ushort);
        long tableBytes = (long)o.TablePositions * (headDim / 2) * sizeof(float);
        KernelShapes.RequireBytes(o.Qkv, o.Rows * (o.QueryHeads + (2L * o.KvHeads)) * headBytes);
        KernelShapes.RequireBytes(o.Cos, tableBytes);
        KernelShapes.RequireBytes(o.Sin, tableBytes);
        KernelShapes.RequireBytes(o.Positions, (long)o.Rows * sizeof(int));
        KernelShapes.RequireBytes(o.Slots, (long)o.Rows * sizeof(int));
        KernelShapes.RequireBytes(o.Pages, AttentionKernel.PageBytes(o.KvHeads, headDim));
        RequireNorm(o.QueryNorm, headBytes);
        RequireNorm(o.KeyNorm, headBytes);
        return new Arguments
        {
            Qkv = o.Qkv.Start,
            QueryNorm = o.QueryNorm.Start,
            KeyNorm = o.KeyNorm.Start,
            Cos = o.Cos.Start,
            Sin = o.Sin.Start,
            Positions = o.Positions.Start,
            Slots = o.Slots.Start,
            Pages = o.Pages.Start,
            Rows = (uint)o.Rows,
            QueryHeads = (uint)o.QueryHeads,
            KvHeads = (uint)o.KvHeads,
            Epsilon = o.Epsilon,
        };
    }

    private static void RequireNorm(DeviceSpan norm, long bytes)
    {
        if (norm != default)
        {
            KernelShapes.RequireBytes(norm, bytes);
        }
    }

    private struct Arguments
    {
        public CUdeviceptr Qkv;
        public CUdeviceptr QueryNorm;
        public CUdeviceptr KeyNorm;
        public CUdeviceptr Cos;
        public CUdeviceptr Sin;
        public CUdeviceptr Positions;
        public CUdeviceptr Slots;
        public CUdeviceptr Pages;
        public uint Rows;
        public uint QueryHeads;
        public uint KvHeads;
        public float Epsilon;
    }
}
