using Grid.Models.Operations;

namespace Grid.Models.Tests.Support;

/// <summary>Operations that take weights in and remember their bits, and refuse all else: for tests of loading.</summary>
public sealed class UploadRecorder() : DelegatingOperations(null)
{
    /// <summary>What was uploaded, by tensor name.</summary>
    public Dictionary<string, ushort[]> Uploaded { get; } = new(StringComparer.Ordinal);

    /// <summary>Every freeing of a matrix, by name: one that is freed twice is here twice.</summary>
    public List<string> Freed { get; } = [];

    /// <summary>The matrices uploaded, by name.</summary>
    public List<string> Matrices { get; } = [];

    public override string DeviceDescription => "a recorder of uploads";

    public override WeightMatrix UploadMatrix(params ReadOnlySpan<TensorSource> parts)
    {
        int rows = 0;
        string names = "";
        foreach (var part in parts)
        {
            Record(part);
            rows += part.Rows;
            names += part.Name;
        }

        return new Matrix(this, names, rows, parts[0].Columns, gated: false);
    }

    public override WeightMatrix UploadGatedMatrix(TensorSource gate, TensorSource up)
    {
        Record(gate);
        Record(up);
        return new Matrix(this, gate.Name, gate.Rows, gate.Columns, gated: true);
    }

    public override ExpertMatrix UploadExperts(ReadOnlySpan<TensorSource> experts)
    {
        foreach (var expert in experts)
        {
            Record(expert);
        }

        return new ExpertMatrices(this, experts[0].Name, experts.Length, experts[0].Rows, experts[0].Columns, gated: false);
    }

    public override ExpertMatrix UploadGatedExperts(ReadOnlySpan<TensorSource> gates, ReadOnlySpan<TensorSource> ups)
    {
        for (int i = 0; i < gates.Length; i++)
        {
            Record(gates[i]);
            Record(ups[i]);
        }

        return new ExpertMatrices(this, gates[0].Name, gates.Length, gates[0].Rows, gates[0].Columns, gated: true);
    }

    public override WeightVector UploadVector(params ReadOnlySpan<TensorSource> parts)
    {
        int length = 0;
        foreach (var part in parts)
        {
            Record(part);
            length += part.Columns;
        }

        return new Vector(parts[0].Name, length);
    }

    public override RotaryTable UploadRotary(ReadOnlySpan<float> cos, ReadOnlySpan<float> sin, int positions, int headDim) =>
        new Rotary(positions, headDim);

    public override Activation AllocateActivation(int maxRows, int width) => new Rows(maxRows, width);

    public override ExpertRouting AllocateRouting(int maxRows, int experts, int slots, int width) => new Routing(maxRows, experts, slots, width);

    private void Record(TensorSource source)
    {
        ushort[] values = new ushort[source.Rows * source.Columns];
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

        public Matrix(UploadRecorder recorder, string name, int rows, int columns, bool gated)
            : base(name, rows, columns, gated)
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

        public ExpertMatrices(UploadRecorder recorder, string name, int experts, int rows, int columns, bool gated)
            : base(name, experts, rows, columns, gated)
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
