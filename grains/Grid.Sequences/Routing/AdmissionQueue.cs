using System.Globalization;
using System.Runtime.CompilerServices;
using Grid.Grains;
using Grid.Grains.Messages;
using Grid.Numerics;
using Microsoft.Extensions.Options;

namespace Grid.Sequences.Routing;

/// <summary>
/// Where sequences wait while every worker of their model is full: a bounded line per model and its bits, in which clients take
/// turns. A sequence leaves it when a worker reports room, when its client gives up, or, refused, when it has waited too long.
/// </summary>
internal sealed class AdmissionQueue
{
    private readonly WorkerDirectory _workers;
    private readonly SequencesOptions _options;
    private readonly TimeProvider _time;
    private readonly CancellationToken _graceOver;
    private readonly Lock _gate = new();
    private readonly Dictionary<(string Model, string NumericsId), ModelLine> _lines = [];
    private readonly ClientLimits _clients;
    private readonly StrongBox<int> _waiting = new();

    /// <summary>Made by the container.</summary>
    public AdmissionQueue(WorkerDirectory workers, IOptions<SequencesOptions> options, IClientQuotas quotas, Drain drain, TimeProvider time)
    {
        (_workers, _options, _time, _graceOver) = (workers, options.Value, time, drain.Over);
        _clients = new ClientLimits(quotas, time);
        workers.Changed += LetIn;
        workers.Reported += LetIn;
    }

    /// <summary>Sequences waiting for workers of a model.</summary>
    public int Waiting(string model)
    {
        lock (_gate)
        {
            return _lines.Where(line => line.Key.Model == model).Sum(line => line.Value.Count);
        }
    }

    /// <summary>Places for all sequences of a request, or for none: throws <see cref="RefusedException"/> when more would wait than may, or
    /// the client would have more than it may have. None of them is refused for that any more until the rest is given back.</summary>
    /// <param name="spec">One of them.</param>
    /// <param name="sequences">How many they are.</param>
    public IReservedPlaces Reserve(SequenceSpec spec, int sequences)
    {
        lock (_gate)
        {
            var line = LineOf(spec);
            long wait = Math.Max(0, sequences - (line.Count > 0 ? 0 : Math.Max(0, RoomOf(spec) - line.Entering)));
            if (wait > 0 && line.WaitingOf(spec.Client) + ReservedOf(line, spec.Client) + wait - 1 > _options.QueueSize - line.Count - ReservedOf(line, null) - wait)
            {
                throw Refuse(
                    $"The request has {sequences} sequences, and {wait} of them would wait for a worker of model '{spec.Model}', where {line.Count + ReservedOf(line, null)} wait already: "
                    + $"{_options.QueueSize} may, of which one client may fill half of what is left.", line.ExpectedWait());
            }

            _clients.Reserve(spec.Client, sequences);
            var places = new ReservedPlaces(this, line, spec.Client, sequences, (int)wait);
            line.Reserved.Add(places);
            return places;
        }
    }

    /// <summary>A place in the line of the sequence's model, until it is given back. Throws <see cref="RefusedException"/> when too many
    /// wait already, or its client has as much as it may have, and no place is reserved for it.</summary>
    public AdmissionPlace Enter(SequenceSpec spec, int promptTokens, IReservedPlaces? reserved = null)
    {
        lock (_gate)
        {
            var line = LineOf(spec);
            bool hasPlace = TakeReserved(reserved);
            bool counts = hasPlace ? _clients.Begin(spec.Client, promptTokens) : _clients.Enter(spec.Client, promptTokens);
            var place = line.Add(spec.Client, spec.User);
            (place.CountsTokens, place.HasWaited) = (counts, hasPlace);
            LetIn((spec.Model, spec.NumericsId ?? ""), line);
            Stand(place, spec);
            return place;
        }
    }

    /// <summary>All workers refused it as full: it waits for its turn again.</summary>
    public void Return(AdmissionPlace place, SequenceSpec spec)
    {
        lock (_gate)
        {
            place.Line.PutBack(place);
            Stand(place, spec);
        }
    }

    /// <summary>Waits until the sequence may be offered to the model's workers. Throws <see cref="RefusedException"/> when it has waited
    /// too long.</summary>
    public async Task WaitAsync(AdmissionPlace place, SequenceSpec spec, CancellationToken cancellationToken)
    {
        var left = spec.Follows ? Timeout.InfiniteTimeSpan : _options.QueueTimeout - _time.GetElapsedTime(place.Since);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _graceOver);
        try
        {
            await place.Turn.Task.WaitAsync(spec.Follows || left > TimeSpan.Zero ? left : TimeSpan.Zero, _time, end.Token);
        }
        catch (Exception exception) when (exception is TimeoutException or OperationCanceledException)
        {
            TimeSpan retryAfter;
            lock (_gate)
            {
                retryAfter = place.Line.ExpectedWait();
            }

            Leave(place); // Let in at the last moment, maybe.
            cancellationToken.ThrowIfCancellationRequested();
            throw _graceOver.IsCancellationRequested
                ? new RefusedException(new Refusal { Kind = RefusalKind.Draining, Rule = "The gateway is shutting down." })
                : Refuse($"Every worker of model '{spec.Model}' has been full for {Seconds(_options.QueueTimeout)} s.", retryAfter);
        }
    }

    /// <summary>Counts a sequence that stands in no line. Throws <see cref="RefusedException"/> when its client has as much as it may have.</summary>
    public IClientCharge Charge(string client, int promptTokens, IReservedPlaces? reserved)
    {
        lock (_gate)
        {
            return new ClientCharge(this, client, TakeReserved(reserved) ? _clients.Begin(client, promptTokens) : _clients.Enter(client, promptTokens));
        }
    }

    /// <summary>Gives back what is left of a request's places.</summary>
    public void Release(ReservedPlaces reserved)
    {
        lock (_gate)
        {
            if (reserved.Left > 0)
            {
                _clients.Release(reserved.Client, reserved.Left);
            }

            reserved.Left = reserved.Waiting = 0;
            reserved.Line.Reserved.Remove(reserved);
        }
    }

    /// <summary>What a client may have now.</summary>
    public ClientAllowance AllowanceOf(string client)
    {
        lock (_gate)
        {
            return _clients.AllowanceOf(client);
        }
    }

    /// <summary>A worker took the sequence.</summary>
    public void Depart(AdmissionPlace place)
    {
        lock (_gate)
        {
            place.Line.Depart(place);
        }
    }

    /// <summary>Output tokens came.</summary>
    public void Count(AdmissionPlace place, int tokens)
    {
        if (!place.CountsTokens)
        {
            return; // Updates come by the thousand a second.
        }

        lock (_gate)
        {
            _clients.Count(place.User.Client.Name, tokens);
        }
    }

    /// <summary>The sequence has ended, or waits no longer.</summary>
    public void Leave(AdmissionPlace place)
    {
        lock (_gate)
        {
            Remove(place);
        }

        LetIn();
    }

    /// <summary>Refuses one more than may wait. Half of what is left is for others: nobody fills the line alone.</summary>
    private void Stand(AdmissionPlace place, SequenceSpec spec)
    {
        var (line, client) = (place.Line, place.User.Client);
        if (place is { State: PlaceState.Waiting, HasWaited: false }
            && client.Waiting + ReservedOf(line, client.Name) - 1 > _options.QueueSize - line.Count - ReservedOf(line, null))
        {
            Remove(place);
            string whose = client.Waiting == line.Count ? "" : $", {client.Waiting} of this client";
            throw Refuse(
                $"Every worker of model '{spec.Model}' is full, and {line.Count} sequences wait for one already{whose}, as many as may.", line.ExpectedWait());
        }

        place.HasWaited |= place.State == PlaceState.Waiting;
    }

    private ModelLine LineOf(SequenceSpec spec)
    {
        var content = (spec.Model, spec.NumericsId ?? "");
        if (!_lines.TryGetValue(content, out var line))
        {
            _lines.Add(content, line = new ModelLine(_time, _options.QueueAgeing, _waiting));
        }

        return line;
    }

    private long RoomOf(SequenceSpec spec) =>
        _workers.Pools.Of(spec.NumericsId ?? "").RoomOf(spec.Model) is { Workers: > 0 } there ? there.Sequences : long.MaxValue;

    /// <summary>Places in a line that are kept for a client; null: for all.</summary>
    private static int ReservedOf(ModelLine line, string? client) =>
        line.Reserved.Sum(places => client is null || places.Client == client ? places.Waiting : 0);

    /// <summary>Takes one of a request's places; false where none is left.</summary>
    private static bool TakeReserved(IReservedPlaces? reserved)
    {
        if (reserved is not ReservedPlaces { Left: > 0 } places)
        {
            return false;
        }

        places.Waiting = Math.Min(places.Waiting, --places.Left);
        return true;
    }

    private void Remove(AdmissionPlace place)
    {
        if (place.State != PlaceState.Left)
        {
            place.Line.Remove(place);
            _clients.Leave(place.User.Client.Name);
        }
    }

    /// <summary>Reports come all the time, and mostly nobody waits.</summary>
    private void LetIn(LiveWorker worker)
    {
        var content = (worker.Status.ModelId, worker.Status.NumericsId);
        if (Volatile.Read(ref _waiting.Value) > 0)
        {
            lock (_gate)
            {
                if (_lines.TryGetValue(content, out var line))
                {
                    LetIn(content, line);
                }
            }
        }
    }

    private void LetIn()
    {
        lock (_gate)
        {
            foreach (var (content, line) in _lines)
            {
                LetIn(content, line);
            }
        }
    }

    /// <summary>Lets in whom workers have room for. Where there is no worker, nobody is kept waiting: what becomes of the sequence is
    /// said elsewhere.</summary>
    private void LetIn((string Model, string NumericsId) content, ModelLine line)
    {
        if (line.Count > 0)
        {
            var there = _workers.Pools.Of(content.NumericsId).RoomOf(content.Model);
            long room = there.Workers == 0 ? long.MaxValue : there.Sequences;
            while (line.Entering < room && line.Next is { } next)
            {
                line.LetIn(next);
            }

            // Where there is none, one after the other takes the place of one of a client that has more.
            if (line.Entering == 0 && there.DisplacedRank is var displaced and > 0 && line.Next is { } first && first.User.NextRank < displaced)
            {
                line.LetIn(first);
            }
        }
    }

    private static RefusedException Refuse(string reason, TimeSpan retryAfter) => new(new Refusal
    {
        Kind = RefusalKind.Overloaded,
        Rule = $"{reason} Try again in {Seconds(retryAfter)} s.",
        RetryAfter = retryAfter,
    });

    private static string Seconds(TimeSpan time) => Math.Ceiling(time.TotalSeconds).ToString(CultureInfo.InvariantCulture);

    private sealed class ClientCharge(AdmissionQueue queue, string client, bool countsTokens) : IClientCharge
    {
        private bool _left;

        public void Count(int tokens)
        {
            if (countsTokens)
            {
                lock (queue._gate)
                {
                    if (!_left)
                    {
                        queue._clients.Count(client, tokens);
                    }
                }
            }
        }

        public void Dispose()
        {
            lock (queue._gate)
            {
                if (!_left)
                {
                    _left = true;
                    queue._clients.Leave(client);
                }
            }
        }
    }
}

/// <summary>Places for the sequences of a request that are still to come. What changes is under the queue's lock.</summary>
/// <param name="queue">Whose they are.</param>
/// <param name="line">Where.</param>
/// <param name="client">Who asks.</param>
/// <param name="left">How many are to come.</param>
/// <param name="waiting">How many of them may have to wait.</param>
internal sealed class ReservedPlaces(AdmissionQueue queue, ModelLine line, string client, int left, int waiting) : IReservedPlaces
{
    public ModelLine Line => line;

    public string Client => client;

    public int Left { get; set; } = left;

    public int Waiting { get; set; } = waiting;

    public void Dispose() => queue.Release(this);
}

/// <summary>Where a sequence stands in its line.</summary>
internal enum PlaceState
{
    /// <summary>It waits.</summary>
    Waiting,

    /// <summary>It was let in, and it is not known yet whether a worker took it.</summary>
    Entering,

    /// <summary>A worker took it.</summary>
    Running,

    /// <summary>It has ended, or gave up.</summary>
    Left,
}

/// <summary>A sequence's place in its line, from when it comes until it ends. What changes is under the queue's lock.</summary>
/// <param name="line">The line.</param>
/// <param name="user">Who asks.</param>
/// <param name="number">Counts the line's sequences as they come.</param>
/// <param name="since">When it came.</param>
internal sealed class AdmissionPlace(ModelLine line, UserShare user, long number, long since)
{
    public ModelLine Line => line;

    public UserShare User => user;

    public long Number => number;

    public long Since => since;

    public PlaceState State { get; set; }

    /// <summary>How many running sequences of its client were before it when it was let in.</summary>
    public int Rank { get; set; }

    /// <summary>When it was let in last.</summary>
    public long TurnAt { get; set; }

    /// <summary>Whether it may stay: the line's bound is for those that come.</summary>
    public bool HasWaited { get; set; }

    /// <summary>Whether its client's tokens are limited.</summary>
    public bool CountsTokens { get; set; }

    /// <summary>Completed when it is let in.</summary>
    public TaskCompletionSource Turn { get; set; } = NewTurn();

    public static TaskCompletionSource NewTurn() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
