using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
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
    private readonly ConcurrentDictionary<AttemptId, Listener> _listeners = new();
    private long _prefillTokens;
    private int _count; // The dictionary would lock itself as a whole to tell.

    /// <summary>Attempts listened for.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Prompt tokens that those of them without a token yet were expected to need computed.</summary>
    public long PrefillTokens => Interlocked.Read(ref _prefillTokens);

    /// <summary>Listens for an attempt's events; before it is submitted, so that none is missed.</summary>
    /// <param name="attempt">The attempt.</param>
    /// <param name="inbox">Gets the events.</param>
    /// <param name="prefillTokens">Prompt tokens that the worker is expected to compute for it.</param>
    public void Add(AttemptId attempt, ChannelWriter<SequenceEvent> inbox, long prefillTokens = 0)
    {
        var listener = new Listener(inbox, prefillTokens);
        if (!_listeners.TryAdd(attempt, listener))
        {
            throw new InvalidOperationException($"Attempt {attempt} is listened for already.");
        }

        Interlocked.Increment(ref _count);
        Interlocked.Add(ref _prefillTokens, prefillTokens);
    }

    /// <summary>Stops listening; unknown attempts are ignored.</summary>
    public void Remove(AttemptId attempt) => TryRemove(attempt, out _);

    /// <summary>Hands out one batch. After an attempt's end nothing is listened for.</summary>
    public void Dispatch(StepBatch batch)
    {
        for (int i = 0; i < batch.Sequences.Length; i++)
        {
            ref var step = ref batch.Sequences[i];
            if (!_listeners.TryGetValue(step.Attempt, out var listener))
            {
                continue;
            }

            listener.Inbox.TryWrite(new SequenceEvent(step.Attempt, batch, i));
            if (step.Finish != StepFinish.None)
            {
                Remove(step.Attempt);
            }
            else if (step.OutputTokenCount > 0)
            {
                EndPrefill(listener);
            }
        }
    }

    /// <summary>Tells all listeners that their worker was lost, once, and forgets them.</summary>
    public void LoseAll()
    {
        foreach (var attempt in _listeners.Keys)
        {
            if (TryRemove(attempt, out var listener))
            {
                listener.Inbox.TryWrite(SequenceEvent.WorkerLost(attempt));
            }
        }
    }

    private bool TryRemove(AttemptId attempt, [NotNullWhen(true)] out Listener? listener)
    {
        if (!_listeners.TryRemove(attempt, out listener))
        {
            return false;
        }

        Interlocked.Decrement(ref _count);
        EndPrefill(listener);
        return true;
    }

    private void EndPrefill(Listener listener) =>
        Interlocked.Add(ref _prefillTokens, -Interlocked.Exchange(ref listener.PrefillTokens, 0));

    private sealed class Listener(ChannelWriter<SequenceEvent> inbox, long prefillTokens)
    {
        public long PrefillTokens = prefillTokens;

        public ChannelWriter<SequenceEvent> Inbox { get; } = inbox;
    }
}
