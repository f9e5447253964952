using System.Collections.Concurrent;
using Grid.Gateway.Http;
using Grid.Grains;
using Grid.Resumption;

namespace Grid.Gateway.Running;

/// <summary>
/// The requests that this gateway answers. When it is asked to stop it takes no more, lets these end within the grace
/// time (<see cref="Drain"/>), and then ends the rest in a way that their clients can go on elsewhere.
/// </summary>
internal sealed class ActiveRequests : IStreamOwner
{
    private readonly ConcurrentDictionary<ActiveRequest, ActiveRequest> _active = [];
    private readonly Drain _drain;

    public ActiveRequests(Drain drain)
    {
        _drain = drain;
        drain.Over.Register(EndAll);
    }

    /// <summary>Streams under way that can be resumed, by the ids of their requests.</summary>
    public IReadOnlyCollection<Guid> Streams => [.. _active.Keys.Select(request => request.Stream).OfType<Guid>()];

    /// <summary>Throws <see cref="ApiException"/> (503) once the gateway has been asked to stop.</summary>
    public void RequireOpen()
    {
        if (_drain.HasBegun)
        {
            throw new ApiException(ApiErrors.Draining("ask another one, or this one later"));
        }
    }

    /// <summary>Takes a request in, until it is disposed. Throws <see cref="ApiException"/> (503) once the gateway has been
    /// asked to stop.</summary>
    public ActiveRequest Enter(CancellationToken aborted)
    {
        RequireOpen();
        var request = new ActiveRequest(this, _drain.TryEnter(), aborted);
        _active[request] = request;
        if (_drain.HasBegun)
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

    internal void Leave(ActiveRequest request) => _active.TryRemove(request, out _);

    private void EndAll()
    {
        foreach (var request in _active.Keys)
        {
            request.End(ApiErrors.Draining(request.Stream is { } stream
                ? $"GET /v1/sequences/{stream:N}/events on another one, with this event's id as Last-Event-ID, goes on where this stream stops"
                : "send the request to another one"));
        }
    }
}

/// <summary>A request being answered.</summary>
internal sealed class ActiveRequest : IDisposable
{
    private readonly ActiveRequests _owner;
    private readonly IDisposable? _entry;
    private readonly CancellationTokenSource _end;
    private readonly Lock _lock = new();
    private Guid? _claimed;
    private int _newestEpoch;
    private bool _left;

    public ActiveRequest(ActiveRequests owner, IDisposable? entry, CancellationToken aborted)
    {
        (_owner, _entry) = (owner, entry);
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
        _entry?.Dispose();
    }

    private void EndIfSuperseded()
    {
        if (Stream is not null && Epoch < _newestEpoch)
        {
            End(ApiErrors.Conflict("stream_resumed", "The stream was resumed by another connection; it goes on there.").Error);
        }
    }
}
