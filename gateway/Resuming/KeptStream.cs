namespace Grid.Gateway.Resuming;

/// <summary>A stream whose request is on its way into the store, and can be resumed from when it is there. Disposing it ends the
/// trying.</summary>
internal sealed class KeptStream : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop;
    private readonly Task _keeping;

    /// <param name="start">The stream's start.</param>
    /// <param name="keep">Ends once the store has the request.</param>
    /// <param name="cancellationToken">The stream ends.</param>
    public KeptStream(StreamPosition start, Func<CancellationToken, Task> keep, CancellationToken cancellationToken)
    {
        Start = start;
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _keeping = keep(_stop.Token);
    }

    /// <summary>The stream's start.</summary>
    public StreamPosition Start { get; }

    /// <summary>Whether the store has the request: from then on events have ids.</summary>
    public bool IsKept => _keeping.IsCompletedSuccessfully;

    /// <summary>Whether it has not, and may yet.</summary>
    public bool IsPending => !_keeping.IsCompleted;

    /// <summary>Waits until it has, or no longer.</summary>
    public async Task WaitAsync(TimeSpan patience, TimeProvider clock) =>
        await _keeping.WaitAsync(patience, clock).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _keeping.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }
}
