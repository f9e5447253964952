using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.DummyFill;
using Grid.Cuda.Kernels.PackWeights;
using Grid.Numerics;

namespace Grid.Cuda.Tests;

/// <summary>Dummy weights made on the device against those made on the host and packed, bit for bit.</summary>
[Collection(GpuCollection.Name)]
public sealed class DummyFillKernelTests(GpuFixture gpu)
{
    private const ushort Untouched = 0x1234;

    [Theory]
    [InlineData(1, 1, 0, false, 0L)]
    [InlineData(64, 64, 0, false, 0L)]
    [InlineData(100, 40, 0, false, 0L)]
    [InlineData(7, 4096, 13, false, 0L)]
    [InlineData(72, 130, 0, false, 0L)] // rows begin within a block of eight values
    [InlineData(33, 67, 20, false, 5L)]
    [InlineData(200, 104, 0, true, 0L)]
    [InlineData(50, 768, 8, true, 0L)]
    [InlineData(24, 67, 8, true, 3L)]
    [InlineData(40, 2048, 64, false, 2097152L * 3)] // values from 2^33 * 1.5 on
    [InlineData(9, 1001, 0, false, 34359738369L)] // blocks past 2^32: both counter words
    [InlineData(1024, 4096, 0, false, 0L)]
    public void A_packed_matrix_has_the_bits_of_packing_the_hosts(int rows, int width, int first, bool interleaved, long sourceRow)
    {
        CudaContext context = gpu.Require();
        using CudaModule module = gpu.Load(DummyFillKernel.Source);
        using CudaModule packModule = gpu.Load(PackWeightsKernel.Source);
        using var stream = new CudaStream(context);
        DummyTensor tensor = DummyWeights.Describe("model.layers.3.mlp.gate_proj.weight", rows, width);
        var source = new ushort[rows * width];
        DummyWeights.Fill(tensor, sourceRow * width, source);
        using DeviceMemory deviceSource = DeviceMemory.Of<ushort>(context, stream, source);
        int packedRows = first + (interleaved ? (rows + 7) / 8 * 16 : rows);
        using var tiles = new DeviceMemory(context, PackWeightsKernel.TileBytes(packedRows, width));
        Mark(stream, tiles);
        new PackWeightsKernel(packModule).Launch(stream, deviceSource.Span, tiles.Span, rows, width, first, interleaved);
        ushort[] expected = Download(stream, tiles);
        Mark(stream, tiles);
        new DummyFillKernel(module).LaunchTiles(stream, tensor, tiles.Span, rows, width, first, interleaved, sourceRow);
        Bits.Equal(expected, Download(stream, tiles), 64, "tiles");
        Assert.Equal(source[0], expected[Place(first, 0, width)]);
    }

    [Theory]
    [InlineData("model.norm.weight", 1, 0, 0L)]
    [InlineData("model.norm.weight", 4096, 0, 0L)]
    [InlineData("q_proj.bias", 1000, 3, 5L)]
    [InlineData("k_proj.bias", 513, 4096, 34359738361L)]
    public void A_vector_has_the_hosts_bits(string name, int count, int offset, long first)
    {
        CudaContext context = gpu.Require();
        using CudaModule module = gpu.Load(DummyFillKernel.Source);
        using var stream = new CudaStream(context);
        DummyTensor tensor = DummyWeights.Describe(name, count);
        var expected = new ushort[offset + count + 9];
        Array.Fill(expected, Untouched);
        DummyWeights.Fill(tensor, first, expected.AsSpan(offset, count));
        using var target = new DeviceMemory(context, expected.Length * sizeof(ushort));
        Mark(stream, target);
        new DummyFillKernel(module).LaunchVector(stream, tensor, target.Span, offset, count, first);
        Bits.Equal(expected, Download(stream, target), 64, name);
    }

    [Fact]
    [Trait("Sanitizer", "no")]
    public void A_matrix_of_2_to_the_30_elements_is_right_to_its_end()
    {
        const int Rows = 1 << 19, Width = 2048;
        CudaContext context = gpu.Require();
        using CudaModule module = gpu.Load(DummyFillKernel.Source);
        using var stream = new CudaStream(context);
        var kernel = new DummyFillKernel(module);
        DummyTensor tensor = DummyWeights.Describe("model.embed_tokens.weight", Rows, Width);
        using var tiles = new DeviceMemory(context, PackWeightsKernel.TileBytes(Rows, Width));
        kernel.LaunchTiles(stream, tensor, tiles.Span, Rows, Width);
        var row = new ushort[Width];
        DummyWeights.Fill(tensor, (Rows - 1L) * Width, row);
        var tile = new ushort[64 * Width];
        stream.Download<ushort>(tile, tiles.Span.Slice(tiles.Bytes - (64L * Width * 2), 64L * Width * 2));
        ushort[] actual = [.. Enumerable.Range(0, Width).Select(k => tile[Place(63, k, Width)])];
        Bits.Equal(row, actual, Width, "last row");
    }

    private static void Mark(CudaStream stream, DeviceMemory memory)
    {
        var marks = new ushort[memory.Bytes / sizeof(ushort)];
        Array.Fill(marks, Untouched);
        stream.Upload<ushort>(memory.Span, marks);
    }

    private static ushort[] Download(CudaStream stream, DeviceMemory memory)
    {
        var result = new ushort[memory.Bytes / sizeof(ushort)];
        stream.Download<ushort>(result, memory.Span);
        return result;
    }

    // Element of the tiles that holds k of a row: [tile][chunk][step][8-row group][half][row][k].
    private static int Place(int row, int k, int width)
    {
        int chunks = (width + 63) / 64;
        return ((((row / 64 * chunks) + (k / 64)) * 4) + (k % 64 / 16)) * 1024 + (row % 64 / 8 * 128) + (k % 16 / 8 * 64) + (row % 8 * 8) + (k % 8);
    }
}
