using Grid.Grains.Messages;

namespace Grid.Grains;

/// <summary>
/// One sequence, from its spec to its last token, on the silo that its key (<see cref="Placement.SiloKey"/>) names. Started once, in one
/// of two ways. When its silo is lost, another grain runs the same sequence elsewhere: the bits are the same, so its reader goes on
/// where it was (<see cref="SequenceCursor"/>).
/// </summary>
[Alias("grid.ISequenceGrain")]
public interface ISequenceGrain : IGrainWithStringKey
{
    /// <summary>The grain type's name in the cluster's manifest; silos without it take no sequences.</summary>
    const string GrainTypeName = "grid-sequence";

    /// <summary>Starts the sequence for a reader on the grain's own silo, which has it in its list and takes the updates from memory: no
    /// token passes through a call. Returns at once; who reads is told whether it has begun. Where sequences have to wait, clients take
    /// turns.</summary>
    [Alias("start")]
    Task Start(SequenceSpec spec);

    /// <summary>
    /// Runs the sequence for a reader elsewhere. At least two updates come each second, empty ones where there is no news: a reader that
    /// hears nothing knows that the silo is lost. The first with content has the prompt's ids; the last one has a finish reason or a
    /// refusal. Leaving the stream cancels the sequence.
    /// </summary>
    [Alias("run")]
    IAsyncEnumerable<SequenceUpdate> Run(SequenceSpec spec, CancellationToken cancellationToken);

    /// <summary>Where the sequence stands; null when it has not been started here, or ended and was let go.</summary>
    [Alias("state")]
    Task<SequenceState?> GetState();
}
