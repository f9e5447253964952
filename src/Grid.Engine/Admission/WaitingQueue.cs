using Grid.Engine.Sequences;

namespace Grid.Engine.Admission;

/// <summary>Sequences waiting to run, first come first served; preempted ones go back to the front.</summary>
internal sealed class WaitingQueue
{
    private readonly LinkedList<Sequence> _queue = [];

    public int Count => _queue.Count;

    /// <summary>Tokens to compute until all of them decode, as estimated when each came.</summary>
    public long ExpectedTokens { get; private set; }

    public Sequence? First => _queue.First?.Value;

    public void AddLast(Sequence sequence)
    {
        sequence.Phase = SequencePhase.Waiting;
        sequence.WaitingPlace = _queue.AddLast(sequence);
        ExpectedTokens += sequence.ExpectedTokens;
    }

    public void AddFirst(Sequence sequence)
    {
        sequence.Phase = SequencePhase.Waiting;
        sequence.WaitingPlace = _queue.AddFirst(sequence);
        ExpectedTokens += sequence.ExpectedTokens;
    }

    public void Remove(Sequence sequence)
    {
        _queue.Remove(sequence.WaitingPlace!);
        sequence.WaitingPlace = null;
        ExpectedTokens -= sequence.ExpectedTokens;
    }
}
