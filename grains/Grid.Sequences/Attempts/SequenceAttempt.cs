using System.Diagnostics;
using Grid.Grains;
using Grid.Grains.Messages;
using Grid.Sequences.Decoding;
using Grid.Sequences.Routing;

namespace Grid.Sequences.Attempts;

/// <summary>One attempt at a sequence: an epoch of it on one worker.</summary>
/// <param name="id">The sequence and the epoch.</param>
/// <param name="worker">Where it runs.</param>
/// <param name="isCutShort">Whether the worker's KV cache ends it before the sequence's end.</param>
/// <param name="span">Its span; null where nobody wants one.</param>
internal sealed class SequenceAttempt(AttemptId id, LiveWorker worker, bool isCutShort, Activity? span)
{
    private bool _hasEnded;

    /// <summary>The sequence and the epoch.</summary>
    public AttemptId Id => id;

    /// <summary>Where it runs.</summary>
    public LiveWorker Worker => worker;

    /// <summary>Its span, as its worker's has it for a parent; null where there is none.</summary>
    public string? Trace => span?.Id;

    /// <summary>What it gave that does not count yet: at most the rest of the sequence.</summary>
    public Queue<StepItem> Pending { get; } = new();

    /// <summary>Whether its worker has no room for more than it gave: its end was not the sequence's, which goes on at a larger
    /// one.</summary>
    public bool HasOutgrown { get; private set; }

    /// <summary>Takes what a step gave.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="index">The attempt's entry.</param>
    public void Take(StepBatch batch, int index)
    {
        var finish = batch.Sequences[index].Finish;
        _hasEnded = finish != StepFinish.None;
        HasOutgrown = isCutShort && finish == StepFinish.Length;
        if (_hasEnded)
        {
            EndSpan();
        }

        foreach (var item in StepItem.Of(batch, index))
        {
            if (!HasOutgrown || item.Kind != StepItemKind.End)
            {
                Pending.Enqueue(item);
            }
        }
    }

    /// <summary>Stops listening, and ends it at the worker unless it has ended there.</summary>
    public void Leave()
    {
        EndSpan();
        worker.Demultiplexer.Remove(id);
        if (worker.IsOpen && !_hasEnded)
        {
            worker.Grain.Cancel(id).Ignore();
        }
    }

    /// <summary>Ends its span, once.</summary>
    /// <param name="error">Where something went wrong, what.</param>
    public void EndSpan(string? error = null)
    {
        Tracing.End(span, error);
        span = null;
    }
}
