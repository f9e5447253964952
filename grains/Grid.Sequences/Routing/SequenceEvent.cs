using Grid.Grains;
using Grid.Grains.Messages;

namespace Grid.Sequences.Routing;

/// <summary>What a sequence's inbox holds: one entry of a step batch, or the news that its worker was lost.</summary>
/// <param name="Attempt">The attempt it is about.</param>
/// <param name="Batch">The batch; null when the worker was lost.</param>
/// <param name="Index">The sequence's entry in <see cref="StepBatch.Sequences"/>.</param>
public readonly record struct SequenceEvent(AttemptId Attempt, StepBatch? Batch, int Index)
{
    /// <summary>The worker of the attempt was lost.</summary>
    public static SequenceEvent WorkerLost(AttemptId attempt) => new(attempt, null, 0);
}
