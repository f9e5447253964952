using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.Attention;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cuda.Operations;

/// <summary>
/// What changes from step to step, on the device: tokens, positions, slots, page table, attention tiles and their counts, rows
/// of the logits. Each step fills one of a few pinned buffers and issues one copy; nothing is allocated unless a step is
/// larger than every one before.
/// </summary>
internal sealed class StepInputs : IDisposable
{
    private const int Buffers = 3;
    private const long FirstBytes = 1 << 20;

    private readonly CudaContext context;
    private readonly CudaStream stream;
    private readonly DeviceHeap heap;
    private readonly CudaEvent[] copied;
    private readonly PinnedMemory?[] staging = new PinnedMemory?[Buffers];
    private DeviceMemory device;
    private int turn;

    public StepInputs(CudaContext context, CudaStream stream, DeviceHeap heap)
    {
        (this.context, this.stream, this.heap) = (context, stream, heap);
        copied = [.. Enumerable.Range(0, Buffers).Select(_ => new CudaEvent(context))];
        device = heap.Allocate(FirstBytes, Purpose);
    }

    private const string Purpose = "the inputs of a step";

    /// <summary>Of the step.</summary>
    public StepShape Shape { get; private set; }

    public DeviceSpan RowCount => StepShape.RowCount.Of(device.Span);

    public DeviceSpan TokenIds => Shape.TokenIds.Of(device.Span);

    public DeviceSpan Positions => Shape.Positions.Of(device.Span);

    /// <summary>[Rows] page * BlockTokens + offset; -1: padding.</summary>
    public DeviceSpan Slots => Shape.Slots.Of(device.Span);

    public DeviceSpan Sequences => Shape.AttentionSequences.Of(device.Span);

    public DeviceSpan PrefillTiles => Shape.Prefill.Of(device.Span);

    public DeviceSpan PrefillTileCount => StepShape.PrefillTileCount.Of(device.Span);

    public DeviceSpan DecodeTiles => Shape.Decode.Of(device.Span);

    public DeviceSpan DecodeTileCount => StepShape.DecodeTileCount.Of(device.Span);

    /// <summary>[Sequences, PageStride]</summary>
    public DeviceSpan PageTable => Shape.PageTable.Of(device.Span);

    /// <summary>The row of the first logits where those of the step come from rows one after the other; -1: they do not.</summary>
    public int ConsecutiveLogitRows { get; private set; } = -1;

    /// <summary>Row numbers of the logits from the first to the last of them.</summary>
    public DeviceSpan LogitRows(int first, int count) =>
        Shape.LogitRows(first + count).Of(device.Span).Slice((long)first * sizeof(int), (long)count * sizeof(int));

    /// <summary>Brings a batch to the device, in a shape that has room for it.</summary>
    public void Upload(BatchLayout batch, AttentionPlan plan, StepShape shape)
    {
        var last = shape.LogitRows(batch.LogitRowCount);
        long bytes = last.Start + last.Bytes;
        EnsureRoom(bytes);
        turn = (turn + 1) % Buffers;
        copied[turn].Synchronize();
        var buffer = staging[turn] is { } fitting && fitting.Bytes >= bytes ? fitting : Replace(turn);
        Shape = shape;
        ConsecutiveLogitRows = Consecutive(batch.LogitRows.AsSpan(0, batch.LogitRowCount));
        Fill(buffer, batch, plan, shape);
        stream.Copy(device.Span.Slice(0, bytes), buffer.Span.Slice(0, bytes));
        stream.Record(copied[turn]);
    }

    public void Dispose()
    {
        foreach (var buffer in staging)
        {
            buffer?.Dispose();
        }

        foreach (var point in copied)
        {
            point.Dispose();
        }
    }

    private static void Fill(PinnedMemory buffer, BatchLayout batch, AttentionPlan plan, StepShape shape)
    {
        int rows = batch.RowCount;
        View<int>(buffer, StepShape.RowCount)[0] = rows;
        View<int>(buffer, StepShape.PrefillTileCount)[0] = plan.PrefillTiles;
        View<int>(buffer, StepShape.DecodeTileCount)[0] = plan.DecodeTiles;
        Copy(batch.TokenIds.AsSpan(0, rows), View<int>(buffer, shape.TokenIds), padding: 0);
        Copy(batch.Positions.AsSpan(0, rows), View<int>(buffer, shape.Positions), padding: 0);
        Copy(batch.LogitRows.AsSpan(0, batch.LogitRowCount), View<int>(buffer, shape.LogitRows(batch.LogitRowCount)), padding: 0);
        var slots = View<int>(buffer, shape.Slots);
        slots[rows..].Fill(-1);
        var pages = View<int>(buffer, shape.PageTable);
        for (int s = 0; s < batch.SequenceCount; s++)
        {
            FillSequence(batch, batch.Sequences[s], slots, pages.Slice(s * shape.PageStride, shape.PageStride));
        }

        plan.Fill(
            batch, View<AttentionSequence>(buffer, shape.AttentionSequences), View<AttentionTile>(buffer, shape.Prefill),
            View<AttentionTile>(buffer, shape.Decode));
    }

    /// <summary>Slots of the rows, and the pages up to the last of them; a table too short for its rows leaves them without a
    /// slot (rows of no KV cache have none).</summary>
    private static void FillSequence(BatchLayout batch, SequenceSlice slice, Span<int> slots, Span<int> pages)
    {
        int last = 0;
        for (int row = slice.FirstRow; row < slice.FirstRow + slice.RowCount; row++)
        {
            int position = batch.Positions[row];
            last = position / AttentionLayout.BlockTokens;
            slots[row] = last < slice.PageTable.Length
                ? (slice.PageTable[last] * AttentionLayout.BlockTokens) + (position % AttentionLayout.BlockTokens)
                : -1;
        }

        int used = Math.Min(last + 1, slice.PageTable.Length);
        slice.PageTable.AsSpan(0, used).CopyTo(pages);
        pages[used..].Clear();
    }

    private static int Consecutive(ReadOnlySpan<int> rows)
    {
        for (int i = 1; i < rows.Length; i++)
        {
            if (rows[i] != rows[0] + i)
            {
                return -1;
            }
        }

        return rows.IsEmpty ? -1 : rows[0];
    }

    private static void Copy(ReadOnlySpan<int> source, Span<int> destination, int padding)
    {
        source.CopyTo(destination);
        destination[source.Length..].Fill(padding);
    }

    private static unsafe Span<T> View<T>(PinnedMemory buffer, DeviceRange range)
        where T : unmanaged
    {
        var part = buffer.Span.Slice(range.Start, range.Bytes);
        return new Span<T>((void*)part.Start, checked((int)(range.Bytes / sizeof(T))));
    }

    private void EnsureRoom(long bytes)
    {
        if (bytes > device.Bytes)
        {
            var larger = heap.Allocate(Math.Max(bytes, 2 * device.Bytes), Purpose);
            heap.Free(device);
            device = larger;
        }
    }

    private PinnedMemory Replace(int index)
    {
        var larger = new PinnedMemory(context, device.Bytes);
        staging[index]?.Dispose();
        return staging[index] = larger;
    }
}
