using static Grid.Cuda.Driver.DriverApi;

namespace Grid.Cuda.Driver;

/// <summary>
/// The primary context of one GPU, retained until disposed. The driver keeps a current context per thread: the thread that
/// opens one has it, any other calls <see cref="MakeCurrent"/> first. Handles made from a context are disposed before it,
/// by their owner and never by a finalizer, which could free memory that a running kernel still reads.
/// </summary>
internal sealed unsafe class CudaContext : IDisposable
{
    private readonly CUdevice handle;
    private readonly CUcontext context;
    private bool disposed;

    private CudaContext(CudaDevice device, CudaVersion driver, CUdevice handle, CUcontext context)
    {
        Device = device;
        DriverVersion = driver;
        this.handle = handle;
        this.context = context;
    }

    /// <summary>The GPU.</summary>
    public CudaDevice Device { get; }

    /// <summary>The newest CUDA that the driver supports.</summary>
    public CudaVersion DriverVersion { get; }

    /// <summary>Retains the primary context of a GPU and makes it current.</summary>
    /// <exception cref="CudaUnavailableException">There is no driver, no such GPU, or it is not one Grid can use.</exception>
    public static CudaContext Open(int ordinal)
    {
        var driver = CudaDevice.RequireDriver();
        var device = CudaDevice.Require(ordinal);
        CUdevice handle;
        CudaException.Check(cuDeviceGet(&handle, ordinal), nameof(cuDeviceGet));
        CUcontext context;
        CudaException.Check(cuDevicePrimaryCtxRetain(&context, handle), nameof(cuDevicePrimaryCtxRetain));
        var opened = new CudaContext(device, driver, handle, context);
        opened.MakeCurrent();
        return opened;
    }

    /// <summary>Makes this the context of the calling thread.</summary>
    public void MakeCurrent()
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        CudaException.Check(cuCtxSetCurrent(context), nameof(cuCtxSetCurrent));
    }

    /// <summary>Waits until everything given to the GPU is done.</summary>
    public void Synchronize() => CudaException.Check(cuCtxSynchronize(), nameof(cuCtxSynchronize));

    /// <summary>Bytes of device memory, free and in all. Other processes take from the same memory.</summary>
    public (long Free, long Total) MemoryInfo()
    {
        nuint free;
        nuint total;
        CudaException.Check(cuMemGetInfo_v2(&free, &total), nameof(cuMemGetInfo_v2));
        return (checked((long)free), checked((long)total));
    }

    public void Dispose()
    {
        if (!disposed)
        {
            disposed = true;
            CudaException.Check(cuDevicePrimaryCtxRelease_v2(handle), nameof(cuDevicePrimaryCtxRelease_v2));
        }
    }
}
