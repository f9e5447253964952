using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.Embed;
using Grid.Cuda.Kernels.GatherRows;
using Grid.Cuda.Kernels.PackWeights;
using Grid.Cuda.Kernels.RmsNorm;
using Grid.Numerics;

namespace Grid.Cuda.Tests;

/// <summary>Kernels over rows against the CPU's reference, bit for bit.</summary>
[Collection(GpuCollection.Name)]
public sealed class RowKernelTests(GpuFixture gpu)
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 7)]
    [InlineData(2, 16)]
    [InlineData(5, 40)]
    [InlineData(4, 250)]
    [InlineData(7, 256)]
    [InlineData(3, 300)]
    [InlineData(3, 1000)]
    [InlineData(300, 1024)]
    [InlineData(5, 2047)]
    [InlineData(64, 4096)]
    [InlineData(512, 5120)]
    [InlineData(3, 8001)]
    [InlineData(17, 12288)]
    public void RmsNorm_has_the_bits_of_its_reference(int rows, int width)
    {
        var context = gpu.Require();
        using var module = gpu.Load(RmsNormKernel.Source);
        var kernel = new RmsNormKernel(module);
        using var stream = new CudaStream(context);
        ushort[] weight = Values(width, 2f, width);
        using var deviceWeight = DeviceMemory.Of<ushort>(context, stream, weight);
        foreach (float scale in (float[])[1f, 1e-12f, 1e12f, 0f])
        {
            ushort[] input = Values(rows * width, scale, rows);
            ushort[] expected = new ushort[input.Length];
            for (int r = 0; r < rows; r++)
            {
                RmsNormReference.Normalize(input.AsSpan(r * width, width), weight, 1e-6f, expected.AsSpan(r * width, width));
            }

            using var deviceInput = DeviceMemory.Of<ushort>(context, stream, input);
            using var output = new DeviceMemory(context, deviceInput.Bytes);
            ushort[] actual = new ushort[input.Length];
            kernel.Launch(stream, deviceInput.Span, deviceWeight.Span, output.Span, rows, width, 1e-6f);
            stream.Download<ushort>(actual, output.Span);
            Bits.Equal(expected, actual, width, $"RmsNorm, scale {scale}");

            // In place, and started early behind a copy.
            stream.Fill(output.Span, 0xFF);
            stream.Copy(output.Span, deviceInput.Span);
            kernel.Launch(stream, output.Span, deviceWeight.Span, output.Span, rows, width, 1e-6f, startsEarly: true);
            stream.Download<ushort>(actual, output.Span);
            Bits.Equal(expected, actual, width, $"RmsNorm in place, scale {scale}");
        }
    }

    [Theory]
    [InlineData(1, 8)]
    [InlineData(33, 104)]
    [InlineData(512, 4096)]
    [InlineData(7, 4104)]
    public void Embed_copies_the_rows_asked_for_out_of_the_packed_table(int rows, int width)
    {
        const int Vocabulary = 1000;
        var context = gpu.Require();
        using var module = gpu.Load(EmbedKernel.Source);
        using var packModule = gpu.Load(PackWeightsKernel.Source);
        var kernel = new EmbedKernel(module);
        using var stream = new CudaStream(context);
        ushort[] table = Values(Vocabulary * width, 1f, 3);
        var random = new Random(5);
        int[] ids = [.. Enumerable.Range(0, rows).Select(i => i == 0 ? Vocabulary - 1 : random.Next(Vocabulary))];
        using var deviceTable = DeviceMemory.Of<ushort>(context, stream, table);
        var layout = new PackedLayout(Vocabulary, width);
        using var packed = new DeviceMemory(context, layout.Bytes);
        stream.Fill(packed.Span, 0);
        new PackWeightsKernel(packModule).Launch(stream, deviceTable.Span, packed.Span, layout, Vocabulary);
        // Every third is drawn by a row of the sampling before; a row without a token, -1, gives the first of the table.
        int[] drawn = [.. Enumerable.Range(0, 4 * rows).Select(_ => random.Next())];
        int[] named = [.. ids];
        for (int r = 1; r < rows; r += 3)
        {
            int from = random.Next(rows);
            drawn[4 * from] = r == 4 ? -1 : random.Next(Vocabulary);
            named[r] = ~from;
        }

        for (int r = 1; r < rows; r += 3)
        {
            ids[r] = Math.Max(drawn[4 * ~named[r]], 0); // Several may name one row.
        }

        using var deviceIds = DeviceMemory.Of<int>(context, stream, named);
        using var deviceDrawn = DeviceMemory.Of<int>(context, stream, drawn);
        using var output = new DeviceMemory(context, (long)rows * width * sizeof(ushort));
        kernel.Launch(
            stream, deviceIds.Span, packed.Span, output.Span, rows, Vocabulary, width, startsEarly: true, drawn: deviceDrawn.Span);
        ushort[] actual = new ushort[rows * width];
        stream.Download<ushort>(actual, output.Span);
        for (int r = 0; r < rows; r++)
        {
            Bits.Equal(table.AsSpan(ids[r] * width, width), actual.AsSpan(r * width, width), width, $"row {r}");
        }

        var refused = Assert.Throws<ArgumentException>(
            () => kernel.Launch(stream, deviceIds.Span, packed.Span, output.Span, rows, Vocabulary, width - 1));
        Assert.StartsWith($"Width is {width - 1}; rows start at 16 bytes", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1, 8)]
    [InlineData(33, 104)]
    [InlineData(200, 4104)]
    public void Gathered_rows_are_the_rows_asked_for(int count, int width)
    {
        const int Rows = 70;
        var context = gpu.Require();
        using var module = gpu.Load(GatherRowsKernel.Source);
        var kernel = new GatherRowsKernel(module);
        using var stream = new CudaStream(context);
        ushort[] source = Values(Rows * width, 1f, 3);
        var random = new Random(count);
        int[] rows = [.. Enumerable.Range(0, count).Select(i => i == 0 ? Rows - 1 : random.Next(Rows))];
        using var input = DeviceMemory.Of<ushort>(context, stream, source);
        using var list = DeviceMemory.Of<int>(context, stream, rows);
        using var output = new DeviceMemory(context, (long)count * width * sizeof(ushort));
        kernel.Launch(stream, list.Span, input.Span, output.Span, count, width, startsEarly: true);
        ushort[] actual = new ushort[count * width];
        stream.Download<ushort>(actual, output.Span);
        for (int r = 0; r < count; r++)
        {
            Bits.Equal(source.AsSpan(rows[r] * width, width), actual.AsSpan(r * width, width), width, $"row {r}");
        }

        var refused = Assert.Throws<ArgumentException>(
            () => kernel.Launch(stream, list.Span, input.Span, output.Span, count, width - 1));
        Assert.StartsWith($"width is {width - 1}; it must be a multiple of 8", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Operands_that_are_too_small_or_unaligned_are_refused_by_name()
    {
        var context = gpu.Require();
        using var module = gpu.Load(RmsNormKernel.Source);
        var kernel = new RmsNormKernel(module);
        using var stream = new CudaStream(context);
        using var memory = new DeviceMemory(context, 1024);
        var all = memory.Span;
        var small = Assert.Throws<ArgumentException>(() => kernel.Launch(stream, all, all.Slice(0, 126), all, 2, 64, 1e-6f));
        Assert.StartsWith("weight has 126 bytes, and the kernel touches 128.", small.Message, StringComparison.Ordinal);
        var unaligned = Assert.Throws<ArgumentException>(() => kernel.Launch(stream, all.Slice(2, 512), all, all, 2, 64, 1e-6f));
        Assert.StartsWith("input starts at ", unaligned.Message, StringComparison.Ordinal);
    }

    // Finite bf16 of all kinds: most around the scale, some far larger and smaller, zeros of both signs.
    private static ushort[] Values(int count, float scale, int seed)
    {
        var random = new Random(seed);
        ushort[] values = new ushort[count];
        for (int i = 0; i < count; i++)
        {
            double x = (random.NextDouble() - 0.5) * scale;
            x *= random.Next(40) switch { 0 => 0.0, 1 => 1000.0, 2 => 1e-3, 3 => -0.0, _ => 1.0 };
            values[i] = Bf16.FromSingle((float)x);
        }

        return values;
    }
}
