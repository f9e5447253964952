using System.Collections.Concurrent;
using Grid.Gateway.Http;
using Grid.Sequences.Streams;
using Microsoft.Extensions.Options;

namespace Grid.Gateway.Running;

/// <summary>
/// The requests that this gateway answers. When it is asked to stop it takes no more, lets these end within the grace
/// time, and then ends the rest in a way that their clients can go on elsewhere.
/// </summary>
internal sealed class ActiveRequests : IHostedLifecycleService, IStreamOwner
{
    /// <summary>For the last words to those that are ended.</summary>
    private static readonly TimeSpan s_goodbye = TimeSpan.FromSeconds(3);

    private readonly ConcurrentDictionary<ActiveRequest, ActiveRequest> _active = [];
    private readonly TaskCompletionSource _empty = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TimeProvider _clock;
    private readonly TimeSpan _grace;
    private readonly ILogger<ActiveRequests> _logger;
    private long _drainingSince;
    private volatile bool _draining;

    public ActiveRequests(
        IHostApplicationLifetime lifetime, IOptions<GatewayOptions> options, TimeProvider clock, ILogger<ActiveRequests> logger)
    {
        _clock = clock;
        _grace = options.Value.DrainGrace ?? GatewayOptions.DefaultDrainGrace;
        _logger = logger;
        // Earlier than any service is told: from the signal on.
        lifetime.ApplicationStopping.Register(() =>
        {
            _drainingSince = _clock.GetTimestamp();
            _draining = true;
        });
    }

    /// <summary>Streams under way that can be resumed, by the ids of their requests.</summary>
    public IReadOnlyCollection<Guid> Streams => [.. _active.Keys.Select(request => request.Stream).OfType<Guid>()];

    /// <summary>Throws <see cref="ApiException"/> (503) once the gateway has been asked to stop.</summary>
    public void RequireOpen()
    {
        if (_draining)
        {
            throw new ApiException(ApiErrors.Draining("ask another one, or this one later"));
        }
    }

    /// <summary>Takes a request in, until it is disposed. Throws <see cref="ApiException"/> (503) once the gateway has been
    /// asked to stop.</summary>
    public ActiveRequest Enter(CancellationToken aborted)
    {
        RequireOpen();
        var request = new ActiveRequest(this, aborted);
        _active[request] = request;
        if (_draining)
        {
            request.Dispose();
            RequireOpen();
        }
        return request;
    }

    /// <inheritdoc/>
    public void Supersede(Guid request, int epoch)
    {
        foreach (var active in _active.Keys)
        {
            active.Supersede(request, epoch);
        }
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    // Before any service stops: HTTP and grains go on meanwhile.
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        LeaveIfEmpty();
        var left = _grace - _clock.GetElapsedTime(_drainingSince);
        await EmptyWithinAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, cancellationToken);
        if (!_active.IsEmpty)
        {
            GatewayLog.DrainExpired(_logger, _active.Count, _grace.TotalSeconds);
            foreach (var request in _active.Keys)
            {
                request.End(ApiErrors.Draining(request.Stream is { } stream
                    ? $"GET /v1/sequences/{stream:N}/events on another one, with this event's id as Last-Event-ID, goes on where this stream stops"
                    : "send the request to another one"));
            }
            await EmptyWithinAsync(s_goodbye, cancellationToken);
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    internal void Leave(ActiveRequest request)
    {
        _active.TryRemove(request, out _);
        LeaveIfEmpty();
    }

    private void LeaveIfEmpty()
    {
        if (_draining && _active.IsEmpty)
        {
            _empty.TrySetResult();
        }
    }

    private async Task EmptyWithinAsync(TimeSpan time, CancellationToken cancellationToken)
    {
        try
        {
            await _empty.Task.WaitAsync(time, _clock, cancellationToken);
        }
        catch (Exception exception) when (exception is TimeoutException or OperationCanceledException)
        {
            // The caller sees what is left.
        }
    }
}

/// <summary>A request being answered.</summary>
internal sealed class ActiveRequest : IDisposable
{
    private readonly ActiveRequests _owner;
    private readonly CancellationTokenSource _end;
    private readonly Lock _lock = new();
    private Guid? _claimed;
    private int _newestEpoch;
    private bool _left;

    public ActiveRequest(ActiveRequests owner, CancellationToken aborted)
    {
        _owner = owner;
        _end = CancellationTokenSource.CreateLinkedTokenSource(aborted);
        Token = _end.Token;
    }

    /// <summary>Cancelled when the client left, and when the request is to end (<see cref="EndedBy"/>).</summary>
    public CancellationToken Token { get; }

    /// <summary>Its id, from when its stream can be resumed.</summary>
    public Guid? Stream { get; private set; }

    /// <summary>The claim it runs under; 0 for the first stream.</summary>
    public int Epoch { get; private set; }

    /// <summary>Why the gateway ends it; null while it does not.</summary>
    public ApiError? EndedBy { get; private set; }

    /// <summary>It is about to claim a request: a claim that follows at once, and is heard of before this one's own epoch is
    /// known, ends it all the same.</summary>
    public void Claim(Guid stream)
    {
        lock (_lock)
        {
            _claimed = stream;
        }
    }

    /// <summary>Its stream can be resumed from now on.</summary>
    public void Keep(Guid stream, int epoch)
    {
        lock (_lock)
        {
            Epoch = epoch;
            Stream = stream;
            _claimed = stream;
            EndIfSuperseded();
        }
    }

    /// <summary>A request was claimed under an epoch; ends this one if it is an older stream of it.</summary>
    public void Supersede(Guid request, int epoch)
    {
        lock (_lock)
        {
            if (_claimed == request)
            {
                _newestEpoch = Math.Max(_newestEpoch, epoch);
                EndIfSuperseded();
            }
        }
    }

    /// <summary>Ends it from this side.</summary>
    public void End(ApiError error)
    {
        lock (_lock)
        {
            if (_left || EndedBy is not null)
            {
                return;
            }
            EndedBy = error;
            _end.CancelAsync();
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _left = true;
        }
        _end.Dispose();
        _owner.Leave(this);
    }

    private void EndIfSuperseded()
    {
        if (Stream is not null && Epoch < _newestEpoch)
        {
            End(ApiErrors.Conflict("stream_resumed", "The stream was resumed by another connection; it goes on there.").Error);
        }
    }
}
