using System.Runtime.CompilerServices;

namespace Grid.Models.Operations;

/// <summary>Hands every operation on as it is; what a derived class overrides, it does itself. For measuring and for tests.</summary>
/// <param name="inner">Where to; null: what is not overridden is refused with a <see cref="NotSupportedException"/>.</param>
public abstract class DelegatingOperations(IOperations? inner) : IOperations
{
    /// <inheritdoc/>
    public virtual string DeviceDescription => Inner().DeviceDescription;

    /// <inheritdoc/>
    public virtual WeightMatrix UploadMatrix(params ReadOnlySpan<TensorSource> parts) => Inner().UploadMatrix(parts);

    /// <inheritdoc/>
    public virtual WeightMatrix UploadGatedMatrix(TensorSource gate, TensorSource up) => Inner().UploadGatedMatrix(gate, up);

    /// <inheritdoc/>
    public virtual ExpertMatrix UploadExperts(ReadOnlySpan<TensorSource> experts) => Inner().UploadExperts(experts);

    /// <inheritdoc/>
    public virtual ExpertMatrix UploadGatedExperts(ReadOnlySpan<TensorSource> gates, ReadOnlySpan<TensorSource> ups) =>
        Inner().UploadGatedExperts(gates, ups);

    /// <inheritdoc/>
    public virtual WeightVector UploadVector(params ReadOnlySpan<TensorSource> parts) => Inner().UploadVector(parts);

    /// <inheritdoc/>
    public virtual void Replace(WeightMatrix weights, params ReadOnlySpan<TensorSource> sources) => Inner().Replace(weights, sources);

    /// <inheritdoc/>
    public virtual void Replace(ExpertMatrix weights, params ReadOnlySpan<TensorSource> sources) => Inner().Replace(weights, sources);

    /// <inheritdoc/>
    public virtual void Replace(WeightVector weights, params ReadOnlySpan<TensorSource> sources) => Inner().Replace(weights, sources);

    /// <inheritdoc/>
    public virtual RotaryTable UploadRotary(ReadOnlySpan<float> cos, ReadOnlySpan<float> sin, int positions, int headDim) =>
        Inner().UploadRotary(cos, sin, positions, headDim);

    /// <inheritdoc/>
    public virtual Activation AllocateActivation(int maxRows, int width) => Inner().AllocateActivation(maxRows, width);

    /// <inheritdoc/>
    public virtual LogitsBuffer AllocateLogits(int maxRows, int width) => Inner().AllocateLogits(maxRows, width);

    /// <inheritdoc/>
    public virtual ExpertRouting AllocateRouting(int maxRows, int experts, int slots, int width) =>
        Inner().AllocateRouting(maxRows, experts, slots, width);

    /// <inheritdoc/>
    public virtual KvCache AllocateKvCache(int layers, int kvHeads, int headDim, int pages) =>
        Inner().AllocateKvCache(layers, kvHeads, headDim, pages);

    /// <inheritdoc/>
    public virtual long KvPageBytes(int layers, int kvHeads, int headDim) => Inner().KvPageBytes(layers, kvHeads, headDim);

    /// <inheritdoc/>
    public virtual void ClearPages(KvCache cache, ReadOnlySpan<int> pages) => Inner().ClearPages(cache, pages);

    /// <inheritdoc/>
    public virtual void BeginStep(BatchLayout batch) => Inner().BeginStep(batch);

    /// <inheritdoc/>
    public virtual void RunStep(BatchLayout batch, Action pass) => Inner().RunStep(batch, pass);

    /// <inheritdoc/>
    public virtual void Embed(WeightMatrix table, Activation output) => Inner().Embed(table, output);

    /// <inheritdoc/>
    public virtual void RmsNorm(Activation input, in NormSpec norm, Activation output) => Inner().RmsNorm(input, in norm, output);

    /// <inheritdoc/>
    public virtual void Project(Activation input, RowList rows, WeightMatrix weight, in Epilogue epilogue) =>
        Inner().Project(input, rows, weight, in epilogue);

    /// <inheritdoc/>
    public virtual void Route(Activation input, WeightMatrix router, in RoutingSpec spec, ExpertRouting routing) =>
        Inner().Route(input, router, in spec, routing);

    /// <inheritdoc/>
    public virtual void ProjectExperts(Activation input, ExpertRouting routing, ExpertMatrix weight, in Epilogue epilogue) =>
        Inner().ProjectExperts(input, routing, weight, in epilogue);

    /// <inheritdoc/>
    public virtual void RotateAndStore(Activation qkv, in RotarySpec rotary, KvLayer layer) => Inner().RotateAndStore(qkv, in rotary, layer);

    /// <inheritdoc/>
    public virtual void Attend(Activation qkv, in AttentionSpec attention, KvLayer layer, Activation output) =>
        Inner().Attend(qkv, in attention, layer, output);

    /// <inheritdoc/>
    public virtual void Sample(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows, Span<SampledToken> results) =>
        Inner().Sample(logits, rows, results);

    /// <summary>False unless a derived class says so: what overrides <see cref="Sample"/> alone would be passed by.</summary>
    public virtual bool RunsAhead => false;

    /// <inheritdoc/>
    public virtual void BeginSample(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows) => Inner().BeginSample(logits, rows);

    /// <inheritdoc/>
    public virtual StepTime EndSample(Span<SampledToken> results) => Inner().EndSample(results);

    /// <inheritdoc/>
    public virtual void Read(Activation source, int rows, Span<ushort> destination) => Inner().Read(source, rows, destination);

    /// <inheritdoc/>
    public virtual void Read(LogitsBuffer source, int rows, Span<float> destination) => Inner().Read(source, rows, destination);

    /// <inheritdoc/>
    public virtual void Read(ExpertRouting source, int rows, Span<int> experts, Span<float> weights) =>
        Inner().Read(source, rows, experts, weights);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Disposes of the inner operations.</summary>
    protected virtual void Dispose(bool disposing)
    {
        if (disposing)
        {
            inner?.Dispose();
        }
    }

    private IOperations Inner([CallerMemberName] string operation = "") =>
        inner ?? throw new NotSupportedException($"{GetType().Name} has no operation {operation}.");
}
