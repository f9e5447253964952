using System.Runtime.Intrinsics;
using Grid.Cpu.Attention;
using Grid.Cpu.Chains;
using Grid.Cpu.Memory;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cpu.Tests;

public sealed class AttentionTests
{
    private const int HeadDim = 32;
    private const int KvHeads = 2;

    public static TheoryData<CpuInstructionSet> Forms => ChainKernelTests.Forms;

    [Theory]
    [MemberData(nameof(Forms))]
    public void Rows_equal_the_reference_in_any_chunking_and_any_pages(CpuInstructionSet form)
    {
        using var bench = new OperationTestBench(form);
        Check(bench, tokens: 150, queryHeads: 4, chunks: [150], [150]);
        Check(bench, tokens: 150, queryHeads: 4, chunks: [1, 2, 61, 1, 64, 21], [150]);
        Check(bench, tokens: 70, queryHeads: 2, chunks: [.. Enumerable.Repeat(1, 70)], [70]);
        Check(bench, tokens: 66, queryHeads: 24, chunks: [33, 33], [66]);
    }

    [Fact]
    public void Rows_equal_the_reference_across_segments()
    {
        using var bench = new OperationTestBench(CpuInstructionSet.Auto);
        Check(bench, tokens: 2090, queryHeads: 4, chunks: [1000, 20, 10, 1, 1000, 59], [1, 1019, 1023, 1024, 1025, 1030, 1031, 2047, 2048, 2049, 2090]);
    }

    // The division and the rounding to bf16 hide most last bits of what was merged; this looks before them.
    [Theory]
    [MemberData(nameof(Forms))]
    public void Accumulators_equal_the_reference_before_the_division(CpuInstructionSet form)
    {
        const int Tokens = 2100, Width = (1 + (2 * KvHeads)) * HeadDim;
        using var bench = new OperationTestBench(form);
        var qkv = ArrayTensor.Random(new Random(21), 3f, Tokens, Width);
        int[] pageTable = [.. Enumerable.Range(0, 33)];
        var cache = (CpuKvCache)bench.Operations.AllocateKvCache(1, KvHeads, HeadDim, 33);
        var still = bench.Operations.UploadRotary(
            [.. Enumerable.Repeat(1f, Tokens * HeadDim / 2)], new float[Tokens * HeadDim / 2], Tokens, HeadDim);
        var rows = (CpuActivation)bench.Fill(qkv, 0, pageTable);
        bench.Operations.RotateAndStore(rows, new RotarySpec(1, still), new KvLayer(cache, 0));
        float scale = 1f / MathF.Sqrt(HeadDim);
        var scratch = new AttentionScratch();
        var kernel = ChainKernel.Create(form);
        float[] expected = new float[HeadDim];
        for (int kvHead = 0; kvHead < KvHeads; kvHead++)
        {
            ushort[] keys = Column(qkv, Width, (1 + kvHead) * HeadDim);
            ushort[] values = Column(qkv, Width, (1 + KvHeads + kvHead) * HeadDim);
            foreach (int position in (int[])[5, 63, 700, .. Enumerable.Range(0, 359).Select(i => 1023 + (3 * i))])
            {
                scratch.Begin(kernel, cache, 0, kvHead, AttentionReference.ExponentFactor(scale));
                scratch.AddQuery(rows, position, 0, position);
                scratch.Attend(pageTable);
                (float[] weighted, float sum) = scratch.ReadAccumulators(0);
                float expectedSum = AttentionReference.Accumulate(
                    qkv.Row(position)[..HeadDim], keys, values, position, scale, expected);
                Assert.Equal(BitConverter.SingleToUInt32Bits(expectedSum), BitConverter.SingleToUInt32Bits(sum));
                Assert.Equal(expected.Select(BitConverter.SingleToUInt32Bits), weighted.Select(BitConverter.SingleToUInt32Bits));
            }
        }
    }

    [Fact]
    public void The_vector_form_of_Exp2Bf16_equals_the_thresholds()
    {
        // Dense around every threshold of every octave, and a stride over everything else.
        for (ulong bits = 0; bits <= uint.MaxValue; bits += 4099)
        {
            Compare((uint)bits);
        }

        for (int n = -127; n <= 128; n++)
        {
            foreach (float threshold in Exp2Bf16.StepTable)
            {
                if (float.IsFinite(threshold))
                {
                    uint around = BitConverter.SingleToUInt32Bits(n + threshold);
                    for (uint d = 0; d < 6; d++)
                    {
                        Compare(around - 3 + d);
                    }
                }
            }
        }

        foreach (float special in (float[])[0f, -0f, -126f, MathF.BitDecrement(-126f), 128f, MathF.BitDecrement(128f), float.NegativeInfinity, float.PositiveInfinity, float.NaN, 1e-30f, -1e-30f])
        {
            Compare(BitConverter.SingleToUInt32Bits(special));
        }

        static void Compare(uint bits)
        {
            float t = BitConverter.UInt32BitsToSingle(bits);
            uint expected = Exp2Bf16.Evaluate(t);
            uint actual = VectorExp2Bf16.Evaluate(Vector512.Create(t)).ToScalar();
            Assert.True(expected == actual, $"t {t:R} ({bits:X8}): thresholds {expected:X4}, vector {actual:X4}");
        }
    }

    /// <summary>Runs tokens through the pages in chunks; compares the rows at the given counts (1-based) with the reference.</summary>
    private static void Check(OperationTestBench bench, int tokens, int queryHeads, int[] chunks, int[] compared)
    {
        var random = new Random(tokens + queryHeads);
        int width = (queryHeads + (2 * KvHeads)) * HeadDim;
        var qkv = ArrayTensor.Random(random, 3f, tokens, width);
        int pages = (tokens + 63) / 64;
        int[] pageTable = [.. Enumerable.Range(0, pages).Select(i => (i * 7) % 40)];
        var cache = bench.Operations.AllocateKvCache(2, KvHeads, HeadDim, 40);

        // Rotation by angle zero leaves q and k as they are.
        var still = bench.Operations.UploadRotary(
            [.. Enumerable.Repeat(1f, 4096 * HeadDim / 2)], new float[4096 * HeadDim / 2], 4096, HeadDim);
        float scale = 1f / MathF.Sqrt(HeadDim);
        var actual = new List<ushort>();
        int position = 0;
        foreach (int chunk in chunks)
        {
            var rows = new ArrayTensor("chunk", qkv.Values[(position * width)..((position + chunk) * width)], chunk, width);
            var input = bench.Fill(rows, position, pageTable);
            var output = bench.Operations.AllocateActivation(chunk, queryHeads * HeadDim);
            bench.Operations.RotateAndStore(input, new RotarySpec(queryHeads, still), new KvLayer(cache, 1));
            bench.Operations.Attend(input, new AttentionSpec(queryHeads, scale), new KvLayer(cache, 1), output);
            actual.AddRange(bench.Read(output));
            position += chunk;
        }

        Assert.Equal(tokens, position);
        ushort[] got = [.. actual];
        for (int head = 0; head < queryHeads; head++)
        {
            int kvHead = head / (queryHeads / KvHeads);
            ushort[] keys = Column(qkv, width, (queryHeads + kvHead) * HeadDim);
            ushort[] values = Column(qkv, width, (queryHeads + KvHeads + kvHead) * HeadDim);
            int step = compared.Length == 1 ? 1 : 0;
            foreach (int count in step == 1 ? Enumerable.Range(1, tokens) : compared)
            {
                int row = count - 1;
                ushort[] expected = new ushort[HeadDim];
                AttentionReference.Row(qkv.Row(row).Slice(head * HeadDim, HeadDim), keys, values, row, scale, expected);
                OperationTestBench.AssertSameBits(
                    expected, got.AsSpan((row * queryHeads * HeadDim) + (head * HeadDim), HeadDim), HeadDim, $"position {row} head {head}");
            }
        }
    }

    private static ushort[] Column(ArrayTensor qkv, int width, int start)
    {
        ushort[] column = new ushort[qkv.Rows * HeadDim];
        for (int r = 0; r < qkv.Rows; r++)
        {
            qkv.Values.AsSpan((r * width) + start, HeadDim).CopyTo(column.AsSpan(r * HeadDim));
        }

        return column;
    }
}
