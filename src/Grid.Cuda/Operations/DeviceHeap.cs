using Grid.Cuda.Driver;

namespace Grid.Cuda.Operations;

/// <summary>The device memory of one set of operations: everything is freed with it, or before.</summary>
internal sealed class DeviceHeap(CudaContext context) : IDisposable
{
    private readonly HashSet<IDisposable> owned = [];

    /// <summary>Raised before memory is freed, while recorded passes may still know its address.</summary>
    public event Action? Freeing;

    /// <summary>Undefined memory.</summary>
    /// <param name="bytes">At least 1.</param>
    /// <param name="what">What it is for, as the subject of a sentence.</param>
    /// <exception cref="CudaOutOfMemoryException">There is not so much.</exception>
    public DeviceMemory Allocate(long bytes, string what) => Own(() => new DeviceMemory(context, bytes), bytes, what);

    /// <summary>Something that allocates by itself.</summary>
    /// <param name="create">Makes it.</param>
    /// <param name="bytes">What it needs, for the error.</param>
    /// <param name="what">What it is for, as the subject of a sentence.</param>
    /// <exception cref="CudaOutOfMemoryException">There is not so much.</exception>
    public T Own<T>(Func<T> create, long bytes, string what)
        where T : IDisposable
    {
        T created;
        try
        {
            created = create();
        }
        catch (CudaException e) when (e.Name == nameof(CUresult.CUDA_ERROR_OUT_OF_MEMORY))
        {
            (long free, long total) = context.MemoryInfo();
            throw new CudaOutOfMemoryException(what, bytes, new CudaMemoryInfo(free, total));
        }

        owned.Add(created);
        return created;
    }

    /// <summary>Memory of zeros.</summary>
    /// <param name="stream">Where it is cleared.</param>
    /// <param name="bytes">At least 1.</param>
    /// <param name="what">What it is for, as the subject of a sentence.</param>
    public DeviceMemory AllocateZeroed(CudaStream stream, long bytes, string what)
    {
        var memory = Allocate(bytes, what);
        stream.Fill(memory.Span, 0);
        return memory;
    }

    /// <summary>Gives one allocation back; nothing, when it was given back before.</summary>
    public void Free(IDisposable allocation)
    {
        if (owned.Remove(allocation))
        {
            Freeing?.Invoke();
            allocation.Dispose();
        }
    }

    public void Dispose()
    {
        IDisposable[] all = [.. owned];
        owned.Clear();
        Release.All(all.Select(allocation => (Action)allocation.Dispose));
    }
}
