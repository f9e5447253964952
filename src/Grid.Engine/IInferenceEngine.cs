using Grid.Engine.PrefixCaching;

namespace Grid.Engine;

/// <summary>
/// What a worker asks of its engine: <see cref="InferenceEngine"/>, or a scripted one in tests. Threading is the
/// engine's: <see cref="Step"/> and <see cref="WaitForWork"/> from the device's thread, the rest from any.
/// </summary>
public interface IInferenceEngine
{
    /// <inheritdoc cref="InferenceEngine.Status"/>
    EngineStatus Status { get; }

    /// <summary>Has somebody told of what the prefix cache holds; an engine without one says nothing.</summary>
    void Observe(IPrefixCacheObserver observer)
    {
    }

    /// <inheritdoc cref="InferenceEngine.TrySubmit"/>
    bool TrySubmit(SequenceRequest request);

    /// <inheritdoc cref="InferenceEngine.Cancel"/>
    void Cancel(SequenceId id);

    /// <inheritdoc cref="InferenceEngine.RequestFlush"/>
    void RequestFlush();

    /// <inheritdoc cref="InferenceEngine.Pause"/>
    void Pause(bool retract);

    /// <inheritdoc cref="InferenceEngine.Continue"/>
    void Continue();

    /// <inheritdoc cref="InferenceEngine.ExchangeWeightsAsync"/>
    Task ExchangeWeightsAsync(Action apply);

    /// <inheritdoc cref="InferenceEngine.WaitForWork"/>
    void WaitForWork(CancellationToken cancellationToken);

    /// <inheritdoc cref="InferenceEngine.Step"/>
    IReadOnlyList<EngineEvent> Step();
}
