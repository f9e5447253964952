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

    /// <inheritdoc/>
    protected override int StepRows => inputs.Shape.Rows;

    /// <inheritdoc/>
    protected override void BeginStepCore(BatchLayout batch)
    {
        context.MakeCurrent();
        timer.Begin();
        weights.ReleaseStaging();
        (stepGroup, groupsDiffer) = (0, false);
        plan.Count(batch, group);
        inputs.Upload(batch, plan, plan.ExactShape(batch));
        uploading = false; // That copy comes after every upload, and before every kernel of the step.
    }

    /// <inheritdoc/>
    protected override void RunStepCore(BatchLayout batch, Action pass)
    {
        context.MakeCurrent();
        timer.Begin();
        if (options.RecordPasses && !uploading && recorder.TryRun(batch, pass))
        {
            return;
        }

        BeginStepCore(batch);
        pass();
        recorder.Learn(pass, groupsDiffer ? 0 : group);
    }

    /// <inheritdoc/>
    protected override void ClearPagesCore(KvCache cache, ReadOnlySpan<int> pages)
    {
        var kv = (CudaKvCache)cache;
        context.MakeCurrent();
        kernels.ClearPages.Launch(
            stream, kv.Data, pageIds.Upload(pages), pages.Length, kv.Layers, kv.Pages, AttentionKernel.PageBytes(kv.KvHeads, kv.HeadDim));
    }

    /// <inheritdoc/>
    protected override void EmbedCore(WeightMatrix table, Activation output) =>
        kernels.Embed.Launch(
            stream, inputs.TokenIds, ((CudaMatrix)table).Packed, Data(output), StepRows, table.Rows, table.Columns, Early,
            drawing?.Results ?? default);

    /// <inheritdoc/>
    protected override void RotateAndStoreCore(Activation qkv, in RotarySpec rotary, KvLayer layer)
    {
        var kv = (CudaKvCache)layer.Cache;
        var table = (CudaRotaryTable)rotary.Table;
        kernels.RotateAndStore(kv.HeadDim).Launch(
            stream,
            new RotateAndStoreOperands
            {
                Qkv = Data(qkv),
                QueryNorm = Values(rotary.QueryNorm),
                KeyNorm = Values(rotary.KeyNorm),
                Epsilon = rotary.Epsilon,
                Cos = table.Cos,
                Sin = table.Sin,
                TablePositions = table.Positions,
                Positions = inputs.Positions,
                Slots = inputs.Slots,
                Pages = kv.Layer(layer.Layer),
                Rows = StepRows,
                QueryHeads = rotary.QueryHeads,
                KvHeads = kv.KvHeads,
            },
            Early);
    }

    /// <inheritdoc/>
    protected override void RmsNormCore(Activation input, in NormSpec norm, Activation output) =>
        kernels.RmsNorm.Launch(stream, Data(input), Values(norm.Weight), Data(output), StepRows, input.Width, norm.Epsilon, Early);

    /// <inheritdoc/>
    protected override void ProjectCore(Activation input, RowList rows, WeightMatrix weight, in Epilogue epilogue)
    {
        var read = Data(input);
        if (rows.IsListed)
        {
            context.MakeCurrent(); // outside a pass, so perhaps on another thread
            if (rows.Count == 0)
            {
                return;
            }

            read = Listed(input, rows.First, rows.Count, epilogue.Logits?.MaxRows ?? epilogue.Target!.MaxRows);
        }

        kernels.Product.Launch(
            stream,
            new ProductOperands
            {
                Weights = ((CudaMatrix)weight).Packed,
                Input = read,
                Bias = Values(epilogue.Bias),
                Residual = epilogue.Kind == EpilogueKind.Add ? Data(epilogue.Target!) : default,
                Output = epilogue.Logits is CudaLogits logits ? logits.Data : Data(epilogue.Target!),
                Tokens = rows.IsListed ? rows.Count : StepRows,
                Width = weight.Columns,
                Outputs = weight.Rows,
                Epilogue = epilogue.Kind switch
                {
                    EpilogueKind.Store => ProductEpilogue.Store,
                    EpilogueKind.Add => ProductEpilogue.Add,
                    EpilogueKind.GatedSilu => ProductEpilogue.GatedSilu,
                    EpilogueKind.Raw => ProductEpilogue.Raw,
                    _ => throw new NotSupportedException($"A GPU's products do not end in {epilogue.Kind}."),
                },
            },
            Early);
    }

    /// <inheritdoc/>
    protected override void AttendCore(Activation qkv, in AttentionSpec attention, KvLayer layer, Activation output)
    {
        var kv = (CudaKvCache)layer.Cache;
        EnsurePlan(attention.QueryHeads / kv.KvHeads);
        EnsurePartials(attention.QueryHeads, kv);
        var kernel = kernels.Attention(kv.HeadDim);
        var shape = inputs.Shape;
        var operands = new AttentionOperands
        {
            Queries = Data(qkv),
            QueryStride = qkv.Width,
            Output = Data(output),
            Pages = kv.Layer(layer.Layer),
            PageTable = inputs.PageTable,
            PageTableStride = shape.PageStride,
            Sequences = inputs.Sequences,
            Tiles = inputs.PrefillTiles,
            TileCount = inputs.PrefillTileCount,
            PartialValues = partialValues!.Span,
            PartialState = partialState!.Span,
            Arrivals = arrivals!.Span,
            QueryHeads = attention.QueryHeads,
            KvHeads = kv.KvHeads,
            Scale = attention.Scale,
        };
        if (shape.PrefillTiles > 0)
        {
            kernel.LaunchPrefill(stream, operands, shape.PrefillTiles, Early);
        }

        operands = operands with { Tiles = inputs.DecodeTiles, TileCount = inputs.DecodeTileCount };
        if (shape.DecodeTiles > 0)
        {
            kernel.LaunchDecode(stream, operands, shape.DecodeTiles, shape.Merges ? shape.Sequences : 0, Early);
        }
    }

    /// <inheritdoc/>
    protected override void SampleCore(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows, Span<SampledToken> results)
    {
        var buffer = (CudaLogits)logits;
        context.MakeCurrent();
        buffer.Sampler.Sample(stream, buffer.Data, rows, results);
    }

    /// <inheritdoc/>
    protected override void BeginSampleCore(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows)
    {
        var buffer = (CudaLogits)logits;
        context.MakeCurrent();
        buffer.Sampler.Begin(stream, buffer.Data, rows, buffer.MaxRows);
        timer.End();
        underWay.Enqueue(buffer.Sampler);
        if (drawing != buffer.Sampler)
        {
            drawing = buffer.Sampler;
            recorder.Forget(); // Recorded passes hold the address of the results.
        }
    }

    /// <inheritdoc/>
    protected override StepTime EndSampleCore(Span<SampledToken> results)
    {
        context.MakeCurrent();
        underWay.Dequeue().End(results);
        return timer.Read();
    }

    private static DeviceSpan Data(Activation activation) => ((CudaActivation)activation).Data;

    private static DeviceSpan Values(WeightVector? vector) => vector is null ? default : ((CudaVector)vector).Values;

    /// <summary>Tiles depend on how many heads share a key; what they were counted for is what the last attention had.</summary>
    private void EnsurePlan(int heads)
    {
        groupsDiffer |= stepGroup != 0 && stepGroup != heads;
        stepGroup = group = heads;
        if (plan.Group != heads)
        {
            plan.Count(Batch, heads);
            inputs.Upload(Batch, plan, plan.ExactShape(Batch));
        }
    }

    private const string Partials = "partial results of the attention";

    private void EnsurePartials(int queryHeads, CudaKvCache kv)
    {
        var (values, state) = AttentionKernel.PartialBytes(options.PartialSlots, queryHeads, kv.KvHeads, kv.HeadDim);
        partialValues = Room(partialValues, values, Partials);
        partialState = Room(partialState, state, Partials);
        var counters = arrivals;
        arrivals = Room(arrivals, AttentionKernel.ArrivalBytes(options.PartialSlots, kv.KvHeads), Partials);
        if (arrivals != counters)
        {
            stream.Fill(arrivals.Span, 0);
        }
    }

    private DeviceMemory Room(DeviceMemory? memory, long bytes, string what)
    {
        if (memory is not null && memory.Bytes >= bytes)
        {
            return memory;
        }

        if (memory is not null)
        {
            heap.Free(memory);
        }

        return heap.Allocate(bytes, what);
    }

    /// <summary>The rows that logits are wanted of: as they lie where they follow each other, as in every decode step, else gathered.</summary>
    private DeviceSpan Listed(Activation from, int first, int count, int maxRows)
    {
        var input = Data(from);
        long rowBytes = (long)from.Width * sizeof(ushort);
        if (inputs.ConsecutiveLogitRows >= 0)
        {
            long start = (inputs.ConsecutiveLogitRows + (long)first) * rowBytes;
            return input.Slice(start, input.Bytes - start);
        }

        gatheredRows = Room(gatheredRows, Math.Max(count, maxRows) * rowBytes, "rows of the logits");
        kernels.GatherRows.Launch(stream, AlignedLogitRows(first, count), input, gatheredRows.Span, count, from.Width, Early);
        return gatheredRows.Span;
    }

    /// <summary>The row numbers of logits, where an operand may begin.</summary>
    private DeviceSpan AlignedLogitRows(int first, int count)
    {
        var rows = inputs.LogitRows(first, count);
        if (first % 4 == 0)
        {
            return rows;
        }

        alignedRows = Room(alignedRows, Math.Max(rows.Bytes, 4096), "row numbers of the logits");
        var aligned = alignedRows.Span.Slice(0, rows.Bytes);
        stream.Copy(aligned, rows);
        return aligned;
    }
}
