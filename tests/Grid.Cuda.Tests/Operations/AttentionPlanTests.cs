using Grid.Cuda.Kernels.Attention;
using Grid.Cuda.Operations;
using Grid.Models.Operations;

namespace Grid.Cuda.Tests;

/// <summary>Which tiles a batch's attention consists of; needs no GPU.</summary>
public sealed class AttentionPlanTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(8)]
    [InlineData(12)]
    [InlineData(20)]
    [InlineData(17)]
    public void Every_row_and_key_is_in_one_tile(int group)
    {
        var batch = Batch((0, 70), (100, 1), (2100, 1), (0, 1), (1023, 1), (1024, 1), (900, 300), (3000, 200));
        var plan = new AttentionPlan(100);
        plan.Count(batch, group);
        (var sequences, var prefill, var decode) = Fill(plan, batch, plan.ExactShape(batch));
        for (int s = 0; s < batch.SequenceCount; s++)
        {
            var slice = batch.Sequences[s];
            int position = batch.Positions[slice.FirstRow];
            Assert.Equal((slice.FirstRow, slice.RowCount, position), (sequences[s].FirstToken, sequences[s].Tokens, sequences[s].Position));
            int[] rows = [.. prefill.Where(tile => tile.Sequence == s).Select(tile => tile.FirstRow).Order()];
            int[] segments = [.. decode.Where(tile => tile.Sequence == s).Select(tile => tile.Segment).Order()];
            bool decodes = slice.RowCount == 1 && group <= AttentionKernel.MaxDecodeGroup;
            Assert.Equal(decodes ? 0 : ((slice.RowCount * group) + 191) / 192, rows.Length);
            Assert.All(rows.Index(), row => Assert.Equal(192 * row.Index, row.Item));
            Assert.Equal(decodes ? Enumerable.Range(0, (position / 1024) + 1) : [], segments);
            Assert.Equal(decodes && position >= 1024, sequences[s].FirstSlot >= 0);
        }
    }

    [Fact]
    public void Recorded_batches_have_no_more_tiles_than_places_and_rows()
    {
        var plan = new AttentionPlan(4096);
        plan.Count(Batch((40_000, 1)), 4);
        Assert.Equal(8, plan.BoundedShape(8, 1).DecodeTiles);
        Assert.Equal(8 * 64, plan.BoundedShape(8, 64).DecodeTiles);
        Assert.Equal(4096 + 512, plan.BoundedShape(512, 64).DecodeTiles);

        // As many as there can be: every place taken by rows of several segments, and a tile for each of the rest.
        var batch = Batch([.. Enumerable.Range(0, 512).Select(i => (i < 64 ? 65_535 : 1023, 1))]);
        plan.Count(batch, 4);
        Assert.Equal((0, 4096, 4096 + 448), (plan.PrefillTiles, plan.Slots, plan.DecodeTiles));
        Assert.InRange(plan.DecodeTiles, 1, plan.BoundedShape(512, 64).DecodeTiles);
    }

    [Fact]
    public void Partial_results_have_places_of_their_own()
    {
        var batch = Batch((1024, 1), (5000, 1), (10, 1), (2047, 1), (9000, 1));
        var plan = new AttentionPlan(12);
        plan.Count(batch, 4);
        (var sequences, var prefill, _) = Fill(plan, batch, plan.ExactShape(batch));
        Assert.Equal([0, 2, -1, 7, -1], sequences.Select(sequence => sequence.FirstSlot));
        Assert.Equal(9, plan.Slots);
        Assert.Equal([4], prefill.Select(tile => tile.Sequence)); // its nine segments found no place
    }

    [Fact]
    public void Long_tiles_come_first()
    {
        var batch = Batch((0, 100), (5000, 1), (4000, 100), (100, 300), (1500, 1));
        var plan = new AttentionPlan(100);
        plan.Count(batch, 4);
        (_, var prefill, var decode) = Fill(plan, batch, plan.ExactShape(batch));
        Assert.Equal(2, prefill[0].Sequence);
        int[] ends = [.. prefill.Select(tile => batch.Positions[batch.Sequences[tile.Sequence].FirstRow] + (tile.FirstRow / 4))];
        Assert.Equal(ends.OrderDescending(), ends);
        Assert.Equal([(1, 0), (1, 1), (1, 2), (1, 3), (4, 0), (1, 4), (4, 1)], decode.Select(tile => (tile.Sequence, tile.Segment)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    [InlineData(17)]
    [InlineData(200)]
    public void A_bucket_s_shape_has_room_for_every_batch_of_it(int group)
    {
        var random = new Random(4);
        var plan = new AttentionPlan(1000);
        for (int i = 0; i < 200; i++)
        {
            int rows = random.Next(1, 17);
            var batch = Batch([.. Enumerable.Range(0, rows).Select(_ => (random.Next(4096), 1))]);
            plan.Count(batch, group);
            var exact = plan.ExactShape(batch);
            var bound = plan.BoundedShape(16, 4);
            Assert.True(exact.PrefillTiles <= bound.PrefillTiles && exact.DecodeTiles <= bound.DecodeTiles && exact.PageStride <= bound.PageStride);
            Assert.True(!exact.Merges || bound.Merges);
            (var sequences, _, _) = Fill(plan, batch, bound);
            Assert.All(sequences[rows..], sequence => Assert.Equal(-1, sequence.FirstSlot));
        }
    }

    private static BatchLayout Batch(params (int Position, int Rows)[] sequences)
    {
        var batch = new BatchLayout(sequences.Sum(s => s.Rows), sequences.Length);
        foreach ((int position, int rows) in sequences)
        {
            batch.Sequences[batch.SequenceCount++] = new SequenceSlice(batch.RowCount, rows, []);
            for (int i = 0; i < rows; i++)
            {
                batch.Positions[batch.RowCount++] = position + i;
            }
        }

        return batch;
    }

    private static (AttentionSequence[] Sequences, AttentionTile[] Prefill, AttentionTile[] Decode) Fill(AttentionPlan plan, BatchLayout batch, StepShape shape)
    {
        var sequences = new AttentionSequence[shape.Sequences];
        var prefill = new AttentionTile[shape.PrefillTiles];
        var decode = new AttentionTile[shape.DecodeTiles];
        plan.Fill(batch, sequences, prefill, decode);
        return (sequences, prefill, decode);
    }
}
