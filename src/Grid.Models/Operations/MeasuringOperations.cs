using Grid.Numerics;

namespace Grid.Models.Operations;

/// <summary>A device that holds nothing and computes nothing: it adds up what loading a model would take.</summary>
/// <param name="expertOutputBytesLimit">The most that the device holds of the experts' outputs at a time.</param>
internal sealed class MeasuringOperations(long expertOutputBytesLimit) : IOperations
{
    /// <inheritdoc/>
    public string DeviceDescription => "a measure of memory";

    /// <summary>Bytes of matrices, vectors and rotary tables so far.</summary>
    public long WeightBytes { get; private set; }

    /// <summary>Bytes of activations and routings so far.</summary>
    public long WorkingBytes { get; private set; }

    /// <inheritdoc/>
    public WeightMatrix UploadMatrix(params ReadOnlySpan<TensorSource> parts) =>
        new Matrix(parts[0].Name, Add(parts), parts[0].Columns);

    /// <inheritdoc/>
    public WeightMatrix UploadGatedMatrix(TensorSource gate, TensorSource up)
    {
        Add([gate, up]);
        return new Matrix(gate.Name, gate.Rows, gate.Columns);
    }

    /// <inheritdoc/>
    public ExpertMatrix UploadExperts(ReadOnlySpan<TensorSource> experts)
    {
        Add(experts);
        return new Experts(experts[0].Name, experts.Length, experts[0].Rows, experts[0].Columns);
    }

    /// <inheritdoc/>
    public ExpertMatrix UploadGatedExperts(ReadOnlySpan<TensorSource> gates, ReadOnlySpan<TensorSource> ups)
    {
        Add(gates);
        Add(ups);
        return new Experts(gates[0].Name, gates.Length, gates[0].Rows, gates[0].Columns);
    }

    /// <inheritdoc/>
    public WeightVector UploadVector(params ReadOnlySpan<TensorSource> parts)
    {
        int length = 0;
        foreach (TensorSource part in parts)
        {
            length += part.Columns;
        }

        Add(parts);
        return new Vector(parts[0].Name, length);
    }

    /// <inheritdoc/>
    public RotaryTable UploadRotary(ReadOnlySpan<float> cos, ReadOnlySpan<float> sin, int positions, int headDim)
    {
        WeightBytes += (cos.Length + (long)sin.Length) * sizeof(float);
        return new Rotary(positions, headDim);
    }

    /// <inheritdoc/>
    public Activation AllocateActivation(int maxRows, int width)
    {
        WorkingBytes += (long)maxRows * width * sizeof(ushort);
        return new Rows(maxRows, width);
    }

    /// <inheritdoc/>
    public LogitsBuffer AllocateLogits(int maxRows, int width) => throw Computes();

    /// <inheritdoc/>
    public ExpertRouting AllocateRouting(int maxRows, int experts, int slots, int width)
    {
        // The experts' outputs wait in fp32 until a row's are added in order.
        WorkingBytes += Math.Min((long)maxRows * slots * width * sizeof(float), expertOutputBytesLimit);
        return new Routing(maxRows, experts, slots, width);
    }

    /// <inheritdoc/>
    public KvCache AllocateKvCache(int layers, int kvHeads, int headDim, int pages) => throw Computes();

    /// <inheritdoc/>
    public long KvPageBytes(int layers, int kvHeads, int headDim) =>
        2L * AttentionLayout.BlockTokens * headDim * kvHeads * layers * sizeof(ushort);

    /// <inheritdoc/>
    public void ClearPages(KvCache cache, ReadOnlySpan<int> pages) => throw Computes();

    /// <inheritdoc/>
    public void BeginStep(BatchLayout batch) => throw Computes();

    /// <inheritdoc/>
    public void RunStep(BatchLayout batch, Action pass) => throw Computes();

    /// <inheritdoc/>
    public void Embed(WeightMatrix table, Activation output) => throw Computes();

    /// <inheritdoc/>
    public void RmsNorm(Activation input, WeightVector weight, float epsilon, Activation output) => throw Computes();

    /// <inheritdoc/>
    public void Project(Activation input, WeightMatrix weight, WeightVector? bias, Activation output) => throw Computes();

    /// <inheritdoc/>
    public void ProjectAdd(Activation input, WeightMatrix weight, Activation residual) => throw Computes();

    /// <inheritdoc/>
    public void ProjectGatedSilu(Activation input, WeightMatrix gateUp, Activation output) => throw Computes();

    /// <inheritdoc/>
    public void Route(Activation input, WeightMatrix router, bool normalize, ExpertRouting routing) => throw Computes();

    /// <inheritdoc/>
    public void ProjectExpertsGatedSilu(Activation input, ExpertRouting routing, ExpertMatrix gateUp, Activation output) => throw Computes();

    /// <inheritdoc/>
    public void ProjectExpertsAdd(Activation input, ExpertRouting routing, ExpertMatrix down, Activation residual) => throw Computes();

    /// <inheritdoc/>
    public void RotateAndStore(
        Activation qkv, int queryHeads, WeightVector? queryNorm, WeightVector? keyNorm, float epsilon, RotaryTable rotary, KvCache cache, int layer) =>
        throw Computes();

    /// <inheritdoc/>
    public void Attend(Activation qkv, int queryHeads, float scale, KvCache cache, int layer, Activation output) => throw Computes();

    /// <inheritdoc/>
    public void ComputeLogits(Activation hidden, WeightMatrix head, int first, int count, LogitsBuffer logits) => throw Computes();

    /// <inheritdoc/>
    public void Sample(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows, Span<SampledToken> results) => throw Computes();

    /// <inheritdoc/>
    public void Read(Activation source, int rows, Span<ushort> destination) => throw Computes();

    /// <inheritdoc/>
    public void Read(LogitsBuffer source, int rows, Span<float> destination) => throw Computes();

    /// <inheritdoc/>
    public void Read(ExpertRouting source, int rows, Span<int> experts, Span<float> weights) => throw Computes();

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private static NotSupportedException Computes() => new("Loading a model computes nothing and allocates neither logits nor a KV cache.");

    private int Add(ReadOnlySpan<TensorSource> parts)
    {
        int rows = 0;
        foreach (TensorSource part in parts)
        {
            rows += part.Rows;
            WeightBytes += (long)part.Rows * part.Columns * sizeof(ushort);
        }

        return rows;
    }

    private sealed class Matrix(string name, int rows, int columns) : WeightMatrix(name, rows, columns);

    private sealed class Experts(string name, int experts, int rows, int columns) : ExpertMatrix(name, experts, rows, columns);

    private sealed class Vector(string name, int length) : WeightVector(name, length);

    private sealed class Rotary(int positions, int headDim) : RotaryTable(positions, headDim);

    private sealed class Rows(int maxRows, int width) : Activation(maxRows, width);

    private sealed class Routing(int maxRows, int experts, int slots, int width) : ExpertRouting(maxRows, experts, slots, width);
}
