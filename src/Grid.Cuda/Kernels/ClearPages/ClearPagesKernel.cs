using Grid.Cuda.Build;
using Grid.Cuda.Driver;

namespace Grid.Cuda.Kernels.ClearPages;

/// <summary>Launches ClearPages.cu: zeros over whole pages in every layer of a KV cache.</summary>
internal sealed class ClearPagesKernel(CudaModule module)
{
    private const int Threads = 256;
    private const int SliceBytes = 16 * 1024;
    private const int AccessBytes = 16;

    private readonly CudaKernel<Arguments> kernel = module.GetKernel<Arguments>("clear_pages");

    /// <summary>What to build.</summary>
    public static KernelSource Source { get; } =
        KernelSource.FromResource("ClearPages/ClearPages.cu", definitions: $"SLICE={SliceBytes}");

    /// <summary>Gives one launch to the stream.</summary>
    /// <param name="stream">Where.</param>
    /// <param name="cache">[layers][pages] of <paramref name="pageBytes"/> each.</param>
    /// <param name="pageIds">[count] int32, each in [0, pages): checked by whoever wrote them there.</param>
    /// <param name="count">Pages to clear, at least 1.</param>
    /// <param name="layers">At least 1.</param>
    /// <param name="pages">Pages of a layer, at least 1.</param>
    /// <param name="pageBytes">Bytes of a page in one layer, a multiple of 16.</param>
    /// <param name="startsEarly">Programmatic dependent launch.</param>
    public void Launch(
        CudaStream stream, DeviceSpan cache, DeviceSpan pageIds, int count, int layers, int pages, long pageBytes,
        bool startsEarly = false)
    {
        if (pageBytes <= 0 || pageBytes % AccessBytes != 0)
        {
            throw new ArgumentException($"A page has {pageBytes} bytes; it must be a multiple of {AccessBytes}.", nameof(pageBytes));
        }

        long layerBytes = pages * pageBytes;
        KernelShapes.RequireBytes(cache, layers * layerBytes);
        KernelShapes.RequireBytes(pageIds, (long)count * sizeof(int));
        int blocks = checked((int)(count * ((pageBytes + SliceBytes - 1) / SliceBytes)));
        var shape = new LaunchShape(new Dim3(blocks, layers), new Dim3(Threads)) { StartsEarly = startsEarly };
        kernel.Launch(stream, shape, new Arguments
        {
            Cache = cache.Start,
            Pages = pageIds.Start,
            PageBytes = (ulong)pageBytes,
            LayerBytes = (ulong)layerBytes,
        });
    }

    private struct Arguments
    {
        public CUdeviceptr Cache;
        public CUdeviceptr Pages;
        public ulong PageBytes;
        public ulong LayerBytes;
    }
}
