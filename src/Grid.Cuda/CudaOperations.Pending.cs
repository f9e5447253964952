using Grid.Models.Operations;

namespace Grid.Cuda;

/// <content>Operations whose kernels are on their way.</content>
public sealed partial class CudaOperations
{
    public ExpertRouting AllocateRouting(int maxRows, int experts, int slots, int width) => throw new NotSupportedException();

    public void Route(Activation input, WeightMatrix router, bool normalize, ExpertRouting routing) => throw new NotSupportedException();

    public void ProjectExpertsGatedSilu(Activation input, ExpertRouting routing, ExpertMatrix gateUp, Activation output) => throw new NotSupportedException();

    public void ProjectExpertsAdd(Activation input, ExpertRouting routing, ExpertMatrix down, Activation residual) => throw new NotSupportedException();

    public void Sample(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows, Span<SampledToken> results) => throw new NotSupportedException();

    public void Read(ExpertRouting source, int rows, Span<int> experts, Span<float> weights) => throw new NotSupportedException();
}
