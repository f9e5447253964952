using Grid.Grains;
using Grid.Grains.Messages;

namespace Grid.Sequences.Routing;

/// <summary>What a sequence's inbox holds: one entry of a step batch, the news that its worker was lost, or a tick of its
/// clock.</summary>
/// <param name="Attempt">The attempt it is about.</param>
/// <param name="Batch">The batch; null when the worker was lost, and in a tick.</param>
/// <param name="Index">The sequence's entry in <see cref="StepBatch.Sequences"/>.</param>
public readonly record struct SequenceEvent(AttemptId Attempt, StepBatch? Batch, int Index)
{
    /// <summary>The worker of the attempt was lost.</summary>
    public static SequenceEvent WorkerLost(AttemptId attempt) => new(attempt, null, 0);

    /// <summary>Some time has passed (<see cref="SequencesOptions.HedgeAfter"/>).</summary>
    public static SequenceEvent Tick => new(default, null, -1);

    /// <summary>Whether it is a tick.</summary>
    public bool IsTick => Index < 0;
}
