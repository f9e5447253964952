using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Engine.Tests.Fakes;

/// <summary>The operations that the engine itself calls; those that a model calls do not exist here.</summary>
internal sealed class FakeOperations : IOperations
{
    public string DeviceDescription => "fake";

    /// <summary>Largest group of logit rows sampled at once.</summary>
    public int LargestGroup { get; private set; }

    public LogitsBuffer AllocateLogits(int maxRows, int width) => new FakeLogits(maxRows, width);

    public void ClearPages(KvCache cache, ReadOnlySpan<int> pages)
    {
        foreach (int page in pages)
        {
            ((FakeKvCache)cache).Slots.AsSpan(page * AttentionLayout.BlockTokens, AttentionLayout.BlockTokens).Clear();
        }
    }

    public void Sample(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows, Span<SampledToken> results)
    {
        LargestGroup = Math.Max(LargestGroup, rows.Length);
        FakeLogits buffer = (FakeLogits)logits;
        for (int i = 0; i < rows.Length; i++)
        {
            results[i] = FakeMath.Sample(buffer.Values.AsSpan(rows[i].LogitRow * buffer.Width, buffer.Width), rows[i]);
        }
    }

    public void Dispose()
    {
    }

    public WeightMatrix UploadMatrix(params ReadOnlySpan<TensorSource> parts) => throw new NotSupportedException();

    public WeightMatrix UploadGatedMatrix(TensorSource gate, TensorSource up) => throw new NotSupportedException();

    public WeightVector UploadVector(params ReadOnlySpan<TensorSource> parts) => throw new NotSupportedException();

    public RotaryTable UploadRotary(ReadOnlySpan<float> cos, ReadOnlySpan<float> sin, int positions, int headDim) =>
        throw new NotSupportedException();

    public Activation AllocateActivation(int maxRows, int width) => throw new NotSupportedException();

    public KvCache AllocateKvCache(int layers, int kvHeads, int headDim, int pages) => throw new NotSupportedException();

    public long KvPageBytes(int layers, int kvHeads, int headDim) => throw new NotSupportedException();

    public void BeginStep(BatchLayout batch) => throw new NotSupportedException();

    public void RunStep(BatchLayout batch, Action pass) => throw new NotSupportedException();

    public void Embed(WeightMatrix table, Activation output) => throw new NotSupportedException();

    public void RmsNorm(Activation input, WeightVector weight, float epsilon, Activation output) => throw new NotSupportedException();

    public void Project(Activation input, WeightMatrix weight, WeightVector? bias, Activation output) => throw new NotSupportedException();

    public void ProjectAdd(Activation input, WeightMatrix weight, Activation residual) => throw new NotSupportedException();

    public void ProjectGatedSilu(Activation input, WeightMatrix gateUp, Activation output) => throw new NotSupportedException();

    public ExpertMatrix UploadExperts(ReadOnlySpan<TensorSource> experts) => throw new NotSupportedException();

    public ExpertMatrix UploadGatedExperts(ReadOnlySpan<TensorSource> gates, ReadOnlySpan<TensorSource> ups) => throw new NotSupportedException();

    public ExpertRouting AllocateRouting(int maxRows, int experts, int slots, int width) => throw new NotSupportedException();

    public void Route(Activation input, WeightMatrix router, bool normalize, ExpertRouting routing) => throw new NotSupportedException();

    public void ProjectExpertsGatedSilu(Activation input, ExpertRouting routing, ExpertMatrix gateUp, Activation output) => throw new NotSupportedException();

    public void ProjectExpertsAdd(Activation input, ExpertRouting routing, ExpertMatrix down, Activation residual) => throw new NotSupportedException();

    public void Read(ExpertRouting source, int rows, Span<int> experts, Span<float> weights) => throw new NotSupportedException();

    public void RotateAndStore(
        Activation qkv, int queryHeads, WeightVector? queryNorm, WeightVector? keyNorm, float epsilon, RotaryTable rotary, KvCache cache,
        int layer) => throw new NotSupportedException();

    public void Attend(Activation qkv, int queryHeads, float scale, KvCache cache, int layer, Activation output) =>
        throw new NotSupportedException();

    public void ComputeLogits(Activation hidden, WeightMatrix head, int first, int count, LogitsBuffer logits) =>
        throw new NotSupportedException();

    public void Read(Activation source, int rows, Span<ushort> destination) => throw new NotSupportedException();

    public void Read(LogitsBuffer source, int rows, Span<float> destination) => throw new NotSupportedException();
}
