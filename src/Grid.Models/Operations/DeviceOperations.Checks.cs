using Grid.Numerics;

namespace Grid.Models.Operations;

/// <content>What operands of a step must be.</content>
public abstract partial class DeviceOperations
{
    // Of the step, found by the first operation that needs them; below 0: not yet.
    private long _highestPosition = -1;
    private long _highestPage = -1;

    // Rows of each sampling under way, and of the last one that began.
    private readonly Queue<int> _underWay = new(2);
    private int _drawnRows;

    private void TakeBatch(BatchLayout batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        RequireUpTo(batch.RowCount, batch.TokenIds.Length, nameof(batch.RowCount));
        RequireUpTo(batch.SequenceCount, batch.Sequences.Length, nameof(batch.SequenceCount));
        RequireUpTo(batch.LogitRowCount, batch.LogitRows.Length, nameof(batch.LogitRowCount));
        int rows = 0;
        foreach (ref readonly var slice in batch.Sequences.AsSpan(0, batch.SequenceCount))
        {
            if (slice.FirstRow != rows || slice.RowCount < 0)
            {
                throw new ArgumentException(
                    $"A sequence has {slice.RowCount} rows from {slice.FirstRow} on; the rows before it end at {rows}, and slices must cover all in order.",
                    nameof(batch));
            }

            rows += slice.RowCount;
        }

        if (rows != batch.RowCount)
        {
            throw new ArgumentException($"The sequences cover {rows} rows; {nameof(batch.RowCount)} is {batch.RowCount}.", nameof(batch));
        }

        Batch = batch;
        (_highestPosition, _highestPage) = (-1, -1);
    }

    private static void RequireUpTo(int count, int room, string field)
    {
        if (count < 0 || count > room)
        {
            throw new ArgumentOutOfRangeException(field, count, $"there is room for {room}.");
        }
    }

    private void RequireTokens(WeightMatrix table)
    {
        foreach (int token in Batch.TokenIds.AsSpan(0, Batch.RowCount))
        {
            if ((uint)token >= (uint)table.Rows && (uint)~token >= (uint)_drawnRows)
            {
                string also = token < 0 && RunsAhead ? $", and the last sampling rows ~0 to ~{_drawnRows - 1}" : "";
                throw new ArgumentException($"TokenIds holds {token}; {table.Name} has rows 0 to {table.Rows - 1}{also}.", nameof(table));
            }
        }
    }

    private static void RequireResults(int rows, ReadOnlySpan<SampledToken> results)
    {
        if (results.Length < rows)
        {
            throw new ArgumentException($"There are {rows} rows and room for {results.Length} results.", nameof(results));
        }
    }

    private static void RequireRows(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows)
    {
        for (int i = 0; i < rows.Length; i++)
        {
            SamplingChecks.Require(rows[i], i, logits.MaxRows, logits.Width);
        }
    }

    private void RequireSampleEnded(int most)
    {
        if (_underWay.Count > most)
        {
            throw new InvalidOperationException($"{_underWay.Count} samplings are under way; EndSample comes first.");
        }
    }

    private int RequireRows(Activation input, RowList rows)
    {
        _rowListFields.Require(in rows, this);
        if (!rows.IsListed)
        {
            RequireRoom(input, StepRows);
            return StepRows;
        }

        if (_inPass)
        {
            throw new InvalidOperationException("A pass works on every row: a list of rows changes from batch to batch, and a device may record the pass.");
        }

        if (rows.First < 0 || rows.Count < 0 || rows.Count > Batch.LogitRowCount - rows.First)
        {
            throw new ArgumentException($"There are {Batch.LogitRowCount} logit rows; {rows.Count} from {rows.First} on are not among them.", nameof(rows));
        }

        int most = Math.Min(Batch.RowCount, input.MaxRows);
        foreach (int row in Batch.LogitRows.AsSpan(rows.First, rows.Count))
        {
            if ((uint)row >= (uint)most)
            {
                throw new ArgumentException($"LogitRows holds {row}; there are rows 0 to {most - 1}.", nameof(rows));
            }
        }

        return rows.Count;
    }

    private void RequireEpilogue(string weight, bool gated, int outputs, in Epilogue epilogue)
    {
        _epilogueFields.Require(in epilogue, this);
        if (epilogue.Target is null && epilogue.Logits is null)
        {
            throw new ArgumentException("The epilogue writes nowhere.", nameof(epilogue));
        }

        if (gated != (epilogue.Kind == EpilogueKind.GatedSilu))
        {
            throw new ArgumentException($"{weight} was {(gated ? "" : "not ")}uploaded as gated; it does not go with {epilogue.Kind}.", nameof(weight));
        }

        if (epilogue.Bias is not { } bias)
        {
            return;
        }

        if (epilogue.Kind != EpilogueKind.Store)
        {
            throw new ArgumentException($"A bias goes with {EpilogueKind.Store}, not with {epilogue.Kind}.", nameof(epilogue));
        }

        if (bias.Length != outputs)
        {
            throw new ArgumentException($"{bias.Name} has {bias.Length} values; {weight} gives {outputs}.", nameof(epilogue));
        }
    }

    private static void RequireTarget(Activation input, in Epilogue epilogue, int rows)
    {
        if (ReferenceEquals(input, epilogue.Target))
        {
            throw new ArgumentException("A product's target is its own input.", nameof(epilogue));
        }

        RequireRoom(epilogue.Target?.MaxRows ?? epilogue.Logits!.MaxRows, rows, "The epilogue's target");
    }

    private static void RequireRoom(Activation activation, int rows) => RequireRoom(activation.MaxRows, rows, "An activation");

    private static void RequireRoom(int room, int rows, string what)
    {
        if (room < rows)
        {
            throw new ArgumentException($"{what} has room for {room} rows; {rows} are needed.", nameof(rows));
        }
    }

    private static void RequirePlain(WeightMatrix weight)
    {
        if (weight.Gated)
        {
            throw new ArgumentException($"{weight.Name} was uploaded as gated.", nameof(weight));
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

    private static void RequireHeads(Activation qkv, int queryHeads, KvLayer layer)
    {
        var cache = layer.Cache ?? throw new ArgumentException("The layer has no KV cache.", nameof(layer));
        if ((uint)layer.Layer >= (uint)cache.Layers)
        {
            throw new ArgumentOutOfRangeException(nameof(layer), layer.Layer, $"the KV cache has layers 0 to {cache.Layers - 1}.");
        }

        int heads = queryHeads + (2 * cache.KvHeads);
        if (queryHeads <= 0 || qkv.Width != heads * cache.HeadDim)
        {
            throw new ArgumentException(
                $"Rows of {qkv.Width} are not {queryHeads} query heads and twice {cache.KvHeads} KV heads of {cache.HeadDim}.", nameof(qkv));
        }
    }

    private static void RequireHeadNorm(WeightVector? norm, int headDim)
    {
        if (norm is not null && norm.Length != headDim)
        {
            throw new ArgumentException($"{norm.Name} has {norm.Length} values; a head has {headDim}.", nameof(norm));
        }
    }

    /// <summary>The batch's positions are in the table, and their pages in the cache.</summary>
    private void RequirePositions(KvCache cache, RotaryTable? table)
    {
        if (_highestPosition < 0)
        {
            MeasureBatch();
        }

        if (_highestPage >= cache.Pages)
        {
            throw new ArgumentException($"A page table names page {(int)_highestPage}; the KV cache has pages 0 to {cache.Pages - 1}.", nameof(cache));
        }

        if (table is not null && _highestPosition >= table.Positions)
        {
            throw new ArgumentException($"Positions holds {(int)_highestPosition}; the rotary table has 0 to {table.Positions - 1}.", nameof(table));
        }
    }

    private void MeasureBatch()
    {
        uint position = 0, page = 0; // what is negative is large
        foreach (ref readonly var slice in Batch.Sequences.AsSpan(0, Batch.SequenceCount))
        {
            uint last = 0;
            foreach (int rowPosition in Batch.Positions.AsSpan(slice.FirstRow, slice.RowCount))
            {
                last = Math.Max(last, (uint)rowPosition);
            }

            uint pages = (last / AttentionLayout.BlockTokens) + 1;
            if (slice.RowCount > 0 && slice.PageTable.Length < pages)
            {
                throw new ArgumentException($"A sequence is at position {(int)last} and has {slice.PageTable.Length} pages; it needs {pages}.", nameof(Batch));
            }

            foreach (int id in slice.PageTable.AsSpan(0, slice.RowCount > 0 ? (int)pages : 0))
            {
                page = Math.Max(page, (uint)id);
            }

            position = Math.Max(position, last);
        }

        (_highestPosition, _highestPage) = (position, page);
    }
}
