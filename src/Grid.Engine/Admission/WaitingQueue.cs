using Grid.Engine.Sequences;

namespace Grid.Engine.Admission;

/// <summary>Sequences waiting to run: by rank, and of equal ranks first come first served; preempted ones go to the front of theirs.</summary>
internal sealed class WaitingQueue
{
    private readonly LinkedList<Sequence> _queue = [];

    public int Count => _queue.Count;

    /// <summary>Tokens to compute until all of them decode, as estimated when each came.</summary>
    public long ExpectedTokens { get; private set; }

    public Sequence? First => _queue.First?.Value;

    /// <summary>The one behind this one; null when it is the last.</summary>
    public static Sequence? After(Sequence sequence) => sequence.WaitingPlace!.Next?.Value;

    /// <summary>Adds it behind those of its rank.</summary>
    public void AddLast(Sequence sequence)
    {
        var before = _queue.Last;
        while (before is not null && before.Value.Rank > sequence.Rank)
        {
            before = before.Previous;
        }

        Place(sequence, before is null ? _queue.AddFirst(sequence) : _queue.AddAfter(before, sequence));
    }

    /// <summary>Adds it in front of those of its rank.</summary>
    public void AddFirst(Sequence sequence)
    {
        var behind = _queue.First;
        while (behind is not null && behind.Value.Rank < sequence.Rank)
        {
            behind = behind.Next;
        }

        Place(sequence, behind is null ? _queue.AddLast(sequence) : _queue.AddBefore(behind, sequence));
    }

    /// <summary>Those of a rank below one.</summary>
    public int CountBelow(int rank)
    {
        int count = 0;
        foreach (var sequence in _queue)
        {
            if (sequence.Rank >= rank)
            {
                break;
            }

            count++;
        }

        return count;
    }

    /// <summary>They have waited for a while: every rank above one is one lower.</summary>
    public void Age(int least)
    {
        foreach (var sequence in _queue)
        {
            sequence.Rank -= sequence.Rank > least ? 1 : 0;
        }
    }

    /// <summary>A waiting one has so many tokens to compute.</summary>
    public void Expect(Sequence sequence, int tokens)
    {
        ExpectedTokens += tokens - sequence.ExpectedTokens;
        sequence.ExpectedTokens = tokens;
    }

    public void Remove(Sequence sequence)
    {
        _queue.Remove(sequence.WaitingPlace!);
        sequence.WaitingPlace = null;
        sequence.Leader = null;
        ExpectedTokens -= sequence.ExpectedTokens;
    }

    private void Place(Sequence sequence, LinkedListNode<Sequence> place)
    {
        sequence.Phase = SequencePhase.Waiting;
        sequence.WaitingPlace = place;
        ExpectedTokens += sequence.ExpectedTokens;
    }
}
