using System.Runtime.InteropServices;
using Grid.Cpu.Attention;
using Grid.Cpu.Chains;
using Grid.Cpu.Experts;
using Grid.Cpu.Memory;
using Grid.Cpu.Products;
using Grid.Cpu.Rows;
using Grid.Cpu.Sampling;
using Grid.Cpu.Threading;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cpu;

/// <summary>
/// The operations of the numeric contract on a CPU. Work is split over cores by rows and by output columns, never along a
/// reduction, so neither the number of cores nor the instruction set is visible in a result.
/// </summary>
public sealed unsafe class CpuOperations : DeviceOperations
{
    private static readonly KnownFields s_known = new KnownFields()
        .Of<NormSpec>(nameof(NormSpec.Weight), nameof(NormSpec.Epsilon))
        .Of<RowList>(nameof(RowList.IsListed), nameof(RowList.First), nameof(RowList.Count))
        .Of<Epilogue>(nameof(Epilogue.Kind), nameof(Epilogue.Target), nameof(Epilogue.Logits), nameof(Epilogue.Bias))
        .Of<RoutingSpec>(nameof(RoutingSpec.Normalize))
        .Of<RotarySpec>(
            nameof(RotarySpec.QueryHeads), nameof(RotarySpec.Table), nameof(RotarySpec.QueryNorm), nameof(RotarySpec.KeyNorm), nameof(RotarySpec.Epsilon))
        .Of<AttentionSpec>(nameof(AttentionSpec.QueryHeads), nameof(AttentionSpec.Scale));

    private readonly WorkCrew _crew;
    private readonly CpuInstructionSet _instructionSet;
    private readonly Product _product;
    private readonly AttentionTask _attention;
    private readonly EmbedTask _embed = new();
    private readonly NormTask _norm = new();
    private readonly RotateAndStoreTask _rotateAndStore = new();
    private readonly ExpertProduct _expertProduct;
    private readonly RouteTask _route = new();
    private readonly CombineTask _combine = new();
    private readonly SamplingTask _sampling = new();
    private int[] _sequenceOfRow = [];

    /// <summary>Starts the device's threads.</summary>
    /// <exception cref="PlatformNotSupportedException">The instruction set asked for is not there.</exception>
    public CpuOperations(CpuOptions options)
        : base(s_known)
    {
        _instructionSet = options.ResolveInstructionSet();
        _crew = new WorkCrew(options.ResolveThreads());
        var kernel = ChainKernel.Create(_instructionSet);
        _product = new Product(_crew, kernel);
        _expertProduct = new ExpertProduct(_crew, kernel);
        _attention = new AttentionTask(_crew, kernel);
    }

    /// <inheritdoc/>
    public override string DeviceDescription =>
        $"CPU, {_crew.Threads} core{(_crew.Threads == 1 ? "" : "s")}, {_instructionSet}, {RuntimeInformation.ProcessArchitecture}";

    /// <inheritdoc/>
    public override long KvPageBytes(int layers, int kvHeads, int headDim) =>
        CpuKvCache.PageLength(layers, kvHeads, headDim) * sizeof(ushort);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _crew.Dispose();
        }
    }

    // ---- Load time -------------------------------------------------------------------------------------------

    /// <inheritdoc/>
    protected override WeightMatrix UploadMatrixCore(ReadOnlySpan<TensorSource> parts)
    {
        int rows = 0;
        foreach (var part in parts)
        {
            rows += part.Rows;
        }

        return Packed(new CpuMatrix(Names(parts), rows, parts[0].Columns, gated: false), parts.ToArray());
    }

    /// <inheritdoc/>
    protected override WeightMatrix UploadGatedMatrixCore(TensorSource gate, TensorSource up) =>
        Packed(new CpuMatrix($"{gate.Name} * {up.Name}", gate.Rows, gate.Columns, gated: true), [gate, up]);

    /// <inheritdoc/>
    protected override ExpertMatrix UploadExpertsCore(ReadOnlySpan<TensorSource> experts)
    {
        var matrices = new CpuMatrix[experts.Length];
        for (int expert = 0; expert < matrices.Length; expert++)
        {
            matrices[expert] = (CpuMatrix)UploadMatrixCore(experts.Slice(expert, 1));
        }

        return new CpuExpertMatrix(matrices[0].Name, matrices);
    }

    /// <inheritdoc/>
    protected override ExpertMatrix UploadGatedExpertsCore(ReadOnlySpan<TensorSource> gates, ReadOnlySpan<TensorSource> ups)
    {
        var matrices = new CpuMatrix[gates.Length];
        for (int expert = 0; expert < matrices.Length; expert++)
        {
            matrices[expert] = (CpuMatrix)UploadGatedMatrixCore(gates[expert], ups[expert]);
        }

        return new CpuExpertMatrix(matrices[0].Name, matrices);
    }

    /// <inheritdoc/>
    protected override WeightVector UploadVectorCore(ReadOnlySpan<TensorSource> parts)
    {
        int length = 0;
        foreach (var part in parts)
        {
            length += part.Columns;
        }

        var vector = new CpuVector(Names(parts), new float[length]);
        ReplaceCore(vector, parts);
        return vector;
    }

    /// <inheritdoc/>
    protected override void ReplaceCore(WeightMatrix weights, ReadOnlySpan<TensorSource> sources) => Packed((CpuMatrix)weights, sources.ToArray());

    /// <inheritdoc/>
    protected override void ReplaceCore(ExpertMatrix weights, ReadOnlySpan<TensorSource> sources)
    {
        var matrices = ((CpuExpertMatrix)weights).Matrices;
        for (int expert = 0; expert < matrices.Length; expert++)
        {
            Packed(matrices[expert], weights.Gated ? [sources[expert], sources[matrices.Length + expert]] : [sources[expert]]);
        }
    }

    /// <inheritdoc/>
    protected override void ReplaceCore(WeightVector weights, ReadOnlySpan<TensorSource> sources)
    {
        var values = ((CpuVector)weights).Values.AsSpan();
        foreach (var source in sources)
        {
            ushort[] bits = new ushort[source.Columns];
            source.CopyRow(0, bits);
            Array.ConvertAll(bits, Bf16.ToSingle).CopyTo(values);
            values = values[bits.Length..];
        }
    }

    /// <inheritdoc/>
    protected override RotaryTable UploadRotaryCore(ReadOnlySpan<float> cos, ReadOnlySpan<float> sin, int positions, int headDim) =>
        new CpuRotaryTable(cos.ToArray(), sin.ToArray(), positions, headDim);

    /// <inheritdoc/>
    protected override Activation AllocateActivationCore(int maxRows, int width) => new CpuActivation(maxRows, width);

    /// <inheritdoc/>
    protected override LogitsBuffer AllocateLogitsCore(int maxRows, int width) => new CpuLogits(maxRows, width);

    /// <inheritdoc/>
    protected override ExpertRouting AllocateRoutingCore(int maxRows, int experts, int slots, int width) =>
        new CpuExpertRouting(maxRows, experts, slots, width);

    /// <inheritdoc/>
    protected override KvCache AllocateKvCacheCore(int layers, int kvHeads, int headDim, int pages) =>
        headDim % 16 == 0
            ? new CpuKvCache(layers, kvHeads, headDim, pages)
            : throw new ArgumentOutOfRangeException(nameof(headDim), headDim, "headDim must be a positive multiple of 16.");

    // ---- One step --------------------------------------------------------------------------------------------

    /// <inheritdoc/>
    protected override void ClearPagesCore(KvCache cache, ReadOnlySpan<int> pages)
    {
        var kv = (CpuKvCache)cache;
        long length = CpuKvCache.PageLength(kv.Layers, kv.KvHeads, kv.HeadDim);
        foreach (int page in pages)
        {
            NativeMemory.Clear(kv.Data.Pointer + (page * length), (nuint)(length * sizeof(ushort)));
            kv.Extreme[page] = false;
        }
    }

    /// <inheritdoc/>
    protected override void BeginStepCore(BatchLayout batch)
    {
        if (_sequenceOfRow.Length < batch.RowCount)
        {
            _sequenceOfRow = new int[batch.TokenIds.Length];
        }

        for (int s = 0; s < batch.SequenceCount; s++)
        {
            var slice = batch.Sequences[s];
            _sequenceOfRow.AsSpan(slice.FirstRow, slice.RowCount).Fill(s);
        }
    }

    /// <inheritdoc/>
    protected override void RunStepCore(BatchLayout batch, Action pass)
    {
        BeginStepCore(batch);
        pass();
    }

    /// <inheritdoc/>
    protected override void EmbedCore(WeightMatrix table, Activation output) => _embed.Run(_crew, (CpuMatrix)table, Batch, (CpuActivation)output);

    /// <inheritdoc/>
    protected override void RmsNormCore(Activation input, in NormSpec norm, Activation output) =>
        _norm.Run(_crew, (CpuActivation)input, in norm, Batch.RowCount, (CpuActivation)output);

    /// <inheritdoc/>
    protected override void ProjectCore(Activation input, RowList rows, WeightMatrix weight, in Epilogue epilogue)
    {
        ReadOnlySpan<int> listed = rows.IsListed ? Batch.LogitRows.AsSpan(rows.First, rows.Count) : [];
        _product.Run((CpuActivation)input, listed, rows.IsListed ? rows.Count : Batch.RowCount, (CpuMatrix)weight, in epilogue);
    }

    /// <inheritdoc/>
    protected override void RouteCore(Activation input, WeightMatrix router, in RoutingSpec spec, ExpertRouting routing)
    {
        var target = (CpuExpertRouting)routing;
        _product.Run((CpuActivation)input, [], routing.Rows, (CpuMatrix)router, Epilogue.Raw(target.Logits));
        _route.Run(_crew, target, in spec);
    }

    /// <inheritdoc/>
    protected override void ProjectExpertsCore(Activation input, ExpertRouting routing, ExpertMatrix weight, in Epilogue epilogue)
    {
        var target = (CpuExpertRouting)routing;
        if (epilogue.Kind == EpilogueKind.GatedSilu)
        {
            _expertProduct.RunGated((CpuActivation)input, target, (CpuExpertMatrix)weight, (CpuActivation)epilogue.Target!);
            return;
        }

        _expertProduct.RunPlain((CpuActivation)input, target, (CpuExpertMatrix)weight);
        _combine.Run(_crew, target, (CpuActivation)epilogue.Target!);
    }

    /// <inheritdoc/>
    protected override void RotateAndStoreCore(Activation qkv, in RotarySpec rotary, KvLayer layer) =>
        _rotateAndStore.Run(_crew, Batch, _sequenceOfRow, (CpuActivation)qkv, in rotary, layer);

    /// <inheritdoc/>
    protected override void AttendCore(Activation qkv, in AttentionSpec attention, KvLayer layer, Activation output) =>
        _attention.Run(Batch, (CpuActivation)qkv, in attention, layer, (CpuActivation)output);

    /// <inheritdoc/>
    protected override void SampleCore(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows, Span<SampledToken> results) =>
        _sampling.Run(_crew, (CpuLogits)logits, rows, results);

    // ---- Tests and tools -------------------------------------------------------------------------------------

    /// <inheritdoc/>
    protected override void ReadCore(Activation source, int rows, Span<ushort> destination) =>
        ((CpuActivation)source).Data.Slice(0, rows * source.Width).CopyTo(destination);

    /// <inheritdoc/>
    protected override void ReadCore(LogitsBuffer source, int rows, Span<float> destination) =>
        ((CpuLogits)source).Data.Slice(0, rows * source.Width).CopyTo(destination);

    /// <inheritdoc/>
    protected override void ReadCore(ExpertRouting source, int rows, Span<int> experts, Span<float> weights)
    {
        var routing = (CpuExpertRouting)source;
        routing.Chosen.AsSpan(0, rows * routing.Slots).CopyTo(experts);
        routing.Weights.AsSpan(0, rows * routing.Slots).CopyTo(weights);
    }

    private CpuMatrix Packed(CpuMatrix matrix, TensorSource[] parts)
    {
        _crew.Run(new MatrixPacker(matrix, parts), matrix.Tiles);
        return matrix;
    }

    private static string Names(ReadOnlySpan<TensorSource> parts) =>
        parts.Length == 1 ? parts[0].Name : string.Join(" + ", parts.ToArray().Select(part => part.Name));
}
