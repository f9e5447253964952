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
public sealed unsafe class CpuOperations : IOperations
{
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
    private BatchLayout _batch = new(0, 0);
    private int[] _sequenceOfRow = [];

    /// <summary>Starts the device's threads.</summary>
    /// <exception cref="PlatformNotSupportedException">The instruction set asked for is not there.</exception>
    public CpuOperations(CpuOptions options)
    {
        _instructionSet = options.ResolveInstructionSet();
        _crew = new WorkCrew(options.ResolveThreads());
        var kernel = ChainKernel.Create(_instructionSet);
        _product = new Product(_crew, kernel);
        _expertProduct = new ExpertProduct(_crew, kernel);
        _attention = new AttentionTask(_crew, kernel);
    }

    /// <inheritdoc/>
    public string DeviceDescription =>
        $"CPU, {_crew.Threads} core{(_crew.Threads == 1 ? "" : "s")}, {_instructionSet}, {RuntimeInformation.ProcessArchitecture}";

    /// <inheritdoc/>
    public WeightMatrix UploadMatrix(params ReadOnlySpan<TensorSource> parts)
    {
        int rows = 0;
        var names = new List<string>();
        foreach (TensorSource part in parts)
        {
            RequireColumns(part, parts[0].Columns);
            rows += part.Rows;
            names.Add(part.Name);
        }

        var matrix = new CpuMatrix(string.Join(" + ", names), rows, parts[0].Columns, gated: false);
        _crew.Run(new MatrixPacker(matrix, parts.ToArray()), matrix.Tiles);
        return matrix;
    }

    /// <inheritdoc/>
    public WeightMatrix UploadGatedMatrix(TensorSource gate, TensorSource up)
    {
        RequireColumns(up, gate.Columns);
        if (up.Rows != gate.Rows)
        {
            throw new ArgumentException($"{up.Name} has {up.Rows} rows and {gate.Name} {gate.Rows}; gate and up must have as many.", nameof(up));
        }

        var matrix = new CpuMatrix($"{gate.Name} * {up.Name}", gate.Rows, gate.Columns, gated: true);
        _crew.Run(new MatrixPacker(matrix, [gate, up]), matrix.Tiles);
        return matrix;
    }

    /// <inheritdoc/>
    public ExpertMatrix UploadExperts(ReadOnlySpan<TensorSource> experts)
    {
        var matrices = new CpuMatrix[experts.Length];
        for (int expert = 0; expert < matrices.Length; expert++)
        {
            RequireShape(experts[expert], experts[0]);
            matrices[expert] = (CpuMatrix)UploadMatrix(experts[expert]);
        }

        return new CpuExpertMatrix(matrices[0].Name, matrices);
    }

    /// <inheritdoc/>
    public ExpertMatrix UploadGatedExperts(ReadOnlySpan<TensorSource> gates, ReadOnlySpan<TensorSource> ups)
    {
        if (gates.Length != ups.Length)
        {
            throw new ArgumentException($"There are {gates.Length} gates and {ups.Length} ups; every expert needs one of each.", nameof(ups));
        }

        var matrices = new CpuMatrix[gates.Length];
        for (int expert = 0; expert < matrices.Length; expert++)
        {
            RequireShape(gates[expert], gates[0]);
            matrices[expert] = (CpuMatrix)UploadGatedMatrix(gates[expert], ups[expert]);
        }

        return new CpuExpertMatrix(matrices[0].Name, matrices);
    }

    /// <inheritdoc/>
    public WeightVector UploadVector(params ReadOnlySpan<TensorSource> parts)
    {
        var values = new List<float>();
        var names = new List<string>();
        foreach (TensorSource part in parts)
        {
            var bits = new ushort[part.Columns];
            part.CopyRow(0, bits);
            values.AddRange(Array.ConvertAll(bits, Bf16.ToSingle));
            names.Add(part.Name);
        }

        return new CpuVector(string.Join(" + ", names), [.. values]);
    }

    /// <inheritdoc/>
    public RotaryTable UploadRotary(ReadOnlySpan<float> cos, ReadOnlySpan<float> sin, int positions, int headDim)
    {
        long length = (long)positions * (headDim / 2);
        if (cos.Length != length || sin.Length != length)
        {
            throw new ArgumentException($"cos has {cos.Length} and sin {sin.Length} values; {positions} positions of head size {headDim} need {length}.", nameof(cos));
        }

        return new CpuRotaryTable(cos.ToArray(), sin.ToArray(), positions, headDim);
    }

    /// <inheritdoc/>
    public Activation AllocateActivation(int maxRows, int width) => new CpuActivation(maxRows, width);

    /// <inheritdoc/>
    public LogitsBuffer AllocateLogits(int maxRows, int width) => new CpuLogits(maxRows, width);

    /// <inheritdoc/>
    public ExpertRouting AllocateRouting(int maxRows, int experts, int slots, int width) =>
        slots > 0 && slots <= experts
            ? new CpuExpertRouting(maxRows, experts, slots, width)
            : throw new ArgumentOutOfRangeException(nameof(slots), slots, $"slots must be from 1 to the number of experts ({experts}).");

    /// <inheritdoc/>
    public KvCache AllocateKvCache(int layers, int kvHeads, int headDim, int pages) =>
        headDim > 0 && headDim % 16 == 0
            ? new CpuKvCache(layers, kvHeads, headDim, pages)
            : throw new ArgumentOutOfRangeException(nameof(headDim), headDim, "headDim must be a positive multiple of 16.");

    /// <inheritdoc/>
    public long KvPageBytes(int layers, int kvHeads, int headDim) =>
        CpuKvCache.PageLength(layers, kvHeads, headDim) * sizeof(ushort);

    /// <inheritdoc/>
    public void ClearPages(KvCache cache, ReadOnlySpan<int> pages)
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
    public void BeginStep(BatchLayout batch)
    {
        _batch = batch;
        if (_sequenceOfRow.Length < batch.RowCount)
        {
            _sequenceOfRow = new int[batch.TokenIds.Length];
        }

        for (int s = 0; s < batch.SequenceCount; s++)
        {
            SequenceSlice slice = batch.Sequences[s];
            _sequenceOfRow.AsSpan(slice.FirstRow, slice.RowCount).Fill(s);
        }
    }

    /// <inheritdoc/>
    public void RunStep(BatchLayout batch, Action pass)
    {
        BeginStep(batch);
        pass();
    }

    /// <inheritdoc/>
    public void Embed(WeightMatrix table, Activation output) => _embed.Run(_crew, (CpuMatrix)table, _batch, (CpuActivation)output);

    /// <inheritdoc/>
    public void RmsNorm(Activation input, WeightVector weight, float epsilon, Activation output) =>
        _norm.Run(_crew, (CpuActivation)input, (CpuVector)weight, epsilon, _batch.RowCount, (CpuActivation)output);

    /// <inheritdoc/>
    public void Project(Activation input, WeightMatrix weight, WeightVector? bias, Activation output)
    {
        if (bias is not null && bias.Length != weight.Rows)
        {
            throw new ArgumentException($"{bias.Name} has {bias.Length} values; {weight.Name} gives {weight.Rows}.", nameof(bias));
        }

        RunProduct(input, weight, bias is null ? Epilogue.Store : Epilogue.StoreBiased, output, (CpuVector?)bias);
    }

    /// <inheritdoc/>
    public void ProjectAdd(Activation input, WeightMatrix weight, Activation residual) => RunProduct(input, weight, Epilogue.Add, residual);

    /// <inheritdoc/>
    public void ProjectGatedSilu(Activation input, WeightMatrix gateUp, Activation output)
    {
        if (!((CpuMatrix)gateUp).Gated)
        {
            throw new ArgumentException($"{gateUp.Name} was not uploaded as a gated matrix.", nameof(gateUp));
        }

        RunProduct(input, gateUp, Epilogue.GatedSilu, output);
    }

    /// <inheritdoc/>
    public void Route(Activation input, WeightMatrix router, bool normalize, ExpertRouting routing)
    {
        var target = (CpuExpertRouting)routing;
        RequireWidths(router.Name, router.Rows, router.Columns, input.Width, target.Experts);
        _product.Run((CpuActivation)input, [], _batch.RowCount, (CpuMatrix)router, Epilogue.Logits, null, target.Logits);
        _route.Run(_crew, target, _batch.RowCount, normalize);
    }

    /// <inheritdoc/>
    public void ProjectExpertsGatedSilu(Activation input, ExpertRouting routing, ExpertMatrix gateUp, Activation output)
    {
        var weight = (CpuExpertMatrix)gateUp;
        if (!weight.Gated)
        {
            throw new ArgumentException($"{weight.Name} was not uploaded as gated experts.", nameof(gateUp));
        }

        RequireRouting(routing, weight);
        RequireWidths(weight.Name, weight.Rows * routing.Slots, weight.Columns, input.Width, output.Width);
        _expertProduct.RunGated((CpuActivation)input, (CpuExpertRouting)routing, weight, (CpuActivation)output);
    }

    /// <inheritdoc/>
    public void ProjectExpertsAdd(Activation input, ExpertRouting routing, ExpertMatrix down, Activation residual)
    {
        var weight = (CpuExpertMatrix)down;
        if (weight.Gated || weight.Rows != routing.Width)
        {
            throw new ArgumentException($"{weight.Name} must be plain experts of {routing.Width} outputs, the routing's width.", nameof(down));
        }

        RequireRouting(routing, weight);
        RequireWidths(weight.Name, weight.Rows, weight.Columns * routing.Slots, input.Width, residual.Width);
        _expertProduct.RunPlain((CpuActivation)input, (CpuExpertRouting)routing, weight);
        _combine.Run(_crew, (CpuExpertRouting)routing, (CpuActivation)residual);
    }

    /// <inheritdoc/>
    public void RotateAndStore(
        Activation qkv, int queryHeads, WeightVector? queryNorm, WeightVector? keyNorm, float epsilon, RotaryTable rotary,
        KvCache cache, int layer) =>
        _rotateAndStore.Run(
            _crew, _batch, _sequenceOfRow, (CpuActivation)qkv, queryHeads, (CpuVector?)queryNorm, (CpuVector?)keyNorm, epsilon,
            (CpuRotaryTable)rotary, (CpuKvCache)cache, layer);

    /// <inheritdoc/>
    public void Attend(Activation qkv, int queryHeads, float scale, KvCache cache, int layer, Activation output) =>
        _attention.Run(_batch, (CpuActivation)qkv, queryHeads, scale, (CpuKvCache)cache, layer, (CpuActivation)output);

    /// <inheritdoc/>
    public void ComputeLogits(Activation hidden, WeightMatrix head, int first, int count, LogitsBuffer logits) =>
        _product.Run((CpuActivation)hidden, _batch.LogitRows.AsSpan(first, count), count, (CpuMatrix)head, Epilogue.Logits, null, (CpuLogits)logits);

    /// <inheritdoc/>
    public void Sample(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows, Span<SampledToken> results) =>
        _sampling.Run(_crew, (CpuLogits)logits, rows, results);

    /// <inheritdoc/>
    public void Read(Activation source, int rows, Span<ushort> destination)
    {
        var activation = (CpuActivation)source;
        activation.Data.Slice(0, rows * activation.Width).CopyTo(destination);
    }

    /// <inheritdoc/>
    public void Read(LogitsBuffer source, int rows, Span<float> destination)
    {
        var logits = (CpuLogits)source;
        logits.Data.Slice(0, rows * logits.Width).CopyTo(destination);
    }

    /// <inheritdoc/>
    public void Read(ExpertRouting source, int rows, Span<int> experts, Span<float> weights)
    {
        var routing = (CpuExpertRouting)source;
        routing.Chosen.AsSpan(0, rows * routing.Slots).CopyTo(experts);
        routing.Weights.AsSpan(0, rows * routing.Slots).CopyTo(weights);
    }

    /// <inheritdoc/>
    public void Dispose() => _crew.Dispose();

    private void RunProduct(Activation input, WeightMatrix weight, Epilogue epilogue, Activation target, CpuVector? bias = null)
    {
        RequireWidths(weight.Name, weight.Rows, weight.Columns, input.Width, target.Width);
        _product.Run((CpuActivation)input, [], _batch.RowCount, (CpuMatrix)weight, epilogue, (CpuActivation)target, null, bias);
    }

    private void RequireRouting(ExpertRouting routing, CpuExpertMatrix weight)
    {
        if (routing.Experts != weight.Experts || ((CpuExpertRouting)routing).Rows != _batch.RowCount)
        {
            throw new ArgumentException(
                $"The routing is of {((CpuExpertRouting)routing).Rows} rows to {routing.Experts} experts; this step has {_batch.RowCount} rows, and {weight.Name} {weight.Experts} experts.",
                nameof(routing));
        }
    }

    private static void RequireWidths(string weight, int outputs, int inputs, int inputWidth, int targetWidth)
    {
        if (inputWidth != inputs || targetWidth != outputs)
        {
            throw new ArgumentException(
                $"{weight} takes rows of {inputs} to rows of {outputs}; it does not take rows of {inputWidth} to rows of {targetWidth}.", nameof(weight));
        }
    }

    private static void RequireShape(TensorSource source, TensorSource first)
    {
        if (source.Rows != first.Rows || source.Columns != first.Columns)
        {
            throw new ArgumentException(
                $"{source.Name} is [{source.Rows}, {source.Columns}] and {first.Name} [{first.Rows}, {first.Columns}]; all experts must have one shape.",
                nameof(source));
        }
    }

    private static void RequireColumns(TensorSource source, int columns)
    {
        if (source.Columns != columns)
        {
            throw new ArgumentException($"{source.Name} has {source.Columns} columns; stacked matrices need {columns}.", nameof(source));
        }
    }
}
