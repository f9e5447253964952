using System.Globalization;

namespace Grid.Models.Hub;

/// <summary>Gives a connection up when nothing comes for a while; a long file that keeps coming has no limit.</summary>
internal sealed class StallWatch : IDisposable
{
    private readonly CancellationTokenSource _stalled;
    private readonly CancellationTokenSource _either;
    private readonly CancellationToken _asked;
    private readonly TimeSpan _limit;

    public StallWatch(TimeProvider time, TimeSpan limit, CancellationToken cancellationToken)
    {
        _limit = limit;
        _asked = cancellationToken;
        _stalled = new CancellationTokenSource(limit, time);
        _either = CancellationTokenSource.CreateLinkedTokenSource(_stalled.Token, cancellationToken);
    }

    /// <summary>Cancelled when the connection stalls or the caller asks.</summary>
    public CancellationToken Token => _either.Token;

    /// <summary>Something came.</summary>
    public void Touch() => _stalled.CancelAfter(_limit);

    /// <summary>What a failure of the network means: a reason to try again, or null when it is none.</summary>
    public HubTransientException? AsTransient(Exception exception)
    {
        if (_asked.IsCancellationRequested)
        {
            return null;
        }

        if (_stalled.IsCancellationRequested)
        {
            return new HubTransientException($"nothing came for {_limit.TotalSeconds.ToString(CultureInfo.InvariantCulture)} s", null, exception);
        }

        return exception switch
        {
            HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError or HttpRequestError.ProxyTunnelError } => null,
            HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError or HttpRequestError.ConnectionError } =>
                new HubTransientException($"no connection ({exception.Message})", null, exception),
            HttpRequestException or IOException or OperationCanceledException => new HubTransientException("the connection broke", null, exception),
            _ => null,
        };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _either.Dispose();
        _stalled.Dispose();
    }
}
