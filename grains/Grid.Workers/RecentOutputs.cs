using System.Runtime.InteropServices;
using Grid.Engine;

namespace Grid.Workers;

/// <summary>
/// Output ids of the sequences that run here, and for a while of those that have ended. A gateway that dies takes what it
/// knew of its streams with it; whoever takes them up elsewhere finds the ids here and has their keys and values computed at
/// once, or out of the prefix cache, instead of drawing token after token anew. Any thread.
/// </summary>
/// <param name="time">For the retention.</param>
/// <param name="retention">How long an output is kept after its end.</param>
internal sealed class RecentOutputs(TimeProvider time, TimeSpan retention)
{
    /// <summary>Ids kept of sequences that have ended, at most; 16 MiB.</summary>
    private const int MaxEndedTokens = 4 << 20;

    private readonly Lock _lock = new();
    private readonly Dictionary<Guid, List<AttemptOutput>> _byName = [];
    private readonly Queue<(AttemptOutput Output, long Ended)> _ended = new();
    private long _endedTokens;

    /// <summary>An attempt begins.</summary>
    /// <param name="name">Its sequence's.</param>
    /// <param name="prior">Output of earlier attempts.</param>
    public AttemptOutput Begin(Guid name, ReadOnlySpan<int> prior)
    {
        var output = new AttemptOutput(name, [.. prior]);
        lock (_lock)
        {
            ref var outputs = ref CollectionsMarshal.GetValueRefOrAddDefault(_byName, name, out _);
            (outputs ??= new(1)).Add(output);
        }

        return output;
    }

    /// <summary>Takes what a step did for an attempt. The token that ended the sequence is left out: after it, nothing goes
    /// on.</summary>
    public void Add(AttemptOutput output, List<EngineEvent> events)
    {
        lock (_lock)
        {
            foreach (var one in events)
            {
                if (one is TokenGenerated generated)
                {
                    output.Ids.Add(generated.Token.TokenId);
                }
            }

            if (events[^1] is SequenceFinished { Reason: FinishReason.Stop or FinishReason.Length } && output.Ids.Count > 0)
            {
                output.Ids.RemoveAt(output.Ids.Count - 1);
            }
        }
    }

    /// <summary>An attempt has ended; its output stays for a while.</summary>
    public void End(AttemptOutput output)
    {
        lock (_lock)
        {
            _ended.Enqueue((output, time.GetTimestamp()));
            _endedTokens += output.Ids.Count;
        }

        Prune();
    }

    /// <summary>The first ids of the longest output of a sequence, at most so many; none where it is not known.</summary>
    public int[] Find(Guid name, int count)
    {
        lock (_lock)
        {
            return _byName.TryGetValue(name, out var outputs) ? [.. outputs.MaxBy(output => output.Ids.Count)!.Ids.Take(count)] : [];
        }
    }

    /// <summary>Drops what is over its time, or too much.</summary>
    public void Prune()
    {
        lock (_lock)
        {
            while (_ended.TryPeek(out var oldest) && (_endedTokens > MaxEndedTokens || time.GetElapsedTime(oldest.Ended) > retention))
            {
                _ended.Dequeue();
                _endedTokens -= oldest.Output.Ids.Count;
                Remove(oldest.Output);
            }
        }
    }

    /// <summary>Drops all, while no attempt runs.</summary>
    public void Clear()
    {
        lock (_lock)
        {
            _byName.Clear();
            _ended.Clear();
            _endedTokens = 0;
        }
    }

    /// <summary>Drops an attempt that did not begin after all.</summary>
    public void Forget(AttemptOutput output)
    {
        lock (_lock)
        {
            Remove(output);
        }
    }

    private void Remove(AttemptOutput output)
    {
        var outputs = _byName[output.Name];
        outputs.Remove(output);
        if (outputs.Count == 0)
        {
            _byName.Remove(output.Name);
        }
    }
}

/// <summary>The output ids of one attempt, those of earlier attempts included.</summary>
internal sealed record AttemptOutput(Guid Name, List<int> Ids);
