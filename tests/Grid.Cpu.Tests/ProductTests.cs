using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cpu.Tests;

public sealed class ProductTests
{
    public static TheoryData<CpuInstructionSet> Forms => ChainKernelTests.Forms;

    [Theory]
    [MemberData(nameof(Forms))]
    public void Every_epilogue_gives_the_bits_of_reference_chains(CpuInstructionSet form)
    {
        var random = new Random(5);
        foreach ((int rows, int k, int n) in ((int, int, int)[])[(1, 64, 48), (3, 40, 16), (9, 96, 33), (17, 128, 80)])
        {
            using var bench = new OperationTestBench(form);
            var operations = bench.Operations;
            var x = ArrayTensor.Random(random, 2f, rows, k);
            var w = ArrayTensor.Random(random, 0.3f, n, k);
            var up = ArrayTensor.Random(random, 0.3f, n, k);
            var residual = ArrayTensor.Random(random, 4f, rows, n);
            float[] chains = new float[rows * n];
            float[] upChains = new float[rows * n];
            for (int i = 0; i < chains.Length; i++)
            {
                chains[i] = Dot16.Chain(x.Row(i / n), w.Row(i % n));
                upChains[i] = Dot16.Chain(x.Row(i / n), up.Row(i % n));
            }

            var added = bench.Fill(residual);
            var input = bench.Fill(x);
            var output = operations.AllocateActivation(rows, n);
            var weight = operations.UploadMatrix(w);
            operations.Project(input, RowList.All, weight, Epilogue.Store(output));
            OperationTestBench.AssertSameBits([.. chains.Select(OperationTestBench.Rounded)], bench.Read(output), n, $"Project {form} {rows}x{k}x{n}");

            var bias = ArrayTensor.Random(random, 3f, n);
            operations.Project(input, RowList.All, weight, Epilogue.Store(output) with { Bias = operations.UploadVector(bias) });
            ushort[] biased = [.. chains.Select((c, i) => Bf16.FromSingle(c + Bf16.ToSingle(bias.Values[i % n])))];
            OperationTestBench.AssertSameBits(biased, bench.Read(output), n, $"Project with bias {form} {rows}x{k}x{n}");

            operations.Project(input, RowList.All, weight, Epilogue.AddTo(added));
            ushort[] sums = [.. chains.Select((c, i) => Bf16.FromSingle(Bf16.ToSingle(residual.Values[i]) + c))];
            OperationTestBench.AssertSameBits(sums, bench.Read(added), n, $"ProjectAdd {form} {rows}x{k}x{n}");

            operations.Project(input, RowList.All, operations.UploadGatedMatrix(w, up), Epilogue.GatedSilu(output));
            ushort[] gated = [.. chains.Select((c, i) => Bf16.FromSingle(Transcendentals.Silu(c) * upChains[i]))];
            OperationTestBench.AssertSameBits(gated, bench.Read(output), n, $"ProjectGatedSilu {form} {rows}x{k}x{n}");

            var logits = operations.AllocateLogits(rows, n);
            operations.Project(input, RowList.Logits(0, rows), weight, Epilogue.Raw(logits));
            float[] actual = new float[rows * n];
            operations.Read(logits, rows, actual);
            Assert.Equal(chains.Select(BitConverter.SingleToUInt32Bits), actual.Select(BitConverter.SingleToUInt32Bits));
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Huge_and_non_finite_values_keep_the_reference_bits_and_touch_no_other_row(CpuInstructionSet form)
    {
        using var bench = new OperationTestBench(form);
        var random = new Random(6);
        var x = ArrayTensor.Random(random, 1f, 4, 64);
        var w = ArrayTensor.Random(random, 1f, 32, 64);
        x.Values[64 + 3] = 0x7F80;  // infinity in row 1
        x.Values[128 + 9] = 0x7A00; // 2^117 in row 2
        w.Values[(20 * 64) + 7] = 0x6F00; // 2^95 in weight row 20
        var input = bench.Fill(x);
        var output = bench.Operations.AllocateActivation(4, 32);
        bench.Operations.Project(input, RowList.All, bench.Operations.UploadMatrix(w), Epilogue.Store(output));
        ushort[] expected = [.. Enumerable.Range(0, 4 * 32).Select(i => Bf16.FromSingle(Dot16.Chain(x.Row(i / 32), w.Row(i % 32))))];
        OperationTestBench.AssertSameBits(expected, bench.Read(output), 32, $"extremes {form}");
    }

    [Fact]
    public void Vectors_uploaded_together_follow_one_another_and_a_bias_of_another_length_is_refused()
    {
        using var bench = new OperationTestBench(CpuInstructionSet.Auto);
        var random = new Random(9);
        var x = ArrayTensor.Random(random, 1f, 3, 32);
        var w = ArrayTensor.Random(random, 1f, 40, 32);
        ArrayTensor[] parts = [ArrayTensor.Random(random, 1f, 17), ArrayTensor.Random(random, 1f, 16), ArrayTensor.Random(random, 1f, 7)];
        var whole = new ArrayTensor("whole", [.. parts.SelectMany(p => p.Values)], 40);
        var input = bench.Fill(x);
        var output = bench.Operations.AllocateActivation(3, 40);
        var weight = bench.Operations.UploadMatrix(w);
        var stacked = bench.Operations.UploadVector([.. parts]);
        Assert.Equal(40, stacked.Length);
        bench.Operations.Project(input, RowList.All, weight, Epilogue.Store(output) with { Bias = bench.Operations.UploadVector(whole) });
        ushort[] expected = bench.Read(output);
        bench.Operations.Project(input, RowList.All, weight, Epilogue.Store(output) with { Bias = stacked });
        OperationTestBench.AssertSameBits(expected, bench.Read(output), 40, "stacked bias");
        Assert.Throws<ArgumentException>(() => bench.Operations.Project(
            input, RowList.All, weight, Epilogue.Store(output) with { Bias = bench.Operations.UploadVector(parts[0]) }));
    }

    [Fact]
    public void Neither_cores_nor_neighbouring_rows_change_a_row()
    {
        var random = new Random(8);
        var x = ArrayTensor.Random(random, 2f, 40, 256);
        var w = ArrayTensor.Random(random, 0.2f, 640, 256);
        ushort[]? first = null;
        foreach (int threads in (int[])[1, 2, 5])
        {
            using var bench = new OperationTestBench(CpuInstructionSet.Auto, threads);
            var output = bench.Operations.AllocateActivation(40, 640);
            bench.Operations.Project(bench.Fill(x), RowList.All, bench.Operations.UploadMatrix(w), Epilogue.Store(output));
            ushort[] all = bench.Read(output);
            first ??= all;
            OperationTestBench.AssertSameBits(first, all, 640, $"{threads} threads");

            for (int row = 0; row < 40; row += 7)
            {
                var alone = new ArrayTensor("row", x.Row(row).ToArray(), 1, 256);
                var single = bench.Operations.AllocateActivation(1, 640);
                bench.Operations.Project(bench.Fill(alone), RowList.All, bench.Operations.UploadMatrix(w), Epilogue.Store(single));
                OperationTestBench.AssertSameBits(first.AsSpan(row * 640, 640), bench.Read(single), 640, $"row {row} alone");
            }
        }
    }
}
