using System.Diagnostics;
using Grid.Models.Operations;

namespace Grid.Benchmarks;

/// <summary>Operations with a clock around each, to show where a step's time goes.</summary>
internal sealed class TimedOperations(IOperations inner) : DelegatingOperations(inner)
{
    private readonly Dictionary<string, double> _seconds = [];

    /// <summary>Prints every operation's share since the last call, largest first.</summary>
    public void PrintShares()
    {
        double total = _seconds.Values.Sum();
        Console.WriteLine("    " + string.Join(", ", _seconds.OrderByDescending(p => p.Value).Select(p => $"{p.Key} {p.Value / total:P0}")));
        _seconds.Clear();
    }

    /// <summary>Bytes of all matrices uploaded, in bf16: what a step of a dense model with tied embeddings reads.</summary>
    public long WeightBytes { get; private set; }

    public override WeightMatrix UploadMatrix(params ReadOnlySpan<TensorSource> parts) => Count(base.UploadMatrix(parts));

    public override WeightMatrix UploadGatedMatrix(TensorSource gate, TensorSource up) => Count(base.UploadGatedMatrix(gate, up));

    public override void ClearPages(KvCache cache, ReadOnlySpan<int> pages)
    {
        using var clock = new Clock(this, "clear pages");
        base.ClearPages(cache, pages);
    }

    /// <summary>A recorded pass would be one operation.</summary>
    public override void RunStep(BatchLayout batch, Action pass)
    {
        BeginStep(batch);
        pass();
    }

    public override void Embed(WeightMatrix table, Activation output)
    {
        using var clock = new Clock(this, "embed");
        base.Embed(table, output);
    }

    public override void RmsNorm(Activation input, in NormSpec norm, Activation output)
    {
        using var clock = new Clock(this, "norm");
        base.RmsNorm(input, in norm, output);
    }

    public override void Project(Activation input, RowList rows, WeightMatrix weight, in Epilogue epilogue)
    {
        using var clock = new Clock(this, epilogue.Kind switch
        {
            EpilogueKind.Store => "qkv",
            EpilogueKind.Add => "o and down",
            EpilogueKind.GatedSilu => "gate and up",
            _ => "logits",
        });
        base.Project(input, rows, weight, in epilogue);
    }

    public override void Route(Activation input, WeightMatrix router, in RoutingSpec spec, ExpertRouting routing)
    {
        using var clock = new Clock(this, "route");
        base.Route(input, router, in spec, routing);
    }

    public override void ProjectExperts(Activation input, ExpertRouting routing, ExpertMatrix weight, in Epilogue epilogue)
    {
        using var clock = new Clock(this, epilogue.Kind == EpilogueKind.GatedSilu ? "experts' gate and up" : "experts' down");
        base.ProjectExperts(input, routing, weight, in epilogue);
    }

    public override void RotateAndStore(Activation qkv, in RotarySpec rotary, KvLayer layer)
    {
        using var clock = new Clock(this, "rotate and store");
        base.RotateAndStore(qkv, in rotary, layer);
    }

    public override void Attend(Activation qkv, in AttentionSpec attention, KvLayer layer, Activation output)
    {
        using var clock = new Clock(this, "attention");
        base.Attend(qkv, in attention, layer, output);
    }

    public override void Sample(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows, Span<SampledToken> results)
    {
        using var clock = new Clock(this, "sample");
        base.Sample(logits, rows, results);
    }

    private WeightMatrix Count(WeightMatrix matrix)
    {
        WeightBytes += 2L * (matrix.Gated ? 2 : 1) * matrix.Rows * matrix.Columns;
        return matrix;
    }

    /// <summary>Adds the time until its disposal to an operation's.</summary>
    private readonly struct Clock(TimedOperations operations, string operation) : IDisposable
    {
        private readonly long _start = Stopwatch.GetTimestamp();

        public void Dispose() => operations._seconds[operation] =
            operations._seconds.GetValueOrDefault(operation) + Stopwatch.GetElapsedTime(_start).TotalSeconds;
    }
}
