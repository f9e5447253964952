using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.PackWeights;

namespace Grid.Cuda.Tests;

[Collection(GpuCollection.Name)]
public sealed class PackWeightsTests(GpuFixture gpu)
{
    [Theory]
    [InlineData(64, 64)]
    [InlineData(1, 1)]
    [InlineData(100, 40)]
    [InlineData(72, 130)]
    [InlineData(200, 100)]
    [InlineData(1024, 4096)]
    public void Every_element_lies_where_the_layout_says_and_the_rest_is_zero(int rows, int width)
    {
        ushort[] source = Distinct(rows, width, 1);
        ushort[] actual = Pack(rows, width, (source, rows, 0, false));
        ushort[] expected = new ushort[actual.Length];
        Place(expected, source, rows, width, r => r);
        Bits.Equal(expected, actual, 64, "packed");
    }

    [Fact]
    public void Stacked_parts_follow_each_other()
    {
        const int Width = 96;
        ushort[] q = Distinct(48, Width, 1), k = Distinct(16, Width, 2), v = Distinct(24, Width, 3);
        ushort[] actual = Pack(88, Width, (q, 48, 0, false), (k, 16, 48, false), (v, 24, 64, false));
        ushort[] expected = new ushort[actual.Length];
        Place(expected, q, 48, Width, r => r);
        Place(expected, k, 16, Width, r => 48 + r);
        Place(expected, v, 24, Width, r => 64 + r);
        Bits.Equal(expected, actual, 64, "packed");
    }

    [Fact]
    public void Gate_and_up_alternate_in_groups_of_eight_rows()
    {
        const int Rows = 72, Width = 128;
        ushort[] gate = Distinct(Rows, Width, 1), up = Distinct(Rows, Width, 2);
        ushort[] actual = Pack(2 * Rows, Width, (gate, Rows, 0, true), (up, Rows, 8, true));
        ushort[] expected = new ushort[actual.Length];
        Place(expected, gate, Rows, Width, r => (r / 8 * 16) + (r % 8));
        Place(expected, up, Rows, Width, r => (r / 8 * 16) + 8 + (r % 8));
        Bits.Equal(expected, actual, 64, "packed");
    }

    private ushort[] Pack(int rows, int width, params ReadOnlySpan<(ushort[] Values, int Rows, int First, bool Interleaved)> parts)
    {
        var context = gpu.Require();
        using var module = gpu.Load(PackWeightsKernel.Source);
        var kernel = new PackWeightsKernel(module);
        using var stream = new CudaStream(context);
        var layout = new PackedLayout(rows, width);
        using var packed = new DeviceMemory(context, layout.Bytes);
        stream.Fill(packed.Span, 0);
        foreach ((ushort[] values, int partRows, int first, bool interleaved) in parts)
        {
            using var source = DeviceMemory.Of<ushort>(context, stream, values);
            kernel.Launch(stream, source.Span, packed.Span, layout, partRows, first, interleaved);
            stream.Synchronize();
        }

        ushort[] result = new ushort[packed.Bytes / sizeof(ushort)];
        stream.Download<ushort>(result, packed.Span);
        return result;
    }

    private static void Place(ushort[] packed, ushort[] source, int rows, int width, Func<int, int> placed)
    {
        int packedRows = packed.Length / ((width + 63) / 64 * 64);
        for (int r = 0; r < rows; r++)
        {
            for (int k = 0; k < width; k++)
            {
                packed[PackedPlace.Of(placed(r), k, packedRows)] = source[(r * width) + k];
            }
        }
    }

    private static ushort[] Distinct(int rows, int width, int seed)
    {
        var random = new Random(seed);
        ushort[] values = new ushort[rows * width];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = (ushort)random.Next(1, 0x7F80);
        }

        return values;
    }
}
