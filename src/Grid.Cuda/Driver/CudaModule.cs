using System.Runtime.InteropServices;
using static Grid.Cuda.Driver.DriverApi;

namespace Grid.Cuda.Driver;

/// <summary>A cubin loaded on one GPU.</summary>
internal sealed unsafe class CudaModule : DriverHandle<CUmodule>
{
    /// <param name="context">The GPU.</param>
    /// <param name="name">What to call it in errors.</param>
    /// <param name="cubin">Machine code for this GPU.</param>
    public CudaModule(CudaContext context, string name, ReadOnlySpan<byte> cubin)
        : base(context)
    {
        Name = name;
        context.MakeCurrent();
        fixed (byte* image = cubin)
        {
            CUmodule loaded;
            var result = cuModuleLoadData(&loaded, image);
            if (result != CUresult.CUDA_SUCCESS)
            {
                CudaException.Throw(result, nameof(cuModuleLoadData), $"module {name}, {cubin.Length} bytes");
            }

            Handle = loaded;
        }
    }

    /// <summary>What it is called in errors.</summary>
    public string Name { get; }

    /// <summary>One kernel, ready to launch.</summary>
    /// <param name="entry">The extern "C" name of the __global__ function.</param>
    /// <param name="dynamicSharedBytes">Dynamic shared memory that launches may ask for at most.</param>
    /// <typeparam name="TArguments">The kernel's one parameter, with the layout of the structure in its text.</typeparam>
    /// <exception cref="KernelBuildException">The kernel uses local memory, or its parameter has another size.</exception>
    public CudaKernel<TArguments> GetKernel<TArguments>(string entry, int dynamicSharedBytes = 0)
        where TArguments : unmanaged
    {
        var module = Handle;
        byte* name = (byte*)Marshal.StringToCoTaskMemUTF8(entry);
        try
        {
            CUfunction function;
            var result = cuModuleGetFunction(&function, module, name);
            if (result != CUresult.CUDA_SUCCESS)
            {
                CudaException.Throw(result, nameof(cuModuleGetFunction), $"kernel {entry} of module {Name}");
            }

            return new CudaKernel<TArguments>(entry, function, dynamicSharedBytes);
        }
        finally
        {
            Marshal.FreeCoTaskMem((nint)name);
        }
    }

    private protected override void Destroy(CUmodule handle) => CudaException.Check(cuModuleUnload(handle), nameof(cuModuleUnload));
}
