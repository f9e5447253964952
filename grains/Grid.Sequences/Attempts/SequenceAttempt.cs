using System.Threading.Channels;
using Grid.Grains;
using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Sequences.Routing;

namespace Grid.Sequences.Attempts;

/// <summary>One attempt at a sequence: an epoch of it on one worker.</summary>
/// <param name="id">The sequence and the epoch.</param>
/// <param name="worker">Where it runs.</param>
/// <param name="isCutShort">Whether the worker's KV cache ends it before the sequence's end.</param>
internal sealed class SequenceAttempt(AttemptId id, LiveWorker worker, bool isCutShort)
{
    /// <summary>The sequence and the epoch.</summary>
    public AttemptId Id => id;

    /// <summary>Where it runs.</summary>
    public LiveWorker Worker => worker;

    /// <summary>Whether its end in this entry is not the sequence's: it has outgrown its worker, and goes on at a larger
    /// one.</summary>
    public bool HasOutgrown(StepBatch batch, int index) => isCutShort && batch.Sequences[index].Finish == StepFinish.Length;

    /// <summary>Offers it to the worker; its events go to the inbox from then on.</summary>
    public Task<Refusal?> SubmitAsync(SubmitRequest request, ChannelWriter<SequenceEvent> inbox) =>
        worker.SubmitAsync(request, inbox);

    /// <summary>Stops listening, and ends it at the worker in case it still runs there.</summary>
    public void Leave()
    {
        worker.Demultiplexer.Remove(id);
        if (worker.IsOpen)
        {
            worker.Grain.Cancel(id).Ignore();
        }
    }
}

/// <summary>How a search for a worker ended.</summary>
/// <param name="Attempt">The attempt that runs now; null when nobody took it.</param>
/// <param name="Refusal">Why the last worker did not; null when one did.</param>
internal readonly record struct Launch(SequenceAttempt? Attempt, Refusal? Refusal);
