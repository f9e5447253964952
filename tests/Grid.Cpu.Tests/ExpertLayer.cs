using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cpu.Tests;

/// <summary>A mixture of experts with its rows, run by the operations and, element by element, by the reference.</summary>
internal sealed class ExpertLayer
{
    private readonly ArrayTensor[] _gates;
    private readonly ArrayTensor[] _ups;
    private readonly ArrayTensor[] _downs;

    public ExpertLayer(Random random, int rows, int width, int inner, int experts, int slots, bool normalize)
    {
        (Slots, Normalize) = (slots, normalize);
        Input = ArrayTensor.Random(random, 2f, rows, width);
        Residual = ArrayTensor.Random(random, 4f, rows, width);
        Router = ArrayTensor.Random(random, 0.5f, experts, width);
        _gates = [.. Enumerable.Range(0, experts).Select(_ => ArrayTensor.Random(random, 0.4f, inner, width))];
        _ups = [.. Enumerable.Range(0, experts).Select(_ => ArrayTensor.Random(random, 0.4f, inner, width))];
        _downs = [.. Enumerable.Range(0, experts).Select(_ => ArrayTensor.Random(random, 1f, width, inner))];
    }

    public int Slots { get; }

    public bool Normalize { get; }

    public ArrayTensor Input { get; private init; }

    public ArrayTensor Residual { get; private init; }

    public ArrayTensor Router { get; }

    public ArrayTensor Gate(int expert) => _gates[expert];

    public ArrayTensor Up(int expert) => _ups[expert];

    public ArrayTensor Down(int expert) => _downs[expert];

    /// <summary>The same layer with some of the rows, in the order given.</summary>
    public ExpertLayer Select(params int[] rows) => new(this)
    {
        Input = new ArrayTensor("rows", [.. rows.SelectMany(r => Input.Row(r).ToArray())], rows.Length, Input.Columns),
        Residual = new ArrayTensor("rows", [.. rows.SelectMany(r => Residual.Row(r).ToArray())], rows.Length, Input.Columns),
    };

    private ExpertLayer(ExpertLayer other) => (Slots, Normalize, Router, _gates, _ups, _downs, Input, Residual) =
        (other.Slots, other.Normalize, other.Router, other._gates, other._ups, other._downs, other.Input, other.Residual);

    public ExpertResult Run(OperationTestBench bench)
    {
        var operations = bench.Operations;
        int rows = Input.Rows;
        using var gateUp = operations.UploadGatedExperts(_gates, _ups);
        using var down = operations.UploadExperts(_downs);
        // More rows than the step has: nothing may depend on it.
        var routing = operations.AllocateRouting(rows + 3, Router.Rows, Slots, Input.Columns);
        var residual = bench.Fill(Residual);
        var input = bench.Fill(Input);
        var gated = operations.AllocateActivation(rows, Slots * gateUp.Rows);
        operations.Route(input, operations.UploadMatrix(Router), new RoutingSpec(Normalize), routing);
        operations.ProjectExperts(input, routing, gateUp, Epilogue.GatedSilu(gated));
        operations.ProjectExperts(gated, routing, down, Epilogue.AddTo(residual));
        var result = new ExpertResult(new int[rows * Slots], new float[rows * Slots], bench.Read(gated), bench.Read(residual));
        operations.Read(routing, rows, result.Experts, result.Weights);
        return result;
    }

    public ExpertResult Reference()
    {
        int rows = Input.Rows;
        int inner = _gates[0].Rows;
        var result = new ExpertResult(
            new int[rows * Slots], new float[rows * Slots], new ushort[rows * Slots * inner], [.. Residual.Values]);
        for (int r = 0; r < rows; r++)
        {
            var experts = result.Experts.AsSpan(r * Slots, Slots);
            var weights = result.Weights.AsSpan(r * Slots, Slots);
            MixtureOfExpertsReference.Route(Chains(Input.Row(r), Router), Normalize, experts, weights);
            List<float> outputs = [];
            for (int slot = 0; slot < Slots; slot++)
            {
                float[] gate = Chains(Input.Row(r), _gates[experts[slot]]);
                float[] up = Chains(Input.Row(r), _ups[experts[slot]]);
                ushort[] gated = [.. gate.Select((g, i) => Bf16.FromSingle(Transcendentals.Silu(g) * up[i]))];
                gated.CopyTo(result.Gated.AsSpan(((r * Slots) + slot) * inner));
                outputs.AddRange(Chains(gated, _downs[experts[slot]]));
            }

            MixtureOfExpertsReference.Combine(weights, outputs.ToArray(), result.Residual.AsSpan(r * Input.Columns, Input.Columns));
        }

        return result;
    }

    private static float[] Chains(ReadOnlySpan<ushort> x, ArrayTensor w)
    {
        float[] result = new float[w.Rows];
        for (int n = 0; n < result.Length; n++)
        {
            result[n] = Dot16.Chain(x, w.Row(n));
        }

        return result;
    }
}

/// <summary>Routing [rows * slots], gated [rows, slots, inner], residual [rows, width].</summary>
internal sealed record ExpertResult(int[] Experts, float[] Weights, ushort[] Gated, ushort[] Residual)
{
    public void AssertSame(ExpertResult actual, int rows, string what)
    {
        Assert.Equal(Experts, actual.Experts);
        Assert.Equal(Weights.Select(BitConverter.SingleToUInt32Bits), actual.Weights.Select(BitConverter.SingleToUInt32Bits));
        OperationTestBench.AssertSameBits(Gated, actual.Gated, Gated.Length / rows, $"{what}, gated");
        OperationTestBench.AssertSameBits(Residual, actual.Residual, Residual.Length / rows, $"{what}, residual");
    }
}
