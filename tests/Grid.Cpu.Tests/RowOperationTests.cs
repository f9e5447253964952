using Grid.Cpu.Memory;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cpu.Tests;

public sealed class RowOperationTests
{
    [Theory]
    [InlineData(1, 16)]
    [InlineData(3, 40)]
    [InlineData(9, 256)]
    [InlineData(5, 5000)]
    public void RmsNorm_gives_the_bits_of_its_reference(int rows, int width)
    {
        using var bench = new OperationTestBench(CpuInstructionSet.Auto);
        var random = new Random(width);
        var x = ArrayTensor.Random(random, 5f, rows, width);
        var w = ArrayTensor.Random(random, 2f, width);
        var output = bench.Operations.AllocateActivation(rows, width);
        bench.Operations.RmsNorm(bench.Fill(x), new NormSpec(bench.Operations.UploadVector(w), 1e-6f), output);
        ushort[] expected = new ushort[rows * width];
        for (int r = 0; r < rows; r++)
        {
            RmsNormReference.Normalize(x.Row(r), w.Values, 1e-6f, expected.AsSpan(r * width, width));
        }

        OperationTestBench.AssertSameBits(expected, bench.Read(output), width, "RmsNorm");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Rotation_follows_its_formula_and_pages_hold_what_was_written(bool norms)
    {
        const int HeadDim = 32, QueryHeads = 3, KvHeads = 2, Rows = 70, Width = (QueryHeads + (2 * KvHeads)) * HeadDim;
        using var bench = new OperationTestBench(CpuInstructionSet.Auto);
        var operations = bench.Operations;
        var random = new Random(11);
        var qkv = ArrayTensor.Random(random, 3f, Rows, Width);
        var queryNorm = ArrayTensor.Random(random, 2f, HeadDim);
        var keyNorm = ArrayTensor.Random(random, 2f, HeadDim);
        float[] cos = [.. Enumerable.Range(0, 100 * HeadDim / 2).Select(_ => random.NextSingle())];
        float[] sin = [.. Enumerable.Range(0, 100 * HeadDim / 2).Select(_ => random.NextSingle() - 0.5f)];
        var cache = (CpuKvCache)operations.AllocateKvCache(2, KvHeads, HeadDim, 4);
        var rows = bench.Fill(qkv, 0, [3, 1]);
        var spec = new RotarySpec(QueryHeads, operations.UploadRotary(cos, sin, 100, HeadDim))
        {
            QueryNorm = norms ? operations.UploadVector(queryNorm) : null,
            KeyNorm = norms ? operations.UploadVector(keyNorm) : null,
            Epsilon = 1e-6f,
        };
        operations.RotateAndStore(rows, spec, new KvLayer(cache, 1));
        ushort[] actual = bench.Read(rows);
        for (int r = 0; r < Rows; r++)
        {
            for (int head = 0; head < QueryHeads + KvHeads; head++)
            {
                ushort[]? weight = !norms ? null : head < QueryHeads ? queryNorm.Values : keyNorm.Values;
                ushort[] expected = Rotate(qkv.Row(r).Slice(head * HeadDim, HeadDim), weight, cos.AsSpan(r * 16, 16), sin.AsSpan(r * 16, 16));
                OperationTestBench.AssertSameBits(expected, actual.AsSpan((r * Width) + (head * HeadDim), HeadDim), HeadDim, $"row {r} head {head}");
                if (head >= QueryHeads)
                {
                    int kv = head - QueryHeads;
                    int page = r < 64 ? 3 : 1;
                    ushort[] image = cache.Data.Slice(cache.HeadStart(page, 1, kv), cache.HeadLength).ToArray();
                    for (int d = 0; d < HeadDim; d++)
                    {
                        int slot = r % 64;
                        Assert.Equal(expected[d], image[(slot / 16 * HeadDim * 16) + (d / 2 * 32) + (slot % 16 * 2) + (d % 2)]);
                        ushort value = qkv.Row(r)[((QueryHeads + KvHeads + kv) * HeadDim) + d];
                        Assert.Equal(value, image[(64 * HeadDim) + (d / 16 * 64 * 16) + (slot / 2 * 32) + (d % 16 * 2) + (slot % 2)]);
                    }
                }
            }
        }

        operations.ClearPages(cache, [3]);
        Assert.True(cache.Data.Slice(cache.HeadStart(3, 0, 0), (int)CpuKvCache.PageLength(2, KvHeads, HeadDim)).IndexOfAnyExcept((ushort)0) < 0);
        Assert.True(cache.Data.Slice(cache.HeadStart(1, 1, 0), cache.HeadLength).IndexOfAnyExcept((ushort)0) >= 0);
    }

    private static ushort[] Rotate(ReadOnlySpan<ushort> head, ushort[]? weight, ReadOnlySpan<float> cos, ReadOnlySpan<float> sin)
    {
        int n = head.Length;
        float[] x = new float[n];
        for (int i = 0; i < n; i++)
        {
            x[i] = Bf16.ToSingle(head[i]);
        }

        if (weight is not null)
        {
            float inverse = RmsNormReference.InverseRms(RowReduction.SumOfSquares(x), n, 1e-6f);
            for (int i = 0; i < n; i++)
            {
                x[i] = x[i] * inverse * Bf16.ToSingle(weight[i]);
            }
        }

        ushort[] result = new ushort[n];
        for (int i = 0; i < n / 2; i++)
        {
            result[i] = Bf16.FromSingle(MathF.FusedMultiplyAdd(x[i], cos[i], -(x[i + (n / 2)] * sin[i])));
            result[i + (n / 2)] = Bf16.FromSingle(MathF.FusedMultiplyAdd(x[i + (n / 2)], cos[i], x[i] * sin[i]));
        }

        return result;
    }
}
