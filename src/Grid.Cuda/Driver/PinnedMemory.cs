using static Grid.Cuda.Driver.DriverApi;

namespace Grid.Cuda.Driver;

/// <summary>Host memory that the GPU reads and writes directly; copies from and to it do not wait. Zeroed.</summary>
internal sealed unsafe class PinnedMemory : DriverHandle<nint>
{
    /// <param name="context">The GPU.</param>
    /// <param name="bytes">At least 1.</param>
    public PinnedMemory(CudaContext context, long bytes)
        : base(context)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        context.MakeCurrent();
        void* allocated;
        CudaException.Check(
            cuMemHostAlloc(&allocated, (nuint)bytes, CUmemhostalloc_flags.CU_MEMHOSTALLOC_PORTABLE), nameof(cuMemHostAlloc));
        System.Runtime.InteropServices.NativeMemory.Clear(allocated, (nuint)bytes);
        Handle = (nint)allocated;
        Bytes = bytes;
    }

    /// <summary>Its size.</summary>
    public long Bytes { get; }

    /// <summary>All of it, for copies.</summary>
    public PinnedSpan Span => new(Handle, Bytes);

    /// <summary>The host's view of a range, in elements.</summary>
    public Span<T> View<T>(long firstElement, int count)
        where T : unmanaged
    {
        var part = Span.Slice(firstElement * sizeof(T), (long)count * sizeof(T));
        return new Span<T>((void*)part.Start, count);
    }

    private protected override void Destroy(nint handle) => CudaException.Check(cuMemFreeHost((void*)handle), nameof(cuMemFreeHost));
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
