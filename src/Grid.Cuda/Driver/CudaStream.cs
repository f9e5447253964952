using static Grid.Cuda.Driver.DriverApi;

namespace Grid.Cuda.Driver;

/// <summary>
/// Work in order on the GPU. Never the driver's default stream, which waits for others. Copies check their bounds before
/// they start; nothing here allocates managed memory.
/// </summary>
internal sealed unsafe class CudaStream : DriverHandle<CUstream>
{
    public CudaStream(CudaContext context)
        : base(context)
    {
        context.MakeCurrent();
        CUstream created;
        CudaException.Check(cuStreamCreate(&created, CUstream_flags.CU_STREAM_NON_BLOCKING), nameof(cuStreamCreate));
        Handle = created;
    }

    /// <summary>True when nothing is left to do.</summary>
    public bool IsIdle
    {
        get
        {
            var result = cuStreamQuery(Handle);
            if (result != CUresult.CUDA_ERROR_NOT_READY)
            {
                CudaException.Check(result, nameof(cuStreamQuery));
            }

            return result == CUresult.CUDA_SUCCESS;
        }
    }

    /// <summary>Waits on the host until everything given so far is done.</summary>
    public void Synchronize() => CudaException.Check(cuStreamSynchronize(Handle), nameof(cuStreamSynchronize));

    /// <summary>Marks this point of the stream.</summary>
    public void Record(CudaEvent point) => CudaException.Check(cuEventRecord(point.Handle, Handle), nameof(cuEventRecord));

    /// <summary>What is given from now on starts after the event.</summary>
    public void WaitFor(CudaEvent point) =>
        CudaException.Check(cuStreamWaitEvent(Handle, point.Handle, 0), nameof(cuStreamWaitEvent));

    /// <summary>Sets every byte.</summary>
    public void Fill(DeviceSpan destination, byte value) =>
        CudaException.Check(
            cuMemsetD8Async(destination.Start, value, (nuint)destination.Bytes, Handle), nameof(cuMemsetD8Async));

    /// <summary>Host to device; the source stays as it is until the copy is done.</summary>
    public void Copy(DeviceSpan destination, PinnedSpan source)
    {
        RequireSameLength(destination.Bytes, source.Bytes);
        CudaException.Check(
            cuMemcpyHtoDAsync_v2(destination.Start, (void*)source.Start, (nuint)source.Bytes, Handle),
            nameof(cuMemcpyHtoDAsync_v2));
    }

    /// <summary>Device to host; read after the stream got past it.</summary>
    public void Copy(PinnedSpan destination, DeviceSpan source)
    {
        RequireSameLength(destination.Bytes, source.Bytes);
        CudaException.Check(
            cuMemcpyDtoHAsync_v2((void*)destination.Start, source.Start, (nuint)source.Bytes, Handle),
            nameof(cuMemcpyDtoHAsync_v2));
    }

    /// <summary>Device to device; the two may not overlap.</summary>
    public void Copy(DeviceSpan destination, DeviceSpan source)
    {
        RequireSameLength(destination.Bytes, source.Bytes);
        CudaException.Check(
            cuMemcpyDtoDAsync_v2(destination.Start, source.Start, (nuint)source.Bytes, Handle),
            nameof(cuMemcpyDtoDAsync_v2));
    }

    /// <summary>Copies from ordinary memory and waits for it. For loading and tests: the driver stages such copies.</summary>
    public void Upload<T>(DeviceSpan destination, ReadOnlySpan<T> source)
        where T : unmanaged
    {
        RequireSameLength(destination.Bytes, (long)source.Length * sizeof(T));
        fixed (T* start = source)
        {
            CudaException.Check(
                cuMemcpyHtoDAsync_v2(destination.Start, start, (nuint)destination.Bytes, Handle), nameof(cuMemcpyHtoDAsync_v2));
            Synchronize();
        }
    }

    /// <summary>Copies to ordinary memory and waits for it. For tests and tools.</summary>
    public void Download<T>(Span<T> destination, DeviceSpan source)
        where T : unmanaged
    {
        RequireSameLength((long)destination.Length * sizeof(T), source.Bytes);
        fixed (T* start = destination)
        {
            CudaException.Check(
                cuMemcpyDtoHAsync_v2(start, source.Start, (nuint)source.Bytes, Handle), nameof(cuMemcpyDtoHAsync_v2));
            Synchronize();
        }
    }

    private protected override void Destroy(CUstream handle) => CudaException.Check(cuStreamDestroy_v2(handle), nameof(cuStreamDestroy_v2));

    private static void RequireSameLength(long destination, long source)
    {
        if (destination != source)
        {
            throw new ArgumentException($"A copy of {source} bytes into {destination} bytes; both must be equal.");
        }
    }
}
