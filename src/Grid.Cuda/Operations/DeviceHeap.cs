using Grid.Cuda.Driver;

namespace Grid.Cuda.Operations;

/// <summary>The device memory of one set of operations: everything is freed with it, or before.</summary>
internal sealed class DeviceHeap(CudaContext context) : IDisposable
{
    private readonly HashSet<DeviceMemory> owned = [];

    /// <summary>Raised before memory is freed, while recorded passes may still know its address.</summary>
    public event Action? Freeing;

    /// <summary>Undefined memory.</summary>
    /// <param name="bytes">At least 1.</param>
    /// <param name="what">What it is for, as the subject of a sentence.</param>
    /// <exception cref="CudaOutOfMemoryException">There is not so much.</exception>
    public DeviceMemory Allocate(long bytes, string what)
    {
        DeviceMemory memory;
        try
        {
            memory = new DeviceMemory(context, bytes);
        }
        catch (CudaException e) when (e.Name == nameof(CUresult.CUDA_ERROR_OUT_OF_MEMORY))
        {
            (long free, long total) = context.MemoryInfo();
            throw new CudaOutOfMemoryException(what, bytes, new CudaMemoryInfo(free, total));
        }

        owned.Add(memory);
        return memory;
    }

    /// <summary>Memory of zeros.</summary>
    /// <param name="stream">Where it is cleared.</param>
    /// <param name="bytes">At least 1.</param>
    /// <param name="what">What it is for, as the subject of a sentence.</param>
    public DeviceMemory AllocateZeroed(CudaStream stream, long bytes, string what)
    {
        DeviceMemory memory = Allocate(bytes, what);
        stream.Fill(memory.Span, 0);
        return memory;
    }

    /// <summary>Gives one allocation back; nothing, when it was given back before.</summary>
    public void Free(DeviceMemory memory)
    {
        if (owned.Remove(memory))
        {
            Freeing?.Invoke();
            memory.Dispose();
        }
    }

    public void Dispose()
    {
        foreach (DeviceMemory memory in owned)
        {
            memory.Dispose();
        }

        owned.Clear();
    }
}
