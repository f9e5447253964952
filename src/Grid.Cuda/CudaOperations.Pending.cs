using Grid.Models.Operations;

namespace Grid.Cuda;

/// <content>Operations whose kernels are on their way.</content>
public sealed partial class CudaOperations
{
    public void ClearPages(KvCache cache, ReadOnlySpan<int> pages) => throw new NotSupportedException();

    public void Embed(WeightMatrix table, Activation output) => throw new NotSupportedException();

    public ExpertRouting AllocateRouting(int maxRows, int experts, int slots, int width) => throw new NotSupportedException();

    public void Route(Activation input, WeightMatrix router, bool normalize, ExpertRouting routing) => throw new NotSupportedException();

    public void ProjectExpertsGatedSilu(Activation input, ExpertRouting routing, ExpertMatrix gateUp, Activation output) => throw new NotSupportedException();

    public void ProjectExpertsAdd(Activation input, ExpertRouting routing, ExpertMatrix down, Activation residual) => throw new NotSupportedException();

    public void RotateAndStore(
        Activation qkv, int queryHeads, WeightVector? queryNorm, WeightVector? keyNorm, float epsilon, RotaryTable rotary, KvCache cache, int layer) =>
        throw new NotSupportedException();

    public void Sample(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows, Span<SampledToken> results) => throw new NotSupportedException();

    public void Read(ExpertRouting source, int rows, Span<int> experts, Span<float> weights) => throw new NotSupportedException();
}
