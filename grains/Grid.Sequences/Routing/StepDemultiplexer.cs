using System.Collections.Concurrent;
using System.Threading.Channels;
using Grid.Grains;
using Grid.Grains.Messages;

namespace Grid.Sequences.Routing;

/// <summary>
/// Hands a worker's step batches to the sequences they concern. Inboxes take without waiting, so that no client can
/// stall the stream; what an inbox holds is bounded by the prompt and max_new_tokens of its sequence. Events of attempts
/// that nobody listens for any more (older epochs, ended sequences) are dropped.
/// </summary>
public sealed class StepDemultiplexer
{
    private readonly ConcurrentDictionary<AttemptId, ChannelWriter<SequenceEvent>> _inboxes = new();

    /// <summary>Attempts listened for.</summary>
    public int Count => _inboxes.Count;

    /// <summary>Listens for an attempt's events; before it is submitted, so that none is missed.</summary>
    public void Add(AttemptId attempt, ChannelWriter<SequenceEvent> inbox)
    {
        if (!_inboxes.TryAdd(attempt, inbox))
        {
            throw new InvalidOperationException($"Attempt {attempt} is listened for already.");
        }
    }

    /// <summary>Stops listening; unknown attempts are ignored.</summary>
    public void Remove(AttemptId attempt) => _inboxes.TryRemove(attempt, out _);

    /// <summary>Hands out one batch.</summary>
    public void Dispatch(StepBatch batch)
    {
        for (int i = 0; i < batch.Sequences.Length; i++)
        {
            var attempt = batch.Sequences[i].Attempt;
            if (_inboxes.TryGetValue(attempt, out var inbox))
            {
                inbox.TryWrite(new SequenceEvent(attempt, batch, i));
            }
        }
    }

    /// <summary>Tells all listeners that their worker was lost, once, and forgets them.</summary>
    public void LoseAll()
    {
        foreach (var attempt in _inboxes.Keys)
        {
            if (_inboxes.TryRemove(attempt, out var inbox))
            {
                inbox.TryWrite(SequenceEvent.WorkerLost(attempt));
            }
        }
    }
}
