using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cpu.Tests;

public sealed class ExpertTests
{
    public static TheoryData<CpuInstructionSet> Forms => ChainKernelTests.Forms;

    [Theory]
    [MemberData(nameof(Forms))]
    public void Routing_products_and_combination_give_the_bits_of_the_reference(CpuInstructionSet form)
    {
        using var bench = new OperationTestBench(form);
        var random = new Random(21);
        foreach ((int rows, int width, int inner, int experts, int slots, bool normalize) in ((int, int, int, int, int, bool)[])
            [(1, 64, 32, 8, 2, true), (5, 40, 24, 5, 5, false), (33, 48, 16, 16, 4, true), (19, 33, 20, 3, 1, false), (2, 32, 16, 1, 1, true)])
        {
            var layer = new ExpertLayer(random, rows, width, inner, experts, slots, normalize);
            layer.Reference().AssertSame(layer.Run(bench), rows, $"{form} {rows}x{width}x{inner}, {slots} of {experts}");
        }
    }

    [Fact]
    public void Tied_logits_go_to_the_lowest_experts_in_order()
    {
        using var bench = new OperationTestBench(CpuInstructionSet.Auto);
        var layer = new ExpertLayer(new Random(22), 12, 32, 16, 9, 4, normalize: true);
        // Experts 2, 5 and 7 tie everywhere, and rows of zeros tie all.
        layer.Router.Row(2).CopyTo(layer.Router.Values.AsSpan(5 * 32));
        layer.Router.Row(2).CopyTo(layer.Router.Values.AsSpan(7 * 32));
        layer.Input.Values.AsSpan(3 * 32, 32).Clear();
        var actual = layer.Run(bench);
        layer.Reference().AssertSame(actual, 12, "ties");
        Assert.Equal([0, 1, 2, 3], actual.Experts[12..16]);
        Assert.Equal([0.25f, 0.25f, 0.25f, 0.25f], actual.Weights[12..16]);
        int[][] tied = [.. actual.Experts.Chunk(4).Select(row => row.Where(e => e is 2 or 5 or 7).ToArray())];
        Assert.Contains(tied, row => row.Length == 3);
        Assert.All(tied, row => Assert.Equal(((int[])[2, 5, 7])[..row.Length], row));
    }

    [Fact]
    public void Where_large_outputs_cancel_the_sum_still_has_the_reference_s_order_and_roundings()
    {
        // Otherwise the residual's rounding to bf16 would hide them.
        const int Width = 40, Inner = 32;
        using var bench = new OperationTestBench(CpuInstructionSet.Auto);
        var layer = new ExpertLayer(new Random(27), 10, Width, Inner, 5, 5, normalize: true);
        for (int expert = 1; expert < 5; expert++)
        {
            layer.Router.Row(0).CopyTo(layer.Router.Values.AsSpan(expert * Width));
        }

        layer.Gate(0).Values.CopyTo(layer.Gate(2).Values, 0);
        layer.Up(0).Values.CopyTo(layer.Up(2).Values, 0);
        for (int i = 0; i < Width * Inner; i++)
        {
            layer.Down(0).Values[i] = Bf16.FromSingle(Bf16.ToSingle(layer.Down(0).Values[i]) * 65536f);
            layer.Down(2).Values[i] = (ushort)(layer.Down(0).Values[i] ^ 0x8000);
        }

        layer.Reference().AssertSame(layer.Run(bench), 10, "cancelling");
        var alone = layer.Select(4);
        alone.Reference().AssertSame(alone.Run(bench), 1, "cancelling alone");
    }

    [Fact]
    public void All_rows_may_go_to_one_expert_and_experts_may_have_no_row()
    {
        using var bench = new OperationTestBench(CpuInstructionSet.Auto);
        var layer = new ExpertLayer(new Random(23), 40, 64, 32, 12, 2, normalize: false);
        // Positive rows, and routers that grow with the expert's weight: 11, then 4, win everywhere.
        for (int i = 0; i < layer.Input.Values.Length; i++)
        {
            layer.Input.Values[i] &= 0x7FFF;
        }

        layer.Router.Values.AsSpan(11 * 64, 64).Fill(0x4000);
        layer.Router.Values.AsSpan(4 * 64, 64).Fill(0x3F80);
        var actual = layer.Run(bench);
        layer.Reference().AssertSame(actual, 40, "one expert");
        Assert.All(actual.Experts.Chunk(2), row => Assert.Equal([11, 4], row));
    }

    [Fact]
    public void Neither_cores_nor_neighbouring_rows_nor_their_order_change_a_row()
    {
        var layer = new ExpertLayer(new Random(24), 60, 128, 96, 16, 4, normalize: true);
        ExpertResult? first = null;
        foreach (int threads in (int[])[1, 2, 5])
        {
            using var bench = new OperationTestBench(CpuInstructionSet.Auto, threads);
            var all = layer.Run(bench);
            first ??= all;
            first.AssertSame(all, 60, $"{threads} threads");
            int[] reversed = [.. Enumerable.Range(0, 60).Reverse()];
            foreach (int[] rows in (int[][])[[0], [59], [7, 3], [.. reversed[..9]], reversed])
            {
                Rows(first, 60, rows).AssertSame(layer.Select(rows).Run(bench), rows.Length, $"rows {string.Join(' ', rows)}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Huge_and_non_finite_values_keep_the_reference_bits_and_touch_no_other_row(CpuInstructionSet form)
    {
        using var bench = new OperationTestBench(form);
        var layer = new ExpertLayer(new Random(25), 6, 64, 32, 4, 2, normalize: true);
        layer.Input.Values[64 + 3] = 0x7F80;         // infinity in row 1
        layer.Input.Values[128 + 9] = 0x5E80;        // 2^62 in row 2
        layer.Down(1).Values[5] = 0x6F00;            // 2^95 in a weight of expert 1
        layer.Gate(2).Values[(7 * 64) + 7] = 0x6000; // 2^65 in a weight of expert 2
        var expected = layer.Reference();
        var actual = layer.Run(bench);
        Assert.Equal(Enumerable.Range(0, 4).OrderBy(e => e), actual.Experts.Distinct().Order());
        Assert.Equal([0, 1], actual.Experts[2..4]);
        Assert.All(actual.Residual[64..128], bits => Assert.True(float.IsNaN(Bf16.ToSingle(bits))));
        int[] others = [0, 2, 3, 4, 5];
        Rows(expected, 6, others).AssertSame(Rows(actual, 6, others), 5, $"extremes {form}");
    }

    [Fact]
    public void A_step_allocates_nothing()
    {
        using var bench = new OperationTestBench(CpuInstructionSet.Auto, threads: 1); // all work on this thread
        var operations = bench.Operations;
        var layer = new ExpertLayer(new Random(28), 20, 32, 16, 8, 3, normalize: true);
        ArrayTensor[] gates = [.. Enumerable.Range(0, 8).Select(layer.Gate)];
        var gateUp = operations.UploadGatedExperts(gates, gates);
        var down = operations.UploadExperts([.. Enumerable.Range(0, 8).Select(layer.Down)]);
        var router = operations.UploadMatrix(layer.Router);
        var routing = operations.AllocateRouting(20, 8, 3, 32);
        var input = bench.Fill(layer.Input);
        var gated = operations.AllocateActivation(20, 3 * 16);
        void Step()
        {
            operations.Route(input, router, new RoutingSpec(false), routing);
            operations.ProjectExperts(input, routing, gateUp, Epilogue.GatedSilu(gated));
            operations.ProjectExperts(gated, routing, down, Epilogue.AddTo(input));
        }

        Step();
        Assert.Equal(0, AllocatedBytes.Measure(Step));
    }

    [Fact]
    public void Shapes_and_routings_that_do_not_fit_are_refused()
    {
        using var bench = new OperationTestBench(CpuInstructionSet.Auto);
        var operations = bench.Operations;
        var random = new Random(26);
        ArrayTensor[] experts = [ArrayTensor.Random(random, 1f, 16, 32), ArrayTensor.Random(random, 1f, 16, 32)];
        ArrayTensor[] uneven = [experts[0], ArrayTensor.Random(random, 1f, 32, 32)];
        Assert.Throws<ArgumentException>("source", () => operations.UploadExperts(uneven));
        Assert.Throws<ArgumentException>("ups", () => operations.UploadGatedExperts(experts, experts.AsSpan(0, 1)));
        Assert.Throws<ArgumentOutOfRangeException>("slots", () => operations.AllocateRouting(4, 2, 3, 16));

        var plain = operations.UploadExperts(experts);
        var gated = operations.UploadGatedExperts(experts, experts);
        var routing = operations.AllocateRouting(8, 2, 1, 16);
        var input = bench.Fill(ArrayTensor.Random(random, 1f, 3, 32));
        var output = operations.AllocateActivation(8, 16);
        Assert.Throws<ArgumentException>("weight", () => operations.ProjectExperts(input, routing, plain, Epilogue.GatedSilu(output)));
        Assert.Throws<ArgumentException>("weight", () => operations.ProjectExperts(input, routing, gated, Epilogue.AddTo(output)));
        Assert.Throws<ArgumentException>("weight", () => operations.Route(input, operations.UploadMatrix(experts[0]), new RoutingSpec(true), routing));
        // Nothing was routed in this step.
        Assert.Throws<ArgumentException>("routing", () => operations.ProjectExperts(input, routing, gated, Epilogue.GatedSilu(output)));
    }

    private static ExpertResult Rows(ExpertResult all, int count, int[] rows)
    {
        T[] Take<T>(T[] values)
        {
            int width = values.Length / count;
            return [.. rows.SelectMany(r => values[(r * width)..((r + 1) * width)])];
        }

        return new ExpertResult(Take(all.Experts), Take(all.Weights), Take(all.Gated), Take(all.Residual));
    }
}
