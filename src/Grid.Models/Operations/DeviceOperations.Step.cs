namespace Grid.Models.Operations;

/// <content>One step.</content>
public abstract partial class DeviceOperations
{
    /// <summary>The batch of the step.</summary>
    protected BatchLayout Batch { get; private set; } = new(0, 0);

    /// <summary>Rows that the step's operations work on: the batch's, and those that a device pads it with.</summary>
    protected virtual int StepRows => Batch.RowCount;

    /// <inheritdoc/>
    public void ClearPages(KvCache cache, ReadOnlySpan<int> pages)
    {
        RequireOutsidePass();
        ArgumentNullException.ThrowIfNull(cache);
        foreach (int page in pages)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(page, nameof(pages));
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(page, cache.Pages, nameof(pages));
        }

        if (!pages.IsEmpty)
        {
            ClearPagesCore(cache, pages);
        }
    }

    /// <inheritdoc/>
    public void BeginStep(BatchLayout batch)
    {
        RequireOutsidePass();
        TakeBatch(batch);
        BeginStepCore(batch);
    }

    /// <inheritdoc/>
    public void RunStep(BatchLayout batch, Action pass)
    {
        RequireOutsidePass();
        ArgumentNullException.ThrowIfNull(pass);
        TakeBatch(batch);
        _inPass = true;
        try
        {
            RunStepCore(batch, pass);
        }
        finally
        {
            _inPass = false;
        }
    }

    /// <inheritdoc/>
    public void Embed(WeightMatrix table, Activation output)
    {
        RequirePlain(table);
        RequireWidths(table.Name, table.Columns, table.Columns, table.Columns, output.Width);
        RequireRoom(output, StepRows);
        RequireTokens(table);
        EmbedCore(table, output);
    }

    /// <inheritdoc/>
    public void RmsNorm(Activation input, in NormSpec norm, Activation output)
    {
        _normFields.Require(in norm, this);
        ArgumentNullException.ThrowIfNull(norm.Weight, nameof(norm));
        RequireWidths(norm.Weight.Name, norm.Weight.Length, norm.Weight.Length, input.Width, output.Width);
        RequireRoom(input, StepRows);
        RequireRoom(output, StepRows);
        RmsNormCore(input, in norm, output);
    }

    /// <inheritdoc/>
    public void Project(Activation input, RowList rows, WeightMatrix weight, in Epilogue epilogue)
    {
        int count = RequireRows(input, rows);
        RequireEpilogue(weight.Name, weight.Gated, weight.Rows, in epilogue);
        RequireWidths(weight.Name, weight.Rows, weight.Columns, input.Width, epilogue.Target?.Width ?? epilogue.Logits!.Width);
        RequireTarget(input, in epilogue, count);
        ProjectCore(input, rows, weight, in epilogue);
    }

    /// <inheritdoc/>
    public void Route(Activation input, WeightMatrix router, in RoutingSpec spec, ExpertRouting routing)
    {
        _routingFields.Require(in spec, this);
        RequirePlain(router);
        RequireWidths(router.Name, router.Rows, router.Columns, input.Width, routing.Experts);
        RequireRoom(input, StepRows);
        RequireRoom(routing.MaxRows, StepRows, "The routing");
        routing.Rows = StepRows;
        RouteCore(input, router, in spec, routing);
    }

    /// <inheritdoc/>
    public void ProjectExperts(Activation input, ExpertRouting routing, ExpertMatrix weight, in Epilogue epilogue)
    {
        RequireEpilogue(weight.Name, weight.Gated, weight.Rows, in epilogue);
        int inputs = weight.Columns, outputs = weight.Rows;
        switch (epilogue.Kind)
        {
            case EpilogueKind.GatedSilu:
                outputs *= routing.Slots;
                break;
            case EpilogueKind.Add when weight.Rows == routing.Width:
                inputs *= routing.Slots;
                break;
            case EpilogueKind.Add:
                throw new ArgumentException($"{weight.Name} must be plain experts of {routing.Width} outputs, the routing's width.", nameof(weight));
            default:
                throw new NotSupportedException($"Experts' products end in {EpilogueKind.GatedSilu} or {EpilogueKind.Add}, not in {epilogue.Kind}.");
        }

        if (routing.Experts != weight.Experts || routing.Rows != StepRows)
        {
            throw new ArgumentException(
                $"The routing is of {routing.Rows} rows to {routing.Experts} experts; this step has {StepRows} rows, and {weight.Name} {weight.Experts} experts.",
                nameof(routing));
        }

        RequireWidths(weight.Name, outputs, inputs, input.Width, epilogue.Target!.Width);
        RequireRoom(input, StepRows);
        RequireTarget(input, in epilogue, StepRows);
        ProjectExpertsCore(input, routing, weight, in epilogue);
    }

    /// <inheritdoc/>
    public void RotateAndStore(Activation qkv, in RotarySpec rotary, KvLayer layer)
    {
        _rotaryFields.Require(in rotary, this);
        ArgumentNullException.ThrowIfNull(rotary.Table, nameof(rotary));
        RequireHeads(qkv, rotary.QueryHeads, layer);
        RequireRoom(qkv, StepRows);
        int headDim = layer.Cache.HeadDim;
        if (rotary.Table.HeadDim != headDim)
        {
            throw new ArgumentException($"The rotary table is for heads of {rotary.Table.HeadDim}, the KV cache for {headDim}.", nameof(rotary));
        }

        RequireHeadNorm(rotary.QueryNorm, headDim);
        RequireHeadNorm(rotary.KeyNorm, headDim);
        RequirePositions(layer.Cache, rotary.Table);
        RotateAndStoreCore(qkv, in rotary, layer);
    }

    /// <inheritdoc/>
    public void Attend(Activation qkv, in AttentionSpec attention, KvLayer layer, Activation output)
    {
        _attentionFields.Require(in attention, this);
        RequireHeads(qkv, attention.QueryHeads, layer);
        if (attention.QueryHeads % layer.Cache.KvHeads != 0)
        {
            throw new ArgumentException($"{attention.QueryHeads} query heads are no multiple of {layer.Cache.KvHeads} KV heads.", nameof(attention));
        }

        RequireWidths("the attention", attention.QueryHeads * layer.Cache.HeadDim, qkv.Width, qkv.Width, output.Width);
        RequireRoom(qkv, StepRows);
        RequireRoom(output, StepRows);
        RequirePositions(layer.Cache, table: null);
        AttendCore(qkv, in attention, layer, output);
    }

    /// <inheritdoc/>
    public void Sample(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows, Span<SampledToken> results)
    {
        RequireOutsidePass();
        RequireResults(rows.Length, results);
        RequireSampleEnded(0);
        RequireRows(logits, rows);
        SampleCore(logits, rows, results);
    }

    /// <inheritdoc/>
    public virtual bool RunsAhead => false;

    /// <inheritdoc/>
    public void BeginSample(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows)
    {
        RequireOutsidePass();
        RequireSampleEnded(1);
        RequireUpTo(rows.Length, logits.MaxRows, nameof(rows));
        RequireRows(logits, rows);
        BeginSampleCore(logits, rows);
        _underWay.Enqueue(rows.Length);
        _drawnRows = rows.Length;
    }

    /// <inheritdoc/>
    public StepTime EndSample(Span<SampledToken> results)
    {
        RequireOutsidePass();
        if (!_underWay.TryPeek(out int rows))
        {
            throw new InvalidOperationException("No sampling is under way: BeginSample comes before EndSample.");
        }

        RequireResults(rows, results);
        _underWay.Dequeue();
        return EndSampleCore(results[..rows]);
    }

    // ---- The device's part -----------------------------------------------------------------------------------

    /// <summary>Clears pages that there are, at least one.</summary>
    protected abstract void ClearPagesCore(KvCache cache, ReadOnlySpan<int> pages);

    /// <summary>Takes a batch.</summary>
    protected abstract void BeginStepCore(BatchLayout batch);

    /// <summary>Takes a batch and runs a pass over it, or what was recorded of the pass.</summary>
    protected abstract void RunStepCore(BatchLayout batch, Action pass);

    /// <summary>Every token is a row of the table.</summary>
    protected abstract void EmbedCore(WeightMatrix table, Activation output);

    /// <inheritdoc cref="RmsNorm"/>
    protected abstract void RmsNormCore(Activation input, in NormSpec norm, Activation output);

    /// <inheritdoc cref="Project"/>
    protected abstract void ProjectCore(Activation input, RowList rows, WeightMatrix weight, in Epilogue epilogue);

    /// <summary>Chooses the experts of <see cref="ExpertRouting.Rows"/> rows.</summary>
    protected abstract void RouteCore(Activation input, WeightMatrix router, in RoutingSpec spec, ExpertRouting routing);

    /// <inheritdoc cref="ProjectExperts"/>
    protected abstract void ProjectExpertsCore(Activation input, ExpertRouting routing, ExpertMatrix weight, in Epilogue epilogue);

    /// <summary>Every position has a place in the table and in the pages.</summary>
    protected abstract void RotateAndStoreCore(Activation qkv, in RotarySpec rotary, KvLayer layer);

    /// <inheritdoc cref="Attend"/>
    protected abstract void AttendCore(Activation qkv, in AttentionSpec attention, KvLayer layer, Activation output);

    /// <summary>Samples rows that ask what the contract defines, with room for the results.</summary>
    protected abstract void SampleCore(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows, Span<SampledToken> results);

    /// <summary>Starts to sample as many rows as the logits have at most; overridden where <see cref="RunsAhead"/>.</summary>
    protected virtual void BeginSampleCore(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows) =>
        throw new NotSupportedException($"{DeviceDescription} does not run ahead; it has Sample alone.");

    /// <summary>Waits for what was started first; overridden where <see cref="RunsAhead"/>.</summary>
    protected virtual StepTime EndSampleCore(Span<SampledToken> results) =>
        throw new NotSupportedException($"{DeviceDescription} does not run ahead; it has Sample alone.");
}
