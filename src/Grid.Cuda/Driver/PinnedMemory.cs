using static Grid.Cuda.Driver.DriverApi;

namespace Grid.Cuda.Driver;

/// <summary>Host memory that the GPU reads and writes directly; copies from and to it do not wait. Zeroed.</summary>
internal sealed unsafe class PinnedMemory : IDisposable
{
    private readonly CudaContext context;
    private void* start;

    /// <param name="context">The GPU.</param>
    /// <param name="bytes">At least 1.</param>
    public PinnedMemory(CudaContext context, long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        this.context = context;
        context.MakeCurrent();
        void* allocated;
        CudaException.Check(
            cuMemHostAlloc(&allocated, (nuint)bytes, CUmemhostalloc_flags.CU_MEMHOSTALLOC_PORTABLE), nameof(cuMemHostAlloc));
        System.Runtime.InteropServices.NativeMemory.Clear(allocated, (nuint)bytes);
        start = allocated;
        Bytes = bytes;
    }

    /// <summary>Its size.</summary>
    public long Bytes { get; }

    /// <summary>All of it, for copies.</summary>
    public PinnedSpan Span
    {
        get
        {
            ObjectDisposedException.ThrowIf(start == null, this);
            return new PinnedSpan((nint)start, Bytes);
        }
    }

    /// <summary>The host's view of a range, in elements.</summary>
    public Span<T> View<T>(long firstElement, int count)
        where T : unmanaged
    {
        PinnedSpan part = Span.Slice(firstElement * sizeof(T), (long)count * sizeof(T));
        return new Span<T>((void*)part.Start, count);
    }

    public void Dispose()
    {
        if (start != null)
        {
            context.MakeCurrent();
            CudaException.Check(cuMemFreeHost(start), nameof(cuMemFreeHost));
            start = null;
        }
    }
}

/// <summary>A range of pinned host memory.</summary>
internal readonly record struct PinnedSpan(nint Start, long Bytes)
{
    /// <summary>A part of it.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It reaches beyond the range.</exception>
    public PinnedSpan Slice(long offset, long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, Bytes - offset);
        return new PinnedSpan((nint)(Start + offset), bytes);
    }
}
