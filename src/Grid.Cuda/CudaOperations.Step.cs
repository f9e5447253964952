using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.Attention;
using Grid.Cuda.Kernels.Product;
using Grid.Cuda.Kernels.RotateAndStore;
using Grid.Cuda.Operations;
using Grid.Models.Operations;

namespace Grid.Cuda;

/// <content>One step.</content>
public sealed partial class CudaOperations
{
    // Products read weights before they wait for the kernel before them, which must not be the one that packed these.
    private bool Early => options.KernelsStartEarly && !uploading;

    private int Rows => inputs.Shape.Rows;

    /// <inheritdoc/>
    public void BeginStep(BatchLayout batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        context.MakeCurrent();
        weights.ReleaseStaging();
        this.batch = batch;
        (stepGroup, groupsDiffer) = (0, false);
        plan.Count(batch, group);
        inputs.Upload(batch, plan, plan.ExactShape(batch));
        uploading = false; // That copy comes after every upload, and before every kernel of the step.
    }

    /// <inheritdoc/>
    public void RunStep(BatchLayout batch, Action pass)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentNullException.ThrowIfNull(pass);
        context.MakeCurrent();
        this.batch = batch;
        if (options.RecordPasses && !uploading && recorder.TryRun(batch, pass))
        {
            return;
        }

        BeginStep(batch);
        pass();
        recorder.Learn(pass, groupsDiffer ? 0 : group);
    }

    /// <inheritdoc/>
    public void ClearPages(KvCache cache, ReadOnlySpan<int> pages)
    {
        if (pages.IsEmpty)
        {
            return;
        }

        var kv = (CudaKvCache)cache;
        foreach (int page in pages)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(page, nameof(pages));
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(page, kv.Pages, nameof(pages));
        }

        context.MakeCurrent();
        kernels.ClearPages.Launch(
            stream, kv.Data, pageIds.Upload(pages), pages.Length, kv.Layers, kv.Pages, AttentionKernel.PageBytes(kv.KvHeads, kv.HeadDim));
    }

    /// <inheritdoc/>
    public void Embed(WeightMatrix table, Activation output)
    {
        RequirePlain(table);
        RequireWidths(table.Name, table.Columns, table.Columns, table.Columns, output.Width);
        kernels.Embed.Launch(
            stream, inputs.TokenIds, ((CudaMatrix)table).Tiles, Data(output), Rows, table.Rows, table.Columns, Early);
    }

    /// <inheritdoc/>
    public void RotateAndStore(
        Activation qkv, int queryHeads, WeightVector? queryNorm, WeightVector? keyNorm, float epsilon, RotaryTable rotary,
        KvCache cache, int layer)
    {
        var kv = (CudaKvCache)cache;
        var table = (CudaRotaryTable)rotary;
        RequireHeads(qkv, queryHeads, kv);
        if (table.HeadDim != kv.HeadDim)
        {
            throw new ArgumentException($"The rotary table is for heads of {table.HeadDim}, the KV cache for {kv.HeadDim}.", nameof(rotary));
        }

        kernels.RotateAndStore(kv.HeadDim).Launch(
            stream,
            new RotateAndStoreOperands
            {
                Qkv = Data(qkv),
                QueryNorm = queryNorm is null ? default : ((CudaVector)queryNorm).Values,
                KeyNorm = keyNorm is null ? default : ((CudaVector)keyNorm).Values,
                Epsilon = epsilon,
                Cos = table.Cos,
                Sin = table.Sin,
                TablePositions = table.Positions,
                Positions = inputs.Positions,
                Slots = inputs.Slots,
                Pages = kv.Layer(layer),
                Rows = Rows,
                QueryHeads = queryHeads,
                KvHeads = kv.KvHeads,
            },
            Early);
    }

    /// <inheritdoc/>
    public void RmsNorm(Activation input, WeightVector weight, float epsilon, Activation output)
    {
        RequireWidths(weight.Name, weight.Length, weight.Length, input.Width, output.Width);
        kernels.RmsNorm.Launch(
            stream, Data(input), ((CudaVector)weight).Values, Data(output), Rows, input.Width, epsilon, Early);
    }

    /// <inheritdoc/>
    public void Project(Activation input, WeightMatrix weight, WeightVector? bias, Activation output)
    {
        if (bias is not null && bias.Length != weight.Rows)
        {
            throw new ArgumentException($"{bias.Name} has {bias.Length} values; {weight.Name} gives {weight.Rows}.", nameof(bias));
        }

        LaunchProduct(
            Operands(input, weight, output, ProductEpilogue.Store) with { Bias = bias is null ? default : ((CudaVector)bias).Values });
    }

    /// <inheritdoc/>
    public void ProjectAdd(Activation input, WeightMatrix weight, Activation residual) =>
        LaunchProduct(Operands(input, weight, residual, ProductEpilogue.Add) with { Residual = Data(residual) });

    /// <inheritdoc/>
    public void ProjectGatedSilu(Activation input, WeightMatrix gateUp, Activation output) =>
        LaunchProduct(Operands(input, gateUp, output, ProductEpilogue.GatedSilu));

    /// <inheritdoc/>
    public void Attend(Activation qkv, int queryHeads, float scale, KvCache cache, int layer, Activation output)
    {
        var kv = (CudaKvCache)cache;
        RequireHeads(qkv, queryHeads, kv);
        RequireWidths("the attention", queryHeads * kv.HeadDim, qkv.Width, qkv.Width, output.Width);
        EnsurePlan(queryHeads / kv.KvHeads);
        EnsurePartials(queryHeads, kv.HeadDim);
        AttentionKernel kernel = kernels.Attention(kv.HeadDim);
        StepShape shape = inputs.Shape;
        var operands = new AttentionOperands
        {
            Queries = Data(qkv),
            QueryStride = qkv.Width,
            Output = Data(output),
            Pages = kv.Layer(layer),
            PageTable = inputs.PageTable,
            PageTableStride = shape.PageStride,
            Sequences = inputs.Sequences,
            Tiles = inputs.PrefillTiles,
            TileCount = inputs.PrefillTileCount,
            PartialValues = partialValues!.Span,
            PartialState = partialState!.Span,
            QueryHeads = queryHeads,
            KvHeads = kv.KvHeads,
            Scale = scale,
        };
        if (shape.PrefillTiles > 0)
        {
            kernel.LaunchPrefill(stream, operands, shape.PrefillTiles, Early);
        }

        operands = operands with { Tiles = inputs.DecodeTiles, TileCount = inputs.DecodeTileCount };
        if (shape.DecodeTiles > 0)
        {
            kernel.LaunchDecode(stream, operands, shape.DecodeTiles, Early);
        }

        if (shape.Merges)
        {
            kernel.LaunchMerge(stream, operands, shape.Sequences, Early);
        }
    }

    /// <inheritdoc/>
    public void ComputeLogits(Activation hidden, WeightMatrix head, int first, int count, LogitsBuffer logits)
    {
        RequirePlain(head);
        RequireWidths(head.Name, head.Rows, head.Columns, hidden.Width, logits.Width);
        context.MakeCurrent();
        LaunchProduct(new ProductOperands
        {
            Tiles = ((CudaMatrix)head).Tiles,
            Input = Data(hidden),
            Rows = AlignedLogitRows(first, count),
            Output = ((CudaLogits)logits).Data,
            Tokens = count,
            Width = head.Columns,
            Outputs = head.Rows,
            Epilogue = ProductEpilogue.Raw,
        });
    }

    /// <inheritdoc/>
    public void Sample(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows, Span<SampledToken> results)
    {
        var buffer = (CudaLogits)logits;
        context.MakeCurrent();
        buffer.Sampler.Sample(stream, buffer.Data, rows, results);
    }

    private static DeviceSpan Data(Activation activation) => ((CudaActivation)activation).Data;

    private void LaunchProduct(in ProductOperands operands) => kernels.Product.Launch(stream, operands, Early);

    private ProductOperands Operands(Activation input, WeightMatrix weight, Activation output, ProductEpilogue epilogue)
    {
        var matrix = (CudaMatrix)weight;
        if (matrix.Gated != (epilogue == ProductEpilogue.GatedSilu))
        {
            throw new ArgumentException(
                $"{weight.Name} was {(matrix.Gated ? "uploaded as a gated matrix" : "not uploaded as a gated matrix")}.", nameof(weight));
        }

        RequireWidths(weight.Name, weight.Rows, weight.Columns, input.Width, output.Width);
        return new ProductOperands
        {
            Tiles = matrix.Tiles,
            Input = Data(input),
            Output = Data(output),
            Tokens = Rows,
            Width = weight.Columns,
            Outputs = weight.Rows,
            Epilogue = epilogue,
        };
    }

    /// <summary>Tiles depend on how many heads share a key; what they were counted for is what the last attention had.</summary>
    private void EnsurePlan(int heads)
    {
        groupsDiffer |= stepGroup != 0 && stepGroup != heads;
        stepGroup = group = heads;
        if (plan.Group != heads)
        {
            plan.Count(batch, heads);
            inputs.Upload(batch, plan, plan.ExactShape(batch));
        }
    }

    private void EnsurePartials(int queryHeads, int headDim)
    {
        long values = (long)options.PartialSlots * queryHeads * headDim * sizeof(float);
        long state = (long)options.PartialSlots * queryHeads * 2 * sizeof(float);
        partialValues = Room(partialValues, values);
        partialState = Room(partialState, state);
    }

    private DeviceMemory Room(DeviceMemory? memory, long bytes)
    {
        if (memory is not null && memory.Bytes >= bytes)
        {
            return memory;
        }

        if (memory is not null)
        {
            heap.Free(memory);
        }

        return heap.Allocate(bytes, "partial results of the attention");
    }

    /// <summary>The row numbers of logits, where an operand may begin.</summary>
    private DeviceSpan AlignedLogitRows(int first, int count)
    {
        DeviceSpan rows = inputs.LogitRows(first, count);
        if (first % 4 == 0)
        {
            return rows;
        }

        alignedRows = Room(alignedRows, Math.Max(rows.Bytes, 4096));
        DeviceSpan aligned = alignedRows.Span.Slice(0, rows.Bytes);
        stream.Copy(aligned, rows);
        return aligned;
    }

    private static void RequirePlain(WeightMatrix weight)
    {
        if (((CudaMatrix)weight).Gated)
        {
            throw new ArgumentException($"{weight.Name} was uploaded as a gated matrix.", nameof(weight));
        }
    }

    private static void RequireHeads(Activation qkv, int queryHeads, CudaKvCache cache)
    {
        int heads = queryHeads + (2 * cache.KvHeads);
        if (queryHeads <= 0 || queryHeads % cache.KvHeads != 0 || qkv.Width != heads * cache.HeadDim)
        {
            throw new ArgumentException(
                $"Rows of {qkv.Width} are not {queryHeads} query heads and twice {cache.KvHeads} KV heads of {cache.HeadDim}.", nameof(qkv));
        }
    }

    private static void RequireWidths(string weight, int outputs, int inputs, int inputWidth, int targetWidth)
    {
        if (inputWidth != inputs || targetWidth != outputs)
        {
            throw new ArgumentException(
                $"{weight} takes rows of {inputs} to rows of {outputs}; it does not take rows of {inputWidth} to rows of {targetWidth}.",
                nameof(weight));
        }
    }
}
