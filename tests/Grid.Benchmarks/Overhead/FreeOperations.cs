using System.Runtime.InteropServices;
using Grid.Models.Operations;

namespace Grid.Benchmarks.Overhead;

/// <summary>
/// Another device's operations until <see cref="IsFree"/> is set (a node tests and loads its device first); from then on a
/// step computes nothing, lasts a given time in which the CPU is idle, as with a GPU, and samples plain tokens.
/// </summary>
internal sealed partial class FreeOperations(IOperations inner, double stepMilliseconds) : IOperations
{
    /// <summary>The demo model's tokens from the first to below the second are text; those before and after may not be.</summary>
    private const int FirstToken = 300;
    private const int EndToken = 4000;

    public bool IsFree { get; set; }

    public string DeviceDescription => $"nothing ({inner.DeviceDescription} for the self-test)";

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

    public void ClearPages(KvCache cache, ReadOnlySpan<int> pages)
    {
        if (!IsFree)
        {
            inner.ClearPages(cache, pages);
        }
    }

    public void BeginStep(BatchLayout batch) => inner.BeginStep(batch);

    public void RunStep(BatchLayout batch, Action pass)
    {
        if (!IsFree)
        {
            inner.RunStep(batch, pass);
        }
        else if (stepMilliseconds > 0)
        {
            var time = new TimeSpec(0, (long)(stepMilliseconds * 1e6));
            _ = Sleep(in time, 0);
        }
    }

    public void Embed(WeightMatrix table, Activation output) => inner.Embed(table, output);

    public void RmsNorm(Activation input, WeightVector weight, float epsilon, Activation output) => inner.RmsNorm(input, weight, epsilon, output);

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

    public void ComputeLogits(Activation hidden, WeightMatrix head, int first, int count, LogitsBuffer logits)
    {
        if (!IsFree)
        {
            inner.ComputeLogits(hidden, head, first, count, logits);
        }
    }

    public void Sample(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows, Span<SampledToken> results)
    {
        if (!IsFree)
        {
            inner.Sample(logits, rows, results);
            return;
        }

        for (int i = 0; i < rows.Length; i++)
        {
            ulong draw = ((rows[i].Parameters.Seed * 0x9E3779B97F4A7C15) + (ulong)rows[i].Position) * 0xD1B54A32D192ED03;
            results[i] = new SampledToken(FirstToken + (int)((draw >> 32) % (EndToken - FirstToken)), float.NaN, [], NonFinite: false);
        }
    }

    public void Read(Activation source, int rows, Span<ushort> destination) => inner.Read(source, rows, destination);

    public void Read(LogitsBuffer source, int rows, Span<float> destination) => inner.Read(source, rows, destination);

    public void Read(ExpertRouting source, int rows, Span<int> experts, Span<float> weights) => inner.Read(source, rows, experts, weights);

    public void Dispose() => inner.Dispose();

    /// <summary>Thread.Sleep knows whole milliseconds only.</summary>
    [LibraryImport("libc", EntryPoint = "nanosleep")]
    private static partial int Sleep(in TimeSpec time, nint remaining);

    private readonly record struct TimeSpec(long Seconds, long Nanoseconds);
}
