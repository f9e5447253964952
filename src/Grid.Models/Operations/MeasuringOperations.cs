using Grid.Numerics;

namespace Grid.Models.Operations;

/// <summary>A device that holds nothing and refuses to compute: it adds up what loading a model would take.</summary>
/// <param name="expertOutputBytesLimit">The most that the device holds of the experts' outputs at a time.</param>
internal sealed class MeasuringOperations(long expertOutputBytesLimit) : DelegatingOperations(null)
{
    /// <inheritdoc/>
    public override string DeviceDescription => "a measure of memory";

    /// <summary>Bytes of matrices, vectors and rotary tables so far.</summary>
    public long WeightBytes { get; private set; }

    /// <summary>Bytes of activations and routings so far.</summary>
    public long WorkingBytes { get; private set; }

    /// <inheritdoc/>
    public override WeightMatrix UploadMatrix(params ReadOnlySpan<TensorSource> parts) =>
        new Matrix(parts[0].Name, Add(parts), parts[0].Columns, gated: false);

    /// <inheritdoc/>
    public override WeightMatrix UploadGatedMatrix(TensorSource gate, TensorSource up)
    {
        Add([gate, up]);
        return new Matrix(gate.Name, gate.Rows, gate.Columns, gated: true);
    }

    /// <inheritdoc/>
    public override ExpertMatrix UploadExperts(ReadOnlySpan<TensorSource> experts)
    {
        Add(experts);
        return new Experts(experts[0].Name, experts.Length, experts[0].Rows, experts[0].Columns, gated: false);
    }

    /// <inheritdoc/>
    public override ExpertMatrix UploadGatedExperts(ReadOnlySpan<TensorSource> gates, ReadOnlySpan<TensorSource> ups)
    {
        Add(gates);
        Add(ups);
        return new Experts(gates[0].Name, gates.Length, gates[0].Rows, gates[0].Columns, gated: true);
    }

    /// <inheritdoc/>
    public override WeightVector UploadVector(params ReadOnlySpan<TensorSource> parts)
    {
        int length = 0;
        foreach (var part in parts)
        {
            length += part.Columns;
        }

        Add(parts);
        return new Vector(parts[0].Name, length);
    }

    /// <inheritdoc/>
    public override RotaryTable UploadRotary(ReadOnlySpan<float> cos, ReadOnlySpan<float> sin, int positions, int headDim)
    {
        WeightBytes += (cos.Length + (long)sin.Length) * sizeof(float);
        return new Rotary(positions, headDim);
    }

    /// <inheritdoc/>
    public override Activation AllocateActivation(int maxRows, int width)
    {
        WorkingBytes += (long)maxRows * width * sizeof(ushort);
        return new Rows(maxRows, width);
    }

    /// <inheritdoc/>
    public override ExpertRouting AllocateRouting(int maxRows, int experts, int slots, int width)
    {
        // The experts' outputs wait in fp32 until a row's are added in order.
        WorkingBytes += Math.Min((long)maxRows * slots * width * sizeof(float), expertOutputBytesLimit);
        return new Routing(maxRows, experts, slots, width);
    }

    /// <inheritdoc/>
    public override long KvPageBytes(int layers, int kvHeads, int headDim) =>
        2L * AttentionLayout.BlockTokens * headDim * kvHeads * layers * sizeof(ushort);

    private int Add(ReadOnlySpan<TensorSource> parts)
    {
        int rows = 0;
        foreach (var part in parts)
        {
            rows += part.Rows;
            WeightBytes += (long)part.Rows * part.Columns * sizeof(ushort);
        }

        return rows;
    }

    private sealed class Matrix(string name, int rows, int columns, bool gated) : WeightMatrix(name, rows, columns, gated);

    private sealed class Experts(string name, int experts, int rows, int columns, bool gated)
        : ExpertMatrix(name, experts, rows, columns, gated);

    private sealed class Vector(string name, int length) : WeightVector(name, length);

    private sealed class Rotary(int positions, int headDim) : RotaryTable(positions, headDim);

    private sealed class Rows(int maxRows, int width) : Activation(maxRows, width);

    private sealed class Routing(int maxRows, int experts, int slots, int width) : ExpertRouting(maxRows, experts, slots, width);
}
