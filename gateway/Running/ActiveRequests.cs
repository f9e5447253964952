using System.Collections.Concurrent;
using Grid.Gateway.Http;
using Grid.Grains;

namespace Grid.Gateway.Running;

/// <summary>
/// The requests that this gateway answers. When it is asked to stop it takes no more, lets these end within the grace
/// time (<see cref="Drain"/>), and then ends the rest in a way that their clients can go on elsewhere.
/// </summary>
internal sealed class ActiveRequests(Drain drain)
{
    private readonly ConcurrentDictionary<ActiveRequest, ActiveRequest> _active = [];

    /// <summary>Streams under way that can be resumed, by the ids of their requests.</summary>
    public IReadOnlyCollection<Guid> Streams => [.. _active.Keys.Select(request => request.Stream?.Id).OfType<Guid>()];

    /// <summary>Throws <see cref="ApiException"/> (503) once the gateway has been asked to stop.</summary>
    public void RequireOpen()
    {
        if (drain.HasBegun)
        {
            throw new ApiException(ApiErrors.Draining("ask another one, or this one later"));
        }
    }

    /// <summary>Takes a request in, until it is disposed. Throws <see cref="ApiException"/> (503) once the gateway has been
    /// asked to stop.</summary>
    public ActiveRequest Enter(CancellationToken aborted)
    {
        var entry = drain.TryEnter();
        RequireOpen();
        var request = new ActiveRequest(request =>
        {
            _active.TryRemove(request, out _);
            entry?.Dispose();
        }, drain.Over, aborted);
        return _active[request] = request;
    }

    /// <summary>How far the requests under way have come that have said what they are.</summary>
    public IEnumerable<RequestProgress> Progress => _active.Keys.Select(request => request.Progress).OfType<RequestProgress>();

    /// <summary>Has sequences end that are not started yet, of a model or of all, as those that are started end otherwise.</summary>
    public void Abort(string? model, Func<string?, bool> isMeant)
    {
        foreach (var progress in Progress)
        {
            progress.Abort(model, isMeant);
        }
    }

    /// <summary>Ends streams of a request that run under a lower epoch than this.</summary>
    public void Supersede(Guid request, int epoch)
    {
        foreach (var active in _active.Keys)
        {
            active.Supersede(request, epoch);
        }
    }
}

/// <summary>A stream that can be resumed.</summary>
/// <param name="Id">Its request's id.</param>
/// <param name="Epoch">The claim it runs under; 0 for the first stream.</param>
internal sealed record KeptStream(Guid Id, int Epoch);

/// <summary>A request being answered.</summary>
internal sealed class ActiveRequest : IAsyncDisposable
{
    private readonly CancellationTokenSource _end;
    private readonly CancellationTokenRegistration _over;
    private readonly Action<ActiveRequest> _leave;
    private readonly Lock _lock = new();
    private ITimer? _deadline;
    private volatile KeptStream? _stream;
    private Guid? _claimed;
    private int _newestEpoch;
    private bool _left;

    /// <param name="leave">Told when it has been answered.</param>
    /// <param name="over">The gateway ends what still runs.</param>
    /// <param name="aborted">The client has left.</param>
    public ActiveRequest(Action<ActiveRequest> leave, CancellationToken over, CancellationToken aborted)
    {
        _leave = leave;
        _end = CancellationTokenSource.CreateLinkedTokenSource(aborted);
        Token = _end.Token;
        _over = over.UnsafeRegister(_ => End(ApiErrors.Draining(Stream is { } stream
            ? $"GET /v1/sequences/{stream.Id:N}/events on another one, with this event's id as Last-Event-ID, goes on where this stream stops"
            : "send the request to another one")), null);
    }

    /// <summary>Cancelled when the client left, and when the request is to end (<see cref="EndedBy"/>).</summary>
    public CancellationToken Token { get; }

    /// <summary>How far it has come; null before it is known what it is.</summary>
    public RequestProgress? Progress { get; set; }

    /// <summary>Its stream, from when it can be resumed.</summary>
    public KeptStream? Stream => _stream;

    /// <summary>The way of its record into the store, which ends with the request.</summary>
    public Task Keeping { get; set; } = Task.CompletedTask;

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
            (_stream, _claimed) = (new KeptStream(stream, epoch), stream);
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

    /// <summary>Ends it when it has not been answered by then.</summary>
    public void EndAfter(TimeSpan time, TimeProvider clock, ApiError error) =>
        _deadline = clock.CreateTimer(_ => End(error), null, time > TimeSpan.Zero ? time : TimeSpan.Zero, Timeout.InfiniteTimeSpan);

    public async ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            _left = true;
        }
        _deadline?.Dispose();
        await _over.DisposeAsync();
        await _end.CancelAsync();
        await Keeping.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _end.Dispose();
        _leave(this);
    }

    private void EndIfSuperseded()
    {
        if (Stream?.Epoch < _newestEpoch)
        {
            End(ApiErrors.Conflict("stream_resumed", "The stream was resumed by another connection; it goes on there.").Error);
        }
    }

    /// <summary>Ends it from this side.</summary>
    public void End(ApiError error)
    {
        lock (_lock)
        {
            if (!_left && EndedBy is null)
            {
                EndedBy = error;
                _end.CancelAsync();
            }
        }
    }
}
