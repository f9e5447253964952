using System.Diagnostics;
using Grid.Models.Operations;

namespace Grid.Benchmarks;

/// <summary>Operations with a clock around each, to show where a step's time goes.</summary>
internal sealed class TimedOperations(IOperations inner) : IOperations
{
    private readonly Dictionary<string, double> _seconds = [];

    public string DeviceDescription => inner.DeviceDescription;

    /// <summary>Prints every operation's share since the last call, largest first.</summary>
    public void PrintShares()
    {
        double total = _seconds.Values.Sum();
        Console.WriteLine("    " + string.Join(", ", _seconds.OrderByDescending(p => p.Value).Select(p => $"{p.Key} {p.Value / total:P0}")));
        _seconds.Clear();
    }

    /// <summary>Bytes of all matrices uploaded, in bf16: what a step of a dense model with tied embeddings reads.</summary>
    public long WeightBytes { get; private set; }

    public WeightMatrix UploadMatrix(params ReadOnlySpan<TensorSource> parts) => Count(inner.UploadMatrix(parts), 1);

    public WeightMatrix UploadGatedMatrix(TensorSource gate, TensorSource up) => Count(inner.UploadGatedMatrix(gate, up), 2);

    public ExpertMatrix UploadExperts(ReadOnlySpan<TensorSource> experts) => inner.UploadExperts(experts);

    public ExpertMatrix UploadGatedExperts(ReadOnlySpan<TensorSource> gates, ReadOnlySpan<TensorSource> ups) => inner.UploadGatedExperts(gates, ups);

    public WeightVector UploadVector(params ReadOnlySpan<TensorSource> parts) => inner.UploadVector(parts);

    public RotaryTable UploadRotary(ReadOnlySpan<float> cos, ReadOnlySpan<float> sin, int positions, int headDim) =>
        inner.UploadRotary(cos, sin, positions, headDim);

    public Activation AllocateActivation(int maxRows, int width) => inner.AllocateActivation(maxRows, width);

    public LogitsBuffer AllocateLogits(int maxRows, int width) => inner.AllocateLogits(maxRows, width);

    public ExpertRouting AllocateRouting(int maxRows, int experts, int slots, int width) =>
        inner.AllocateRouting(maxRows, experts, slots, width);

    public KvCache AllocateKvCache(int layers, int kvHeads, int headDim, int pages) => inner.AllocateKvCache(layers, kvHeads, headDim, pages);

    public long KvPageBytes(int layers, int kvHeads, int headDim) => inner.KvPageBytes(layers, kvHeads, headDim);

    public void ClearPages(KvCache cache, ReadOnlySpan<int> pages)
    {
        long start = Stopwatch.GetTimestamp();
        inner.ClearPages(cache, pages);
        Note("clear pages", start);
    }

    public void BeginStep(BatchLayout batch) => inner.BeginStep(batch);

    public void RunStep(BatchLayout batch, Action pass)
    {
        BeginStep(batch);
        pass();
    }

    public void Embed(WeightMatrix table, Activation output)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Embed(table, output);
        Note("embed", start);
    }

    public void RmsNorm(Activation input, WeightVector weight, float epsilon, Activation output)
    {
        long start = Stopwatch.GetTimestamp();
        inner.RmsNorm(input, weight, epsilon, output);
        Note("norm", start);
    }

    public void Project(Activation input, WeightMatrix weight, WeightVector? bias, Activation output)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Project(input, weight, bias, output);
        Note("qkv", start);
    }

    public void ProjectAdd(Activation input, WeightMatrix weight, Activation residual)
    {
        long start = Stopwatch.GetTimestamp();
        inner.ProjectAdd(input, weight, residual);
        Note("o and down", start);
    }

    public void ProjectGatedSilu(Activation input, WeightMatrix gateUp, Activation output)
    {
        long start = Stopwatch.GetTimestamp();
        inner.ProjectGatedSilu(input, gateUp, output);
        Note("gate and up", start);
    }

    public void Route(Activation input, WeightMatrix router, bool normalize, ExpertRouting routing)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Route(input, router, normalize, routing);
        Note("route", start);
    }

    public void ProjectExpertsGatedSilu(Activation input, ExpertRouting routing, ExpertMatrix gateUp, Activation output)
    {
        long start = Stopwatch.GetTimestamp();
        inner.ProjectExpertsGatedSilu(input, routing, gateUp, output);
        Note("experts' gate and up", start);
    }

    public void ProjectExpertsAdd(Activation input, ExpertRouting routing, ExpertMatrix down, Activation residual)
    {
        long start = Stopwatch.GetTimestamp();
        inner.ProjectExpertsAdd(input, routing, down, residual);
        Note("experts' down", start);
    }

    public void RotateAndStore(
        Activation qkv, int queryHeads, WeightVector? queryNorm, WeightVector? keyNorm, float epsilon, RotaryTable rotary,
        KvCache cache, int layer)
    {
        long start = Stopwatch.GetTimestamp();
        inner.RotateAndStore(qkv, queryHeads, queryNorm, keyNorm, epsilon, rotary, cache, layer);
        Note("rotate and store", start);
    }

    public void Attend(Activation qkv, int queryHeads, float scale, KvCache cache, int layer, Activation output)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Attend(qkv, queryHeads, scale, cache, layer, output);
        Note("attention", start);
    }

    public void ComputeLogits(Activation hidden, WeightMatrix head, int first, int count, LogitsBuffer logits)
    {
        long start = Stopwatch.GetTimestamp();
        inner.ComputeLogits(hidden, head, first, count, logits);
        Note("logits", start);
    }

    public void Sample(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows, Span<SampledToken> results)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Sample(logits, rows, results);
        Note("sample", start);
    }

    public void Read(Activation source, int rows, Span<ushort> destination) => inner.Read(source, rows, destination);

    public void Read(LogitsBuffer source, int rows, Span<float> destination) => inner.Read(source, rows, destination);

    public void Read(ExpertRouting source, int rows, Span<int> experts, Span<float> weights) => inner.Read(source, rows, experts, weights);

    public void Dispose() => inner.Dispose();

    private WeightMatrix Count(WeightMatrix matrix, int parts)
    {
        WeightBytes += 2L * parts * matrix.Rows * matrix.Columns;
        return matrix;
    }

    private void Note(string operation, long start) =>
        _seconds[operation] = _seconds.GetValueOrDefault(operation) + Stopwatch.GetElapsedTime(start).TotalSeconds;
}
