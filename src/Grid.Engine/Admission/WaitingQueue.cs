using Grid.Engine.Sequences;

namespace Grid.Engine.Admission;

/// <summary>Sequences waiting to run, first come first served; preempted ones go back to the front.</summary>
internal sealed class WaitingQueue
{
    private readonly LinkedList<Sequence> _queue = [];

    public int Count => _queue.Count;

    public Sequence? First => _queue.First?.Value;

    public void AddLast(Sequence sequence)
    {
        sequence.Phase = SequencePhase.Waiting;
        sequence.WaitingPlace = _queue.AddLast(sequence);
    }

    public void AddFirst(Sequence sequence)
    {
        sequence.Phase = SequencePhase.Waiting;
        sequence.WaitingPlace = _queue.AddFirst(sequence);
    }

    public void Remove(Sequence sequence)
    {
        _queue.Remove(sequence.WaitingPlace!);
        sequence.WaitingPlace = null;
    }
}
