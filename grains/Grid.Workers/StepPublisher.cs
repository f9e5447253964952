using System.Collections.Concurrent;
using Grid.Engine;
using Grid.Grains;
using Grid.Grains.Messages;

namespace Grid.Workers;

/// <summary>An accepted attempt, and the events of the step being published (device thread only).</summary>
internal sealed record AcceptedAttempt(AttemptId Id, StepSubscription Subscription, AttemptOutput Output)
{
    public List<EngineEvent> Events { get; } = [];
}

/// <summary>Writes what a step did into the gateways' streams, one batch each. The device's thread.</summary>
/// <param name="attempts">Attempts accepted and not yet ended; those that end are taken out.</param>
/// <param name="outputs">Keeps the outputs of those.</param>
/// <param name="load">The worker's load now.</param>
internal sealed class StepPublisher(ConcurrentDictionary<AttemptId, AcceptedAttempt> attempts, RecentOutputs outputs, Func<WorkerLoad> load)
{
    private readonly List<AcceptedAttempt> _touched = [];
    private readonly List<StepSubscription> _written = [];

    /// <summary>Publishes one step's events.</summary>
    public void Publish(IReadOnlyList<EngineEvent> events)
    {
        // An engine reports in its own order; a batch wants each sequence's events together.
        for (int i = 0; i < events.Count; i++)
        {
            if (attempts.TryGetValue(events[i].Id.ToMessage(), out var attempt))
            {
                if (attempt.Events.Count == 0)
                {
                    _touched.Add(attempt);
                }

                attempt.Events.Add(events[i]);
            }
        }

        foreach (var attempt in _touched)
        {
            Add(attempt);
        }

        var now = _touched.Count > 0 ? load() : default;
        foreach (var subscription in _written)
        {
            subscription.Publish(now);
        }

        _touched.Clear();
        _written.Clear();
    }

    private void Add(AcceptedAttempt attempt)
    {
        attempt.Output.Add(attempt.Events);
        if (!attempt.Subscription.Ended)
        {
            if (!_written.Contains(attempt.Subscription))
            {
                _written.Add(attempt.Subscription);
            }

            attempt.Subscription.Add(attempt.Id, attempt.Events);
        }

        if (attempt.Events[^1] is SequenceFinished)
        {
            attempts.TryRemove(attempt.Id, out _);
            outputs.End(attempt.Output);
        }

        attempt.Events.Clear();
    }
}
