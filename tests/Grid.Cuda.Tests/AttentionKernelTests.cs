using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.Attention;
using Grid.Numerics;

namespace Grid.Cuda.Tests;

/// <summary>The attention kernels against the CPU's reference and against each other, bit for bit.</summary>
[Collection(GpuCollection.Name)]
public sealed class AttentionKernelTests(GpuFixture gpu)
{
    [Theory]
    [InlineData(128, 2, 4, 2200, 1f)]
    [InlineData(128, 1, 8, 1100, 8f)] // scores far apart: weights of zero, changing maxima
    [InlineData(128, 1, 7, 300, 1f)]
    [InlineData(128, 3, 1, 130, 0.01f)]
    [InlineData(64, 2, 5, 2200, 1f)]
    [InlineData(64, 1, 1, 65, 4f)]
    [InlineData(128, 1, 16, 1100, 1f)] // more heads than the narrow decode takes
    [InlineData(128, 2, 9, 200, 8f)]
    [InlineData(64, 2, 12, 2100, 1f)]
    public void Prefill_chunks_and_decode_have_the_bits_of_the_reference(int headDim, int kvHeads, int group, int tokens, float spread)
    {
        using var bench = new AttentionBench(gpu, headDim, kvHeads, group, tokens, spread);
        ushort[] prefill = bench.Prefill([tokens]);
        Bits.Equal(prefill, bench.Prefill([1, 7, 64, 100, 3, 200, 63, 65, 128]), kvHeads * group * headDim, "chunks");
        Bits.Equal(prefill, bench.Decode(tokens), kvHeads * group * headDim, "decode");
        Bits.Equal(prefill, bench.Decode(20), kvHeads * group * headDim, "decode of few at a time");
        foreach (int position in (int[])[0, 1, 63, 64, 65, 129, 1023, 1024, 1025, 2047, 2048, tokens - 1])
        {
            if (position < tokens)
            {
                bench.RequireReference(prefill, position);
            }
        }
    }

    [Fact]
    public void Decode_refuses_more_heads_than_it_has_rows()
    {
        using var bench = new AttentionBench(gpu, 64, 1, 17, 10, 1f);
        Assert.Throws<ArgumentException>(() => bench.Decode(10));
        bench.RequireReference(bench.Prefill([10]), 9);
    }

    /// <summary>One sequence of random queries, keys and values over pages in any order.</summary>
    private sealed class AttentionBench : IDisposable
    {
        private const int Page = AttentionLayout.BlockTokens;
        private const int LeastSlots = 1024; // as in a step, where there is room for many
        private readonly int headDim, kvHeads, group, tokens, pages;
        private readonly float scale;
        private readonly CudaContext context;
        private readonly CudaModule module;
        private readonly CudaStream stream;
        private readonly ushort[] queries, keys, values; // queries [token][head][d], keys and values [KV head][token][d]
        private readonly DeviceMemory deviceQueries, devicePages;

        public AttentionBench(GpuFixture gpu, int headDim, int kvHeads, int group, int tokens, float spread)
        {
            (this.headDim, this.kvHeads, this.group, this.tokens) = (headDim, kvHeads, group, tokens);
            pages = (tokens + Page - 1) / Page;
            scale = 1f / MathF.Sqrt(headDim);
            context = gpu.Require();
            module = gpu.Load(AttentionKernel.Source(headDim));
            stream = new CudaStream(context);
            var random = new Random(tokens);
            queries = Values(random, tokens * kvHeads * group * headDim, spread);
            keys = Values(random, tokens * kvHeads * headDim, spread);
            values = Values(random, tokens * kvHeads * headDim, 1f);
            deviceQueries = DeviceMemory.Of<ushort>(context, stream, queries);
            devicePages = DeviceMemory.Of<ushort>(context, stream, Pages());
        }

        /// <summary>All rows, in chunks of these lengths again and again.</summary>
        public ushort[] Prefill(int[] lengths)
        {
            var sequences = new List<AttentionSequence>();
            var tiles = new List<AttentionTile>();
            for (int at = 0; at < tokens; at += sequences[^1].Tokens)
            {
                int count = Math.Min(lengths[sequences.Count % lengths.Length], tokens - at);
                for (int row = 0; row < count * group; row += AttentionKernel.PrefillRows)
                {
                    tiles.Add(new AttentionTile(sequences.Count, row, 0));
                }

                sequences.Add(new AttentionSequence(at, count, at, -1));
            }

            return Run(sequences, tiles, 0);
        }

        /// <summary>Every row as a decode of its own, so many in a launch.</summary>
        public ushort[] Decode(int atOnce)
        {
            ushort[] result = new ushort[queries.Length];
            int rowLength = queries.Length / tokens;
            for (int first = 0; first < tokens; first += atOnce)
            {
                var sequences = new List<AttentionSequence>();
                var tiles = new List<AttentionTile>();
                int slots = 0, count = Math.Min(atOnce, tokens - first);
                for (int position = first; position < first + count; position++)
                {
                    int segments = AttentionKernel.Segments(position);
                    for (int segment = 0; segment < segments; segment++)
                    {
                        tiles.Add(new AttentionTile(sequences.Count, 0, segment));
                    }

                    sequences.Add(new AttentionSequence(position, 1, position, segments > 1 ? slots : -1));
                    slots += segments > 1 ? segments : 0;
                }

                Run(sequences, tiles, Math.Max(slots, 1)).AsSpan(first * rowLength, count * rowLength).CopyTo(result.AsSpan(first * rowLength));
            }

            return result;
        }

        public void RequireReference(ushort[] actual, int position)
        {
            ushort[] expected = new ushort[headDim];
            for (int head = 0; head < kvHeads * group; head++)
            {
                int row = ((position * kvHeads * group) + head) * headDim;
                int first = head / group * tokens * headDim, count = (position + 1) * headDim;
                AttentionReference.Row(queries.AsSpan(row, headDim), keys.AsSpan(first, count), values.AsSpan(first, count), position, scale, expected);
                Bits.Equal(expected, actual.AsSpan(row, headDim), headDim, $"position {position}, head {head}");
            }
        }

        public void Dispose()
        {
            devicePages.Dispose();
            deviceQueries.Dispose();
            stream.Dispose();
            module.Dispose();
        }

        private ushort[] Run(List<AttentionSequence> sequences, List<AttentionTile> tiles, int slots)
        {
            int[] order = Order();
            int[] table = [.. sequences.SelectMany(_ => order)];
            int heads = kvHeads * group;
            using var deviceTable = DeviceMemory.Of<int>(context, stream, table);
            using var deviceSequences = DeviceMemory.Of<AttentionSequence>(context, stream, sequences.ToArray());
            using var deviceTiles = DeviceMemory.Of<AttentionTile>(context, stream, tiles.ToArray());
            using var count = DeviceMemory.Of<int>(context, stream, (int[])[tiles.Count]);
            using var output = new DeviceMemory(context, deviceQueries.Bytes);
            var (valueBytes, stateBytes) = AttentionKernel.PartialBytes(Math.Max(slots, LeastSlots), heads, kvHeads, headDim);
            using var partialValues = new DeviceMemory(context, valueBytes);
            using var partialState = new DeviceMemory(context, stateBytes);
            using var arrivals = new DeviceMemory(context, AttentionKernel.ArrivalBytes(Math.Max(slots, 1), kvHeads));
            stream.Fill(arrivals.Span, 0);
            stream.Fill(output.Span, 0xFF);
            stream.Fill(partialValues.Span, 0xFF);
            stream.Fill(partialState.Span, 0xFF);
            var operands = new AttentionOperands
            {
                Queries = deviceQueries.Span,
                QueryStride = heads * headDim,
                Output = output.Span,
                Pages = devicePages.Span,
                PageTable = deviceTable.Span,
                PageTableStride = pages,
                Sequences = deviceSequences.Span,
                Tiles = deviceTiles.Span,
                TileCount = count.Span,
                PartialValues = partialValues.Span,
                PartialState = partialState.Span,
                Arrivals = arrivals.Span,
                QueryHeads = heads,
                KvHeads = kvHeads,
                Scale = scale,
            };
            var kernel = new AttentionKernel(module, context.Device, headDim);
            if (slots > 0)
            {
                // Twice: what the first launch leaves behind must not change the second.
                kernel.LaunchDecode(stream, operands, tiles.Count, sequences.Count);
                kernel.LaunchDecode(stream, operands, tiles.Count, sequences.Count, startsEarly: true);
            }
            else
            {
                kernel.LaunchPrefill(stream, operands, tiles.Count);
            }

            ushort[] result = new ushort[queries.Length];
            stream.Download<ushort>(result, output.Span);
            int[] left = new int[arrivals.Bytes / sizeof(int)];
            stream.Download<int>(left, arrivals.Span);
            Assert.All(left, count => Assert.Equal(0, count));
            return result;
        }

        /// <summary>Page of every block; page 0 is nobody's.</summary>
        private int[] Order() => [.. Enumerable.Range(0, pages).Select(i => pages - i)];

        private ushort[] Pages()
        {
            int image = Page * headDim;
            ushort[] result = new ushort[(pages + 1) * 2 * kvHeads * image];
            int[] order = Order();
            for (int i = 0; i < keys.Length; i++)
            {
                int head = i / (tokens * headDim), token = i / headDim % tokens, d = i % headDim;
                int at = (((order[token / Page] * kvHeads) + head) * 2 * image)
                    + (token % Page / 8 * headDim * 8) + (d / 8 * 64) + (token % 8 * 8) + (d % 8);
                result[at] = keys[i];
                result[at + image] = values[i];
            }

            return result;
        }

        private static ushort[] Values(Random random, int count, float spread)
        {
            ushort[] result = new ushort[count];
            for (int i = 0; i < count; i++)
            {
                float sum = random.NextSingle() + random.NextSingle() + random.NextSingle() + random.NextSingle() - 2f;
                result[i] = Bf16.FromSingle(sum * 1.7f * spread);
            }

            return result;
        }
    }
}
