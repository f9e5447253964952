using Grid.Cpu;
using Grid.Models;
using Grid.Models.Operations;
using Grid.Silo.Devices;
using Grid.Silo.Options;

namespace Grid.Grains.Tests.Support;

/// <summary>A device of a node that can be made to break or to compute wrongly.</summary>
internal sealed class TestDevice(string name) : NodeDevice(name, DeviceDefaults.Cpu)
{
    private volatile bool _breaks;

    public override int MaxLogitRows => 16;

    /// <summary>Whether one of its operations gives other bits than the contract's.</summary>
    public bool IsWrong { get; init; }

    /// <summary>From its self-test on, and even its disposal fails then.</summary>
    public bool IsBroken
    {
        init => _breaks = value;
    }

    /// <summary>Why it cannot be opened; null when it can.</summary>
    public string? Problem { get; init; }

    public override IOperations Open(TextWriter output) => Problem is null
        ? new TestOperations(new CpuOperations(new CpuOptions { Threads = 1 }), () => _breaks, IsWrong)
        : throw new DeviceException(Problem);

    public override void RequireRoom(ModelMemory model)
    {
    }

    public override long KvCacheBytes(ModelMemory model) => 32L << 20;

    public override string? Explain(Exception exception) => exception is InvalidOperationException ? exception.Message : null;

    /// <summary>From its next step on.</summary>
    public void Break() => _breaks = true;
}

/// <summary>Another device's operations, with faults.</summary>
internal sealed class TestOperations(IOperations inner, Func<bool> breaks, bool isWrong) : IOperations
{
    public string DeviceDescription => inner.DeviceDescription;

    public WeightMatrix UploadMatrix(params ReadOnlySpan<TensorSource> parts) => inner.UploadMatrix(parts);

    public WeightMatrix UploadGatedMatrix(TensorSource gate, TensorSource up) => inner.UploadGatedMatrix(gate, up);

    public ExpertMatrix UploadExperts(ReadOnlySpan<TensorSource> experts) => inner.UploadExperts(experts);

    public ExpertMatrix UploadGatedExperts(ReadOnlySpan<TensorSource> gates, ReadOnlySpan<TensorSource> ups) => inner.UploadGatedExperts(gates, ups);

    public WeightVector UploadVector(params ReadOnlySpan<TensorSource> parts) => inner.UploadVector(parts);

    public RotaryTable UploadRotary(ReadOnlySpan<float> cos, ReadOnlySpan<float> sin, int positions, int headDim) =>
        inner.UploadRotary(cos, sin, positions, headDim);

    public Activation AllocateActivation(int maxRows, int width) => inner.AllocateActivation(maxRows, width);

    public LogitsBuffer AllocateLogits(int maxRows, int width) => inner.AllocateLogits(maxRows, width);

    public ExpertRouting AllocateRouting(int maxRows, int experts, int slots, int width) => inner.AllocateRouting(maxRows, experts, slots, width);

    public KvCache AllocateKvCache(int layers, int kvHeads, int headDim, int pages) => inner.AllocateKvCache(layers, kvHeads, headDim, pages);

    public long KvPageBytes(int layers, int kvHeads, int headDim) => inner.KvPageBytes(layers, kvHeads, headDim);

    public void ClearPages(KvCache cache, ReadOnlySpan<int> pages) => inner.ClearPages(cache, pages);

    public void BeginStep(BatchLayout batch)
    {
        RequireWhole();
        inner.BeginStep(batch);
    }

    public void RunStep(BatchLayout batch, Action pass)
    {
        RequireWhole();
        inner.RunStep(batch, pass);
    }

    public void Embed(WeightMatrix table, Activation output) => inner.Embed(table, output);

    public void RmsNorm(Activation input, WeightVector weight, float epsilon, Activation output) =>
        inner.RmsNorm(input, weight, isWrong ? epsilon * 65536 : epsilon, output);

    public void Project(Activation input, WeightMatrix weight, WeightVector? bias, Activation output) => inner.Project(input, weight, bias, output);

    public void ProjectAdd(Activation input, WeightMatrix weight, Activation residual) => inner.ProjectAdd(input, weight, residual);

    public void ProjectGatedSilu(Activation input, WeightMatrix gateUp, Activation output) => inner.ProjectGatedSilu(input, gateUp, output);

    public void Route(Activation input, WeightMatrix router, bool normalize, ExpertRouting routing) => inner.Route(input, router, normalize, routing);

    public void ProjectExpertsGatedSilu(Activation input, ExpertRouting routing, ExpertMatrix gateUp, Activation output) =>
        inner.ProjectExpertsGatedSilu(input, routing, gateUp, output);

    public void ProjectExpertsAdd(Activation input, ExpertRouting routing, ExpertMatrix down, Activation residual) =>
        inner.ProjectExpertsAdd(input, routing, down, residual);

    public void RotateAndStore(
        Activation qkv, int queryHeads, WeightVector? queryNorm, WeightVector? keyNorm, float epsilon, RotaryTable rotary, KvCache cache, int layer) =>
        inner.RotateAndStore(qkv, queryHeads, queryNorm, keyNorm, epsilon, rotary, cache, layer);

    public void Attend(Activation qkv, int queryHeads, float scale, KvCache cache, int layer, Activation output) =>
        inner.Attend(qkv, queryHeads, scale, cache, layer, output);

    public void ComputeLogits(Activation hidden, WeightMatrix head, int first, int count, LogitsBuffer logits) =>
        inner.ComputeLogits(hidden, head, first, count, logits);

    public void Sample(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows, Span<SampledToken> results) => inner.Sample(logits, rows, results);

    public void Read(Activation source, int rows, Span<ushort> destination) => inner.Read(source, rows, destination);

    public void Read(LogitsBuffer source, int rows, Span<float> destination) => inner.Read(source, rows, destination);

    public void Read(ExpertRouting source, int rows, Span<int> experts, Span<float> weights) => inner.Read(source, rows, experts, weights);

    public void Dispose()
    {
        inner.Dispose();
        RequireWhole();
    }

    private void RequireWhole()
    {
        if (breaks())
        {
            throw new InvalidOperationException("The test device broke.");
        }
    }
}
