using static Grid.Cuda.Driver.DriverApi;

namespace Grid.Cuda.Driver;

/// <summary>Memory of the GPU, aligned to 256 bytes, undefined until written.</summary>
internal sealed unsafe class DeviceMemory : DriverHandle<CUdeviceptr>
{
    /// <param name="context">The GPU.</param>
    /// <param name="bytes">At least 1.</param>
    /// <exception cref="CudaException">There is not that much memory free; the message says how much is.</exception>
    public DeviceMemory(CudaContext context, long bytes)
        : base(context)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        context.MakeCurrent();
        CUdeviceptr allocated;
        var result = cuMemAlloc_v2(&allocated, (nuint)bytes);
        if (result == CUresult.CUDA_ERROR_OUT_OF_MEMORY)
        {
            (long free, long total) = context.MemoryInfo();
            CudaException.Throw(
                result, nameof(cuMemAlloc_v2), FormattableString.Invariant($"asked for {bytes} bytes, {free} of {total} are free"));
        }

        CudaException.Check(result, nameof(cuMemAlloc_v2));
        Handle = allocated;
        Bytes = bytes;
    }

    /// <summary>Its size.</summary>
    public long Bytes { get; }

    /// <summary>All of it.</summary>
    public DeviceSpan Span => new(Handle, Bytes);

    /// <summary>Memory for elements of a type, filled from the host.</summary>
    public static DeviceMemory Of<T>(CudaContext context, CudaStream stream, ReadOnlySpan<T> values)
        where T : unmanaged
    {
        var memory = new DeviceMemory(context, (long)values.Length * sizeof(T));
        stream.Upload(memory.Span, values);
        return memory;
    }

    /// <summary>The driver waits for work that may still use it.</summary>
    private protected override void Destroy(CUdeviceptr handle) => CudaException.Check(cuMemFree_v2(handle), nameof(cuMemFree_v2));
}

/// <summary>A range of device memory.</summary>
internal readonly record struct DeviceSpan(CUdeviceptr Start, long Bytes)
{
    /// <summary>A part of it.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It reaches beyond the range.</exception>
    public DeviceSpan Slice(long offset, long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, Bytes - offset);
        return new DeviceSpan(Start + offset, bytes);
    }
}
