using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.ClearPages;

namespace Grid.Cuda.Tests;

[Collection(GpuCollection.Name)]
public sealed class ClearPagesKernelTests(GpuFixture gpu)
{
    [Theory]
    [InlineData(1, 1, 16)]
    [InlineData(3, 5, 4096)]
    [InlineData(2, 7, 16 * 1024)]
    [InlineData(4, 9, (16 * 1024) + 16)]
    [InlineData(28, 6, 48 * 1024)]
    public void Pages_asked_for_become_zeros_in_every_layer_and_others_stay(int layers, int pages, int pageBytes)
    {
        var context = gpu.Require();
        using var module = gpu.Load(ClearPagesKernel.Source);
        var kernel = new ClearPagesKernel(module);
        using var stream = new CudaStream(context);
        byte[] before = new byte[layers * pages * pageBytes];
        new Random(pageBytes).NextBytes(before);
        int[][] lists = [[0], [pages - 1], [.. Enumerable.Range(0, pages).Where(page => page % 2 == 0)], [pages / 2, 0, pages / 2]];
        foreach (int[] cleared in lists)
        {
            byte[] expected = [.. before];
            for (int layer = 0; layer < layers; layer++)
            {
                foreach (int page in cleared)
                {
                    expected.AsSpan(((layer * pages) + page) * pageBytes, pageBytes).Clear();
                }
            }

            using var cache = DeviceMemory.Of<byte>(context, stream, before);
            using var ids = DeviceMemory.Of<int>(context, stream, cleared);
            kernel.Launch(stream, cache.Span, ids.Span, cleared.Length, layers, pages, pageBytes, startsEarly: true);
            byte[] actual = new byte[before.Length];
            stream.Download<byte>(actual, cache.Span);
            int same = expected.AsSpan().CommonPrefixLength(actual);
            Assert.True(
                same == expected.Length,
                $"layer {same / pageBytes / pages}, page {same / pageBytes % pages}, byte {same % pageBytes} is wrong after pages {string.Join(' ', cleared)}");
        }
    }

    [Fact]
    public void A_cache_that_is_too_small_is_refused_by_name()
    {
        var context = gpu.Require();
        using var module = gpu.Load(ClearPagesKernel.Source);
        using var stream = new CudaStream(context);
        using var memory = new DeviceMemory(context, 1024);
        var e = Assert.Throws<ArgumentException>(
            () => new ClearPagesKernel(module).Launch(stream, memory.Span, memory.Span, 1, 2, 3, 256));
        Assert.StartsWith("cache has 1024 bytes, and the kernel touches 1536.", e.Message, StringComparison.Ordinal);
    }
}
