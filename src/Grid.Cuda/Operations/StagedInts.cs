using Grid.Cuda.Driver;

namespace Grid.Cuda.Operations;

/// <summary>A list of integers on its way to the device, apart from the step's inputs: the ids of pages to clear.</summary>
internal sealed class StagedInts(CudaContext context, CudaStream stream, DeviceHeap heap) : IDisposable
{
    private const int FirstCount = 4096;

    private readonly CudaEvent copied = new(context);
    private PinnedMemory? staging;
    private DeviceMemory? device;

    /// <summary>Brings them to the device, for launches up to the next call.</summary>
    public DeviceSpan Upload(ReadOnlySpan<int> values)
    {
        copied.Synchronize();
        if (staging is null || device is null || staging.Bytes < (long)values.Length * sizeof(int))
        {
            Grow(Math.Max(FirstCount, 2 * values.Length));
        }

        long bytes = (long)values.Length * sizeof(int);
        values.CopyTo(staging!.View<int>(0, values.Length));
        var target = device!.Span.Slice(0, bytes);
        stream.Copy(target, staging.Span.Slice(0, bytes));
        stream.Record(copied);
        return target;
    }

    public void Dispose()
    {
        staging?.Dispose();
        copied.Dispose();
    }

    private void Grow(int count)
    {
        var largerDevice = heap.Allocate((long)count * sizeof(int), "a list of pages");
        if (device is not null)
        {
            heap.Free(device);
        }

        device = largerDevice;
        var largerStaging = new PinnedMemory(context, device.Bytes);
        staging?.Dispose();
        staging = largerStaging;
    }
}
