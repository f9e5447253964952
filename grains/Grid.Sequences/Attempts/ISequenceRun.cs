using Grid.Numerics;
using Grid.Sequences.Decoding;
using Grid.Sequences.Routing;

namespace Grid.Sequences.Attempts;

/// <summary>How a sequence's attempts become its output: one after the other (<see cref="SingleRun"/>), or two that must
/// agree (<see cref="CheckedRun"/>). All calls in the sequence's turns.</summary>
internal interface ISequenceRun
{
    /// <summary>The attempt whose output counts, one of them where several do; null between attempts.</summary>
    SequenceAttempt? Current { get; }

    /// <summary>Makes the first attempt, on one of the candidates if they still take it; null when one does.</summary>
    Task<Refusal?> BeginAsync(LiveWorker[] candidates);

    /// <summary>Takes one event. What it gives for output is in the decoder then; where no attempt can go on, the decoder has
    /// ended with the reason.</summary>
    Task TakeAsync(SequenceEvent item);

    /// <summary>Ends all attempts.</summary>
    void Leave();
}

/// <summary>What a run needs of its sequence.</summary>
/// <param name="Id">The sequence.</param>
/// <param name="Launcher">Makes its attempts.</param>
/// <param name="Decoder">Takes its output.</param>
/// <param name="Workers">Who may run it.</param>
/// <param name="Publish">Gives the reader what the decoder has; called before something that may take long.</param>
internal sealed record RunContext(
    Guid Id, AttemptLauncher Launcher, SequenceDecoder Decoder, WorkerDirectory Workers, Action Publish);
