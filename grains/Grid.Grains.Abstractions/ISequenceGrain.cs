using Grid.Grains.Messages;
using Grid.Numerics;

namespace Grid.Grains;

/// <summary>
/// One sequence, on the gateway that took the request; its key is the gateway's silo and the sequence's id. Tokens do
/// not pass through calls of this grain: the gateway that started it reads them from memory.
/// </summary>
[Alias("grid.ISequenceGrain")]
public interface ISequenceGrain : IGrainWithStringKey
{
    /// <summary>Turns the prompt to ids, finds a worker and submits; null when one took it. Called once, by the gateway on the grain's own silo.</summary>
    [Alias("start")]
    Task<Refusal?> Start(SequenceSpec spec);

    /// <summary>Ends the sequence with finish reason "abort"; does nothing once it has ended.</summary>
    [Alias("cancel")]
    Task Cancel();

    /// <summary>Where the sequence stands; null when it has not been started here, or ended and was let go.</summary>
    [Alias("state")]
    Task<SequenceState?> GetState();
}
