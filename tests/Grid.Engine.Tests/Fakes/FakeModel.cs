using Grid.Models;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Engine.Tests.Fakes;

/// <summary>Pages that hold token ids and positions instead of keys and values.</summary>
internal sealed class FakeKvCache(int pages) : KvCache(1, 1, 2, pages)
{
    public ulong[] Slots { get; } = new ulong[pages * AttentionLayout.BlockTokens];
}

internal sealed class FakeLogits(int maxRows, int width) : LogitsBuffer(maxRows, width)
{
    public float[] Values { get; } = new float[maxRows * width];
}

/// <summary>
/// A model that writes its rows' token ids into the pages and reads every row's whole prefix back through the page table.
/// It throws when the engine breaks the contract of the pages: a slot written twice, or an unused slot that is not zero.
/// </summary>
internal sealed class FakeModel(FakeOperations? operations = null, int maxPositions = 1024, int maxRows = 4096) : ICausalLanguageModel
{
    private const int Page = AttentionLayout.BlockTokens;

    private readonly ulong[] _hidden = new ulong[maxRows];
    private readonly bool[] _poisoned = new bool[maxRows];
    private BatchLayout? _batch;

    public ModelConfig Config { get; } = new()
    {
        Architecture = "Fake",
        VocabularySize = FakeMath.Vocabulary,
        HiddenSize = 1,
        IntermediateSize = 1,
        Layers = 1,
        QueryHeads = 1,
        KvHeads = 1,
        HeadDim = 2,
        MaxPositions = maxPositions,
        NormEpsilon = 1e-6f,
        RopeTheta = 10000,
        TiedEmbeddings = true,
        EndTokenIds = [3, 5],
    };

    public int MaxRows => maxRows;

    public long KvPageBytes => Page * sizeof(ulong);

    /// <summary>Slices of every pass so far as (first position, rows), for tests about scheduling.</summary>
    public List<(int Position, int Rows)[]> Passes { get; } = [];

    public bool RecordPasses { get; set; } = true;

    /// <summary>What the next pass throws, if anything.</summary>
    public Exception? Failure { get; set; }

    public KvCache AllocateKvCache(int pages) => new FakeKvCache(pages);

    public void Forward(BatchLayout batch, KvCache cache)
    {
        if (Failure is not null)
        {
            throw Failure;
        }

        _batch = batch;
        ulong[] slots = ((FakeKvCache)cache).Slots;
        CheckShape(batch);
        for (int s = 0; s < batch.SequenceCount; s++)
        {
            Write(batch, batch.Sequences[s], slots);
        }

        for (int s = 0; s < batch.SequenceCount; s++)
        {
            Attend(batch, batch.Sequences[s], slots);
        }

        if (RecordPasses)
        {
            Passes.Add([.. batch.Sequences.Take(batch.SequenceCount).Select(s => (batch.Positions[s.FirstRow], s.RowCount))]);
        }
    }

    public void ComputeLogits(int first, int count, LogitsBuffer logits)
    {
        var buffer = (FakeLogits)logits;
        for (int i = 0; i < count; i++)
        {
            int row = _batch!.LogitRows[first + i];
            for (int v = 0; v < FakeMath.Vocabulary; v++)
            {
                buffer.Values[(i * FakeMath.Vocabulary) + v] = _poisoned[row] ? float.NaN : FakeMath.Logit(_hidden[row], v);
            }
        }
    }

    public void Dispose()
    {
    }

    private static void CheckShape(BatchLayout batch)
    {
        int row = 0;
        for (int s = 0; s < batch.SequenceCount; s++)
        {
            Expect(batch.Sequences[s].FirstRow == row && batch.Sequences[s].RowCount > 0, "slices cover the rows in order");
            row += batch.Sequences[s].RowCount;
        }

        Expect(row == batch.RowCount, "slices cover all rows");
        for (int i = 1; i < batch.LogitRowCount; i++)
        {
            Expect(batch.LogitRows[i - 1] < batch.LogitRows[i], "logit rows ascend");
        }
    }

    private void Write(BatchLayout batch, SequenceSlice slice, ulong[] slots)
    {
        int last = 0;
        for (int row = slice.FirstRow; row < slice.FirstRow + slice.RowCount; row++)
        {
            int position = batch.Positions[row];
            int slot = SlotOf(slice, position);
            ExpectUnused(slots[slot], position);
            slots[slot] = FakeMath.Slot(position, operations?.TokenOf(batch.TokenIds[row]) ?? batch.TokenIds[row]);
            last = position;
        }

        for (int position = last + 1; position % Page != 0; position++)
        {
            ExpectUnused(slots[SlotOf(slice, position)], position);
        }
    }

    private void Attend(BatchLayout batch, SequenceSlice slice, ulong[] slots)
    {
        ulong hash = 0;
        bool poisoned = false;
        int next = 0;
        for (int row = slice.FirstRow; row < slice.FirstRow + slice.RowCount; row++)
        {
            for (; next <= batch.Positions[row]; next++)
            {
                ulong slot = slots[SlotOf(slice, next)];
                hash = FakeMath.Mix(hash, slot);
                poisoned |= (uint)slot == FakeMath.PoisonToken + 1;
            }

            _hidden[row] = hash;
            _poisoned[row] = poisoned;
        }
    }

    private static int SlotOf(SequenceSlice slice, int position) => (slice.PageTable[position / Page] * Page) + (position % Page);

    private static void ExpectUnused(ulong slot, int position)
    {
        if (slot != 0)
        {
            Expect(false, $"the slot of position {position} is unused and holds zeros, not {slot:X}");
        }
    }

    private static void Expect(bool holds, string rule)
    {
        if (!holds)
        {
            throw new InvalidOperationException($"The engine broke a rule of the batch: {rule}.");
        }
    }
}
