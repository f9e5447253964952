using Grid.Models;
using Grid.Models.Operations;

namespace Grid.Engine;

/// <summary>One replica of a model on one device: continuous batching over a paged KV cache.</summary>
/// <remarks>
/// <see cref="TrySubmit"/>, <see cref="Cancel"/> and <see cref="RequestFlush"/> may be called from any thread;
/// <see cref="Step"/> from one thread only, the one that owns the device.
/// </remarks>
public sealed class InferenceEngine(ICausalLanguageModel model, IOperations operations, EngineOptions options)
{
    /// <summary>Current load, readable from any thread.</summary>
    public EngineStatus Status => throw new NotSupportedException($"{model} {operations} {options}");

    /// <summary>Queues a sequence; false when the waiting queue is full. Throws <see cref="ArgumentException"/> naming
    /// field, value and rule when the request cannot run on this model.</summary>
    public bool TrySubmit(SequenceRequest request) => throw new NotSupportedException($"{request}");

    /// <summary>Ends a waiting or running sequence; unknown ids are ignored (it may just have finished).</summary>
    public void Cancel(SequenceId id) => throw new NotSupportedException($"{id}");

    /// <summary>Asks for all unleased prefix-cache pages to be dropped before the next step.</summary>
    public void RequestFlush() => throw new NotSupportedException();

    /// <summary>Blocks until there is work or the token is cancelled.</summary>
    public void WaitForWork(CancellationToken cancellationToken) => throw new NotSupportedException($"{cancellationToken}");

    /// <summary>Runs one step and returns its events in order; the list is reused by the next step.</summary>
    public IReadOnlyList<EngineEvent> Step() => throw new NotSupportedException();
}

/// <summary>An engine's load at one moment.</summary>
public sealed record EngineStatus(
    int Running, int Waiting, int FreePages, int CachedPages, int TotalPages, long Steps, long GeneratedTokens,
    long PromptTokens, long CachedPromptTokens, long Preemptions);
