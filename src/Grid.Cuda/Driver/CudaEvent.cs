using static Grid.Cuda.Driver.DriverApi;

namespace Grid.Cuda.Driver;

/// <summary>A point in a stream that other streams and the host can wait for.</summary>
internal sealed unsafe class CudaEvent : DriverHandle<CUevent>
{
    /// <param name="context">Its context.</param>
    /// <param name="timed">Keep the time at which it was reached; costs a little on the GPU.</param>
    public CudaEvent(CudaContext context, bool timed = false)
        : base(context)
    {
        context.MakeCurrent();
        CUevent created;
        CudaException.Check(
            cuEventCreate(&created, timed ? CUevent_flags.CU_EVENT_DEFAULT : CUevent_flags.CU_EVENT_DISABLE_TIMING),
            nameof(cuEventCreate));
        Handle = created;
    }

    /// <summary>True once everything before it in its stream is done.</summary>
    public bool IsReached
    {
        get
        {
            var result = cuEventQuery(Handle);
            if (result != CUresult.CUDA_ERROR_NOT_READY)
            {
                CudaException.Check(result, nameof(cuEventQuery));
            }

            return result == CUresult.CUDA_SUCCESS;
        }
    }

    /// <summary>Waits for it on the host.</summary>
    public void Synchronize() => CudaException.Check(cuEventSynchronize(Handle), nameof(cuEventSynchronize));

    /// <summary>Milliseconds on the GPU since an earlier event; both timed and reached.</summary>
    public float MillisecondsSince(CudaEvent earlier)
    {
        float milliseconds;
        CudaException.Check(
            cuEventElapsedTime_v2(&milliseconds, earlier.Handle, Handle), nameof(cuEventElapsedTime_v2));
        return milliseconds;
    }

    private protected override void Destroy(CUevent handle) => CudaException.Check(cuEventDestroy_v2(handle), nameof(cuEventDestroy_v2));
}
