using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.Attention;
using Grid.Cuda.Kernels.RotateAndStore;
using Grid.Numerics;

namespace Grid.Cuda.Tests;

/// <summary>Head norm, rotation and the store into pages against the contract's formulas, bit for bit.</summary>
[Collection(GpuCollection.Name)]
public sealed class RotateAndStoreKernelTests(GpuFixture gpu)
{
    [Theory]
    [InlineData(128, 32, 8, 1, true, true)]
    [InlineData(128, 32, 8, 300, true, true)]
    [InlineData(128, 4, 2, 5, false, false)]
    [InlineData(128, 3, 1, 67, true, false)]
    [InlineData(128, 3, 3, 66, false, true)]
    [InlineData(64, 14, 2, 9, false, false)]
    [InlineData(64, 9, 3, 4100, true, true)] // every block takes all heads
    [InlineData(16, 2, 1, 65, true, true)]
    [InlineData(32, 2, 1, 40, true, true)]
    [InlineData(48, 5, 2, 33, true, true)]
    [InlineData(80, 5, 1, 70, true, true)]
    [InlineData(96, 6, 2, 70, true, true)]
    [InlineData(112, 3, 1, 17, true, true)]
    [InlineData(144, 2, 2, 11, true, true)]
    [InlineData(256, 4, 2, 31, true, true)]
    public void Queries_keys_and_values_have_the_contracts_bits(
        int headDim, int queryHeads, int kvHeads, int rows, bool queryNorm, bool keyNorm)
    {
        using var bench = new RotateAndStoreBench(gpu, headDim, queryHeads, kvHeads, rows, queryNorm, keyNorm);
        bench.RequireBits(padded: row => false);
    }

    [Theory]
    [InlineData(128, 1)]
    [InlineData(128, 6)]
    [InlineData(64, 37)]
    [InlineData(96, 20)]
    public void Padded_rows_write_nothing(int headDim, int rows)
    {
        using var bench = new RotateAndStoreBench(gpu, headDim, 8, 2, rows, true, true);
        bench.RequireBits(padded: row => true);
        bench.RequireBits(padded: row => row % 3 != 1);
        bench.RequireBits(padded: row => row >= rows / 2);
    }

    [Fact]
    public void Head_sizes_that_threads_cannot_share_are_refused()
    {
        foreach (int headDim in (int[])[0, 8, 72, 272])
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => RotateAndStoreKernel.Source(headDim));
        }
    }

    /// <summary>Random rows at random positions and slots, in pages full of a mark that no row gives.</summary>
    private sealed class RotateAndStoreBench : IDisposable
    {
        private const int Page = AttentionLayout.BlockTokens;
        private const int TablePositions = 500;
        private const float Epsilon = 1e-6f;
        private const byte Mark = 0xEE;
        private readonly int headDim, queryHeads, kvHeads, rows, pages, width;
        private readonly CudaContext context;
        private readonly CudaModule module;
        private readonly CudaStream stream;
        private readonly ushort[] qkv;
        private readonly ushort[]? queryNorm, keyNorm;
        private readonly float[] cos, sin;
        private readonly int[] positions, slots;

        public RotateAndStoreBench(
            GpuFixture gpu, int headDim, int queryHeads, int kvHeads, int rows, bool queryNorm, bool keyNorm)
        {
            (this.headDim, this.queryHeads, this.kvHeads, this.rows) = (headDim, queryHeads, kvHeads, rows);
            context = gpu.Require();
            module = gpu.Load(RotateAndStoreKernel.Source(headDim));
            stream = new CudaStream(context);
            var random = new Random((headDim * 1009) + rows);
            pages = (rows / Page) + 3;
            width = (queryHeads + (2 * kvHeads)) * headDim;
            qkv = [.. Enumerable.Range(0, rows * width).Select(_ => Value(random))];
            this.queryNorm = queryNorm ? [.. Enumerable.Range(0, headDim).Select(_ => Value(random))] : null;
            this.keyNorm = keyNorm ? [.. Enumerable.Range(0, headDim).Select(_ => Value(random))] : null;
            positions = [.. Enumerable.Range(0, rows).Select(i => i == 0 ? TablePositions - 1 : random.Next(TablePositions))];
            slots = [.. Enumerable.Range(0, pages * Page)];
            random.Shuffle(slots);
            if (rows > 8)
            {
                slots.AsSpan(0, rows).Sort(); // neighbours of one page, as in prefill
            }

            (cos, sin) = Tables();
        }

        public void RequireBits(Func<int, bool> padded)
        {
            int[] given = [.. Enumerable.Range(0, rows).Select(row => padded(row) ? -1 : slots[row])];
            int[] at = [.. Enumerable.Range(0, rows).Select(row => padded(row) ? 0 : positions[row])];
            (ushort[] actualQkv, ushort[] actualPages) = Run(given, at);
            ushort[] expectedQkv = [.. qkv];
            ushort[] expectedPages = new ushort[actualPages.Length];
            Array.Fill(expectedPages, (ushort)((Mark << 8) | Mark));
            for (int row = 0; row < rows; row++)
            {
                if (!padded(row))
                {
                    Expect(expectedQkv.AsSpan(row * width, width), expectedPages, slots[row], positions[row]);
                }
            }

            Bits.Equal(expectedQkv, actualQkv, width, "qkv");
            Bits.Equal(expectedPages, actualPages, headDim * 8, "pages");
        }

        public void Dispose()
        {
            stream.Dispose();
            module.Dispose();
        }

        private (ushort[] Qkv, ushort[] Pages) Run(int[] given, int[] at)
        {
            using var deviceQkv = DeviceMemory.Of<ushort>(context, stream, qkv);
            using var deviceNorms = DeviceMemory.Of<ushort>(
                context, stream, [.. queryNorm ?? new ushort[headDim], .. keyNorm ?? new ushort[headDim]]);
            using var deviceCos = DeviceMemory.Of<float>(context, stream, cos);
            using var deviceSin = DeviceMemory.Of<float>(context, stream, sin);
            using var devicePositions = DeviceMemory.Of<int>(context, stream, at);
            using var deviceSlots = DeviceMemory.Of<int>(context, stream, given);
            using var devicePages = new DeviceMemory(context, pages * AttentionKernel.PageBytes(kvHeads, headDim));
            stream.Fill(devicePages.Span, Mark);
            long normBytes = headDim * sizeof(ushort);
            var operands = new RotateAndStoreOperands
            {
                Qkv = deviceQkv.Span,
                QueryNorm = queryNorm is null ? default : deviceNorms.Span.Slice(0, normBytes),
                KeyNorm = keyNorm is null ? default : deviceNorms.Span.Slice(normBytes, normBytes),
                Epsilon = Epsilon,
                Cos = deviceCos.Span,
                Sin = deviceSin.Span,
                TablePositions = TablePositions,
                Positions = devicePositions.Span,
                Slots = deviceSlots.Span,
                Pages = devicePages.Span,
                Rows = rows,
                QueryHeads = queryHeads,
                KvHeads = kvHeads,
            };
            new RotateAndStoreKernel(module, headDim).Launch(stream, operands, startsEarly: true);
            ushort[] resultQkv = new ushort[qkv.Length];
            ushort[] resultPages = new ushort[devicePages.Bytes / sizeof(ushort)];
            stream.Download<ushort>(resultQkv, deviceQkv.Span);
            stream.Download<ushort>(resultPages, devicePages.Span);
            return (resultQkv, resultPages);
        }

        // One row by the contract's formulas; keys and values keep their place in qkv and get one in the page's images.
        private void Expect(Span<ushort> row, ushort[] expectedPages, int slot, int position)
        {
            for (int head = 0; head < queryHeads; head++)
            {
                Rotate(row.Slice(head * headDim, headDim), queryNorm, position);
            }

            int image = Page * headDim;
            ushort[] key = new ushort[headDim];
            for (int head = 0; head < kvHeads; head++)
            {
                row.Slice((queryHeads + head) * headDim, headDim).CopyTo(key);
                var value = row.Slice((queryHeads + kvHeads + head) * headDim, headDim);
                Rotate(key, keyNorm, position);
                for (int d = 0; d < headDim; d++)
                {
                    int at = ((((slot / Page) * kvHeads) + head) * 2 * image)
                        + (slot % Page / 8 * headDim * 8) + (d / 8 * 64) + (slot % 8 * 8) + (d % 8);
                    expectedPages[at] = key[d];
                    expectedPages[at + image] = value[d];
                }
            }
        }

        private void Rotate(Span<ushort> head, ushort[]? norm, int position)
        {
            float[] x = new float[headDim];
            for (int i = 0; i < headDim; i++)
            {
                x[i] = Bf16.ToSingle(head[i]);
            }

            if (norm is not null)
            {
                float inverse = RmsNormReference.InverseRms(RowReduction.SumOfSquares(x), headDim, Epsilon);
                for (int i = 0; i < headDim; i++)
                {
                    x[i] = x[i] * inverse * Bf16.ToSingle(norm[i]);
                }
            }

            int half = headDim / 2;
            for (int i = 0; i < half; i++)
            {
                float c = cos[(position * half) + i], s = sin[(position * half) + i];
                head[i] = Bf16.FromSingle(MathF.FusedMultiplyAdd(x[i], c, -(x[i + half] * s)));
                head[i + half] = Bf16.FromSingle(MathF.FusedMultiplyAdd(x[i + half], c, x[i] * s));
            }
        }

        private (float[] Cos, float[] Sin) Tables()
        {
            int half = headDim / 2;
            var tables = (new float[TablePositions * half], new float[TablePositions * half]);
            for (int i = 0; i < TablePositions * half; i++)
            {
                double angle = i / half * Transcendentals.Exp2(-(2.0 * (i % half) / headDim) * Transcendentals.Log2(10000.0));
                tables.Item1[i] = (float)Transcendentals.Cos(angle);
                tables.Item2[i] = (float)Transcendentals.Sin(angle);
            }

            return tables;
        }

        // Of all sizes, so that every element of a head's sum and every rounding counts.
        private static ushort Value(Random random)
        {
            float x = (random.NextSingle() - 0.5f) * random.Next(30) switch { 0 => 0f, 1 => 100f, 2 => 1e-3f, _ => 4f };
            return Bf16.FromSingle(x);
        }
    }
}
