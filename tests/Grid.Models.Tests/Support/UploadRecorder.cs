using Grid.Models.Operations;

namespace Grid.Models.Tests.Support;

/// <summary>Operations that only take weights in, and remember their bits: for tests of loading.</summary>
public sealed class UploadRecorder : IOperations
{
    /// <summary>What was uploaded, by tensor name.</summary>
    public Dictionary<string, ushort[]> Uploaded { get; } = new(StringComparer.Ordinal);

    /// <summary>Every freeing of a matrix, by name: one that is freed twice is here twice.</summary>
    public List<string> Freed { get; } = [];

    /// <summary>The matrices uploaded, by name.</summary>
    public List<string> Matrices { get; } = [];

    public string DeviceDescription => "a recorder of uploads";

    public WeightMatrix UploadMatrix(params ReadOnlySpan<TensorSource> parts)
    {
        int rows = 0;
        string names = "";
        foreach (TensorSource part in parts)
        {
            Record(part);
            rows += part.Rows;
            names += part.Name;
        }

        return new Matrix(this, names, rows, parts[0].Columns);
    }

    public WeightMatrix UploadGatedMatrix(TensorSource gate, TensorSource up)
    {
        Record(gate);
        Record(up);
        return new Matrix(this, gate.Name, gate.Rows, gate.Columns);
    }

    public ExpertMatrix UploadExperts(ReadOnlySpan<TensorSource> experts)
    {
        foreach (TensorSource expert in experts)
        {
            Record(expert);
        }

        return new ExpertMatrices(this, experts[0].Name, experts.Length, experts[0].Rows, experts[0].Columns);
    }

    public ExpertMatrix UploadGatedExperts(ReadOnlySpan<TensorSource> gates, ReadOnlySpan<TensorSource> ups)
    {
        for (int i = 0; i < gates.Length; i++)
        {
            Record(gates[i]);
            Record(ups[i]);
        }

        return new ExpertMatrices(this, gates[0].Name, gates.Length, gates[0].Rows, gates[0].Columns);
    }

    public WeightVector UploadVector(params ReadOnlySpan<TensorSource> parts)
    {
        int length = 0;
        foreach (TensorSource part in parts)
        {
            Record(part);
            length += part.Columns;
        }

        return new Vector(parts[0].Name, length);
    }

    public RotaryTable UploadRotary(ReadOnlySpan<float> cos, ReadOnlySpan<float> sin, int positions, int headDim) =>
        new Rotary(positions, headDim);

    public Activation AllocateActivation(int maxRows, int width) => new Rows(maxRows, width);

    public ExpertRouting AllocateRouting(int maxRows, int experts, int slots, int width) => new Routing(maxRows, experts, slots, width);

    public long KvPageBytes(int layers, int kvHeads, int headDim) => throw Unused();

    public LogitsBuffer AllocateLogits(int maxRows, int width) => throw Unused();

    public KvCache AllocateKvCache(int layers, int kvHeads, int headDim, int pages) => throw Unused();

    public void ClearPages(KvCache cache, ReadOnlySpan<int> pages) => throw Unused();

    public void BeginStep(BatchLayout batch) => throw Unused();

    public void RunStep(BatchLayout batch, Action pass) => throw Unused();

    public void Embed(WeightMatrix table, Activation output) => throw Unused();

    public void RmsNorm(Activation input, WeightVector weight, float epsilon, Activation output) => throw Unused();

    public void Project(Activation input, WeightMatrix weight, WeightVector? bias, Activation output) => throw Unused();

    public void ProjectAdd(Activation input, WeightMatrix weight, Activation residual) => throw Unused();

    public void ProjectGatedSilu(Activation input, WeightMatrix gateUp, Activation output) => throw Unused();

    public void Route(Activation input, WeightMatrix router, bool normalize, ExpertRouting routing) => throw Unused();

    public void ProjectExpertsGatedSilu(Activation input, ExpertRouting routing, ExpertMatrix gateUp, Activation output) => throw Unused();

    public void ProjectExpertsAdd(Activation input, ExpertRouting routing, ExpertMatrix down, Activation residual) => throw Unused();

    public void Read(ExpertRouting source, int rows, Span<int> experts, Span<float> weights) => throw Unused();

    public void RotateAndStore(
        Activation qkv, int queryHeads, WeightVector? queryNorm, WeightVector? keyNorm, float epsilon,
        RotaryTable rotary, KvCache cache, int layer) => throw Unused();

    public void Attend(Activation qkv, int queryHeads, float scale, KvCache cache, int layer, Activation output) => throw Unused();

    public void ComputeLogits(Activation hidden, WeightMatrix head, int first, int count, LogitsBuffer logits) => throw Unused();

    public void Sample(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows, Span<SampledToken> results) => throw Unused();

    public void Read(Activation source, int rows, Span<ushort> destination) => throw Unused();

    public void Read(LogitsBuffer source, int rows, Span<float> destination) => throw Unused();

    public void Dispose()
    {
    }

    private static InvalidOperationException Unused() => new("loading a model computes nothing");

    private void Record(TensorSource source)
    {
        var values = new ushort[source.Rows * source.Columns];
        // Rows may be read in any order and in parallel; last first here.
        Parallel.For(0, source.Rows, r =>
        {
            int row = source.Rows - 1 - r;
            source.CopyRow(row, values.AsSpan(row * source.Columns, source.Columns));
        });
        Uploaded.Add(source.Name, values);
    }

    private sealed class Matrix : WeightMatrix
    {
        private readonly UploadRecorder _recorder;

        public Matrix(UploadRecorder recorder, string name, int rows, int columns)
            : base(name, rows, columns)
        {
            _recorder = recorder;
            recorder.Matrices.Add(name);
        }

        protected override void Dispose(bool disposing)
        {
            _recorder.Freed.Add(Name);
            base.Dispose(disposing);
        }
    }

    private sealed class ExpertMatrices : ExpertMatrix
    {
        private readonly UploadRecorder _recorder;

        public ExpertMatrices(UploadRecorder recorder, string name, int experts, int rows, int columns)
            : base(name, experts, rows, columns)
        {
            _recorder = recorder;
            recorder.Matrices.Add(name);
        }

        protected override void Dispose(bool disposing)
        {
            _recorder.Freed.Add(Name);
            base.Dispose(disposing);
        }
    }

    private sealed class Routing(int maxRows, int experts, int slots, int width) : ExpertRouting(maxRows, experts, slots, width);

    private sealed class Vector(string name, int length) : WeightVector(name, length);

    private sealed class Rotary(int positions, int headDim) : RotaryTable(positions, headDim);

    private sealed class Rows(int maxRows, int width) : Activation(maxRows, width);
}
