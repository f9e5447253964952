using System.Reflection;
using Grid.Models.Operations;

namespace Grid.Models.Tests.Support;

/// <summary>A device that computes nothing and notes what came through the checks.</summary>
public sealed class CheckedDevice(KnownFields known) : DeviceOperations(known)
{
    private static readonly Type[] s_records =
        [typeof(NormSpec), typeof(RowList), typeof(Epilogue), typeof(RoutingSpec), typeof(RotarySpec), typeof(AttentionSpec)];

    /// <summary>Every field there is.</summary>
    public static KnownFields All => AllBut(null, null);

    public override string DeviceDescription => "a checked device";

    public override bool RunsAhead => true;

    /// <summary>The operations that were let through, in order.</summary>
    public List<string> Computed { get; } = [];

    public bool Remembers { get; set; } = true;

    public Epilogue LastEpilogue { get; private set; }

    /// <summary>Every field there is, but for one.</summary>
    public static KnownFields AllBut(Type? record, string? field)
    {
        var known = new KnownFields();
        foreach (var type in s_records)
        {
            string[] names = [.. FieldsOf(type).Where(name => type != record || name != field)];
            typeof(KnownFields).GetMethod(nameof(KnownFields.Of))!.MakeGenericMethod(type).Invoke(known, [names]);
        }

        return known;
    }

    public static IEnumerable<string> FieldsOf(Type record) =>
        record.GetProperties(BindingFlags.Instance | BindingFlags.Public).Select(property => property.Name);

    public override long KvPageBytes(int layers, int kvHeads, int headDim) => 1;

    protected override void Dispose(bool disposing)
    {
    }

    protected override WeightMatrix UploadMatrixCore(ReadOnlySpan<TensorSource> parts) =>
        new CheckedMatrix(parts[0].Name, parts.ToArray().Sum(part => part.Rows), parts[0].Columns, gated: false);

    protected override WeightMatrix UploadGatedMatrixCore(TensorSource gate, TensorSource up) => new CheckedMatrix(gate.Name, gate.Rows, gate.Columns, gated: true);

    protected override ExpertMatrix UploadExpertsCore(ReadOnlySpan<TensorSource> experts) =>
        new CheckedExperts(experts[0].Name, experts.Length, experts[0].Rows, experts[0].Columns, gated: false);

    protected override ExpertMatrix UploadGatedExpertsCore(ReadOnlySpan<TensorSource> gates, ReadOnlySpan<TensorSource> ups) =>
        new CheckedExperts(gates[0].Name, gates.Length, gates[0].Rows, gates[0].Columns, gated: true);

    protected override WeightVector UploadVectorCore(ReadOnlySpan<TensorSource> parts) =>
        new CheckedVector(parts[0].Name, parts.ToArray().Sum(part => part.Columns));

    protected override void ReplaceCore(WeightMatrix weights, ReadOnlySpan<TensorSource> sources) => Note("Replace");

    protected override void ReplaceCore(ExpertMatrix weights, ReadOnlySpan<TensorSource> sources) => Note("Replace");

    protected override void ReplaceCore(WeightVector weights, ReadOnlySpan<TensorSource> sources) => Note("Replace");

    protected override RotaryTable UploadRotaryCore(ReadOnlySpan<float> cos, ReadOnlySpan<float> sin, int positions, int headDim) =>
        new CheckedRotary(positions, headDim);

    protected override Activation AllocateActivationCore(int maxRows, int width) => new CheckedActivation(maxRows, width);

    protected override LogitsBuffer AllocateLogitsCore(int maxRows, int width) => new CheckedLogits(maxRows, width);

    protected override ExpertRouting AllocateRoutingCore(int maxRows, int experts, int slots, int width) => new CheckedRouting(maxRows, experts, slots, width);

    protected override KvCache AllocateKvCacheCore(int layers, int kvHeads, int headDim, int pages) => new CheckedKvCache(layers, kvHeads, headDim, pages);

    protected override void ClearPagesCore(KvCache cache, ReadOnlySpan<int> pages) => Note("ClearPages");

    protected override void BeginStepCore(BatchLayout batch)
    {
    }

    protected override void RunStepCore(BatchLayout batch, Action pass) => pass();

    protected override void EmbedCore(WeightMatrix table, Activation output) => Note("Embed");

    protected override void RmsNormCore(Activation input, in NormSpec norm, Activation output) => Note("RmsNorm");

    protected override void ProjectCore(Activation input, RowList rows, WeightMatrix weight, in Epilogue epilogue)
    {
        LastEpilogue = epilogue;
        Note("Project");
    }

    protected override void RouteCore(Activation input, WeightMatrix router, in RoutingSpec spec, ExpertRouting routing) => Note("Route");

    protected override void ProjectExpertsCore(Activation input, ExpertRouting routing, ExpertMatrix weight, in Epilogue epilogue)
    {
        LastEpilogue = epilogue;
        Note("ProjectExperts");
    }

    protected override void RotateAndStoreCore(Activation qkv, in RotarySpec rotary, KvLayer layer) => Note("RotateAndStore");

    protected override void AttendCore(Activation qkv, in AttentionSpec attention, KvLayer layer, Activation output) => Note("Attend");

    protected override void SampleCore(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows, Span<SampledToken> results) => Note("Sample");

    protected override void BeginSampleCore(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows) => Note("BeginSample");

    protected override StepTime EndSampleCore(Span<SampledToken> results)
    {
        Note($"EndSample {results.Length}");
        return default;
    }

    protected override void ReadCore(Activation source, int rows, Span<ushort> destination) => Note("Read");

    protected override void ReadCore(LogitsBuffer source, int rows, Span<float> destination) => Note("Read");

    protected override void ReadCore(ExpertRouting source, int rows, Span<int> experts, Span<float> weights) => Note("Read");

    private void Note(string operation)
    {
        if (Remembers)
        {
            Computed.Add(operation);
        }
    }
}

internal sealed class CheckedMatrix(string name, int rows, int columns, bool gated) : WeightMatrix(name, rows, columns, gated);

internal sealed class CheckedExperts(string name, int experts, int rows, int columns, bool gated)
    : ExpertMatrix(name, experts, rows, columns, gated);

internal sealed class CheckedVector(string name, int length) : WeightVector(name, length);

internal sealed class CheckedRotary(int positions, int headDim) : RotaryTable(positions, headDim);

internal sealed class CheckedActivation(int maxRows, int width) : Activation(maxRows, width);

internal sealed class CheckedLogits(int maxRows, int width) : LogitsBuffer(maxRows, width);

internal sealed class CheckedRouting(int maxRows, int experts, int slots, int width) : ExpertRouting(maxRows, experts, slots, width);

internal sealed class CheckedKvCache(int layers, int kvHeads, int headDim, int pages) : KvCache(layers, kvHeads, headDim, pages);
