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
        var context = gpu.Require();
        using var module = gpu.Load(DummyFillKernel.Source);
        using var packModule = gpu.Load(PackWeightsKernel.Source);
        using var stream = new CudaStream(context);
        var tensor = DummyWeights.Describe("model.layers.3.mlp.gate_proj.weight", rows, width);
        ushort[] source = new ushort[rows * width];
        DummyWeights.Fill(tensor, sourceRow * width, source);
        using var deviceSource = DeviceMemory.Of<ushort>(context, stream, source);
        int packedRows = first + (interleaved ? (rows + 7) / 8 * 16 : rows);
        var layout = new PackedLayout(packedRows, width);
        using var packed = new DeviceMemory(context, layout.Bytes);
        Mark(stream, packed);
        new PackWeightsKernel(packModule).Launch(stream, deviceSource.Span, packed.Span, layout, rows, first, interleaved);
        ushort[] expected = Download(stream, packed);
        Mark(stream, packed);
        new DummyFillKernel(module).LaunchMatrix(stream, tensor, packed.Span, layout, rows, first, interleaved, sourceRow);
        Bits.Equal(expected, Download(stream, packed), 64, "packed");
        Assert.Equal(source[0], expected[PackedPlace.Of(first, 0, layout.PaddedRows)]);
    }

    [Theory]
    [InlineData("model.norm.weight", 1, 0, 0L)]
    [InlineData("model.norm.weight", 4096, 0, 0L)]
    [InlineData("q_proj.bias", 1000, 3, 5L)]
    [InlineData("k_proj.bias", 513, 4096, 34359738361L)]
    public void A_vector_has_the_hosts_bits(string name, int count, int offset, long first)
    {
        var context = gpu.Require();
        using var module = gpu.Load(DummyFillKernel.Source);
        using var stream = new CudaStream(context);
        var tensor = DummyWeights.Describe(name, count);
        ushort[] expected = new ushort[offset + count + 9];
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
        var context = gpu.Require();
        using var module = gpu.Load(DummyFillKernel.Source);
        using var stream = new CudaStream(context);
        var kernel = new DummyFillKernel(module);
        var tensor = DummyWeights.Describe("model.embed_tokens.weight", Rows, Width);
        var layout = new PackedLayout(Rows, Width);
        using var packed = new DeviceMemory(context, layout.Bytes);
        kernel.LaunchMatrix(stream, tensor, packed.Span, layout, Rows);
        ushort[] row = new ushort[Width];
        DummyWeights.Fill(tensor, (Rows - 1L) * Width, row);
        ushort[] actual = new ushort[Width];
        ushort[] eight = new ushort[8];
        for (int k = 0; k < Width; k += 8)
        {
            stream.Download<ushort>(eight, packed.Span.Slice(PackedPlace.Of(Rows - 1, k, Rows) * sizeof(ushort), 8 * sizeof(ushort)));
            eight.CopyTo(actual, k);
        }

        Bits.Equal(row, actual, Width, "last row");
    }

    private static void Mark(CudaStream stream, DeviceMemory memory)
    {
        ushort[] marks = new ushort[memory.Bytes / sizeof(ushort)];
        Array.Fill(marks, Untouched);
        stream.Upload<ushort>(memory.Span, marks);
    }

    private static ushort[] Download(CudaStream stream, DeviceMemory memory)
    {
        ushort[] result = new ushort[memory.Bytes / sizeof(ushort)];
        stream.Download<ushort>(result, memory.Span);
        return result;
    }
}
