using Grid.Cuda.Kernels.Attention;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cuda.Operations;

/// <summary>
/// Which tiles a batch's attention consists of. Sequences of several rows become prefill tiles; single rows decode tiles, one for
/// each segment, unless their heads are too many for those, or there is no place for their partial results. Which
/// kernel a row goes through changes none of its bits.
/// </summary>
internal sealed class AttentionPlan(int slotCapacity)
{
    private const int PagesPerSegment = AttentionLayout.SegmentTokens / AttentionLayout.BlockTokens;

    private AttentionTile[] prefill = new AttentionTile[64];
    private int[] prefillKeys = new int[64];
    private bool[] decodes = [];

    /// <summary>Partial results that decode tiles may leave, over all sequences.</summary>
    public int SlotCapacity { get; } = slotCapacity;

    /// <summary>Query heads per KV head.</summary>
    public int Group { get; private set; }

    public int PrefillTiles { get; private set; }

    public int DecodeTiles { get; private set; }

    /// <summary>Partial results that the decode tiles leave.</summary>
    public int Slots { get; private set; }

    /// <summary>Of the longest sequence.</summary>
    public int MaxSegments { get; private set; }

    /// <summary>Pages of the longest sequence.</summary>
    public int MaxPages { get; private set; }

    /// <summary>Sequences that go through prefill tiles.</summary>
    public int PrefillSequences { get; private set; }

    /// <summary>The batch as it is.</summary>
    public StepShape ExactShape(BatchLayout batch) =>
        new(batch.RowCount, batch.SequenceCount, PrefillTiles, DecodeTiles, MaxPages, Slots > 0);

    /// <summary>Bounds for all decode batches of so many rows whose longest sequence has at most so many segments, and in which every
    /// row found a place for its partial results: so there are at most as many tiles as places and rows.</summary>
    public StepShape BoundedShape(int rows, int segments) => Group > AttentionKernel.MaxDecodeGroup
        ? new StepShape(rows, rows, rows * TilesOf(1), 0, segments * PagesPerSegment, false)
        : new StepShape(rows, rows, 0, Math.Min(rows * segments, SlotCapacity + rows), segments * PagesPerSegment, segments > 1);

    /// <summary>Decides and counts.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="group">Query heads per KV head; 0: not known yet, so there are no tiles.</param>
    public void Count(BatchLayout batch, int group)
    {
        Group = group;
        (PrefillTiles, DecodeTiles, Slots, MaxSegments, MaxPages, PrefillSequences) = (0, 0, 0, 1, 1, 0);
        if (decodes.Length < batch.SequenceCount)
        {
            decodes = new bool[Math.Max(batch.SequenceCount, batch.Sequences.Length)];
        }

        for (int s = 0; s < batch.SequenceCount; s++)
        {
            var slice = batch.Sequences[s];
            int last = batch.Positions[slice.FirstRow] + slice.RowCount - 1;
            int segments = AttentionKernel.Segments(last);
            MaxSegments = Math.Max(MaxSegments, segments);
            MaxPages = Math.Max(MaxPages, (last / AttentionLayout.BlockTokens) + 1);
            Decide(s, slice.RowCount, segments);
        }
    }

    /// <summary>Writes what <see cref="Count"/> decided; entries past the batch's own are left as they are, except sequences,
    /// which the merge visits.</summary>
    public void Fill(BatchLayout batch, Span<AttentionSequence> sequences, Span<AttentionTile> prefillTiles, Span<AttentionTile> decodeTiles)
    {
        int slots = 0;
        for (int s = 0; s < batch.SequenceCount; s++)
        {
            var slice = batch.Sequences[s];
            int position = batch.Positions[slice.FirstRow];
            int segments = AttentionKernel.Segments(position);
            bool partial = Group > 0 && decodes[s] && segments > 1;
            sequences[s] = new AttentionSequence(slice.FirstRow, slice.RowCount, position, partial ? slots : -1);
            slots += partial ? segments : 0;
        }

        sequences[batch.SequenceCount..].Fill(new AttentionSequence(0, 0, 0, -1));
        if (Group > 0)
        {
            FillPrefill(batch, prefillTiles);
            FillDecode(batch, decodeTiles);
        }
    }

    private int TilesOf(int tokens) => ((tokens * Group) + AttentionKernel.PrefillRows - 1) / AttentionKernel.PrefillRows;

    private void Decide(int sequence, int rows, int segments)
    {
        bool decode = rows == 1 && Group <= AttentionKernel.MaxDecodeGroup && (segments == 1 || Slots + segments <= SlotCapacity);
        decodes[sequence] = decode;
        if (decode)
        {
            DecodeTiles += Group > 0 ? segments : 0;
            Slots += segments > 1 && Group > 0 ? segments : 0;
        }
        else
        {
            PrefillSequences++;
            PrefillTiles += TilesOf(rows);
        }
    }

    /// <summary>Those with the most keys first: blocks that start late should be short.</summary>
    private void FillPrefill(BatchLayout batch, Span<AttentionTile> tiles)
    {
        if (prefill.Length < PrefillTiles)
        {
            int length = Math.Max(PrefillTiles, 2 * prefill.Length);
            (prefill, prefillKeys) = (new AttentionTile[length], new int[length]);
        }

        int count = 0;
        for (int s = 0; s < batch.SequenceCount; s++)
        {
            var slice = batch.Sequences[s];
            for (int row = 0; !decodes[s] && row < slice.RowCount * Group; row += AttentionKernel.PrefillRows)
            {
                int lastRow = Math.Min(row + AttentionKernel.PrefillRows, slice.RowCount * Group) - 1;
                prefillKeys[count] = -(batch.Positions[slice.FirstRow] + (lastRow / Group));
                prefill[count++] = new AttentionTile(s, row, 0);
            }
        }

        Array.Sort(prefillKeys, prefill, 0, count);
        prefill.AsSpan(0, count).CopyTo(tiles);
    }

    /// <summary>Whole segments first, then every sequence's last.</summary>
    private void FillDecode(BatchLayout batch, Span<AttentionTile> tiles)
    {
        int count = 0;
        for (int pass = 0; pass < 2; pass++)
        {
            for (int s = 0; s < batch.SequenceCount; s++)
            {
                int last = AttentionKernel.Segments(batch.Positions[batch.Sequences[s].FirstRow]) - 1;
                for (int segment = pass == 0 ? 0 : last; decodes[s] && segment < last + pass; segment++)
                {
                    tiles[count++] = new AttentionTile(s, 0, segment);
                }
            }
        }
    }
}
