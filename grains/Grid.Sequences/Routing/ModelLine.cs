namespace Grid.Sequences.Routing;

/// <summary>
/// The sequences that wait for one model. The client that has the least running is first; of equal ones the one whose last turn is
/// longest ago, and each client's sequences in the order they came. A wait makes up for what runs, so that nobody waits for ever
/// behind newcomers. Used under the queue's lock.
/// </summary>
internal sealed class ModelLine(TimeProvider time, TimeSpan ageing)
{
    private const int Remembered = 64;

    private static readonly TimeSpan s_memory = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_longestWait = TimeSpan.FromMinutes(10);

    private readonly List<AdmissionPlace> _waiting = []; // As they came.
    private readonly Dictionary<string, ClientShare> _clients = new(StringComparer.Ordinal);
    private readonly Queue<long> _departures = [];
    private long _places;
    private long _turns;

    /// <summary>Sequences waiting.</summary>
    public int Count => _waiting.Count;

    /// <summary>Sequences let in of which it is not known yet whether a worker took them.</summary>
    public int Entering { get; private set; }

    /// <summary>A sequence has come.</summary>
    public AdmissionPlace Add(string client)
    {
        if (!_clients.TryGetValue(client, out var share))
        {
            _clients.Add(client, share = new ClientShare(client));
        }

        share.Places++;
        var place = new AdmissionPlace(this, share, _places++, time.GetTimestamp());
        _waiting.Add(place);
        return place;
    }

    /// <summary>Lets the sequence in whose turn it is.</summary>
    public AdmissionPlace TakeNext()
    {
        var place = _waiting.MinBy(place => (place.Client.Running - Aged(place), place.Client.Turn, place.Number))!;
        _waiting.Remove(place);
        place.State = PlaceState.Entering;
        Entering++;
        place.Client.Running++;
        (place.Client.Turn, place.Client.TurnAt) = (++_turns, time.GetTimestamp());
        return place;
    }

    /// <summary>No worker took it: it has its old place again.</summary>
    public void PutBack(AdmissionPlace place)
    {
        End(place);
        (place.State, place.Turn) = (PlaceState.Waiting, AdmissionPlace.NewTurn());
        int behind = _waiting.FindIndex(other => other.Number > place.Number);
        _waiting.Insert(behind < 0 ? _waiting.Count : behind, place);
    }

    /// <summary>A worker took it.</summary>
    public void Depart(AdmissionPlace place)
    {
        place.State = PlaceState.Running;
        Entering--;
        _departures.Enqueue(time.GetTimestamp());
        while (_departures.Count > Remembered)
        {
            _departures.Dequeue();
        }
    }

    /// <summary>Takes a sequence out, wherever it stands.</summary>
    public void Remove(AdmissionPlace place)
    {
        if (place.State == PlaceState.Left)
        {
            return;
        }

        End(place);
        place.State = PlaceState.Left;
        if (--place.Client.Places == 0)
        {
            _clients.Remove(place.Client.Name);
        }
    }

    /// <summary>How long a sequence that came now would wait, by the pace at which the last ones left; where none has
    /// left lately, as long as the first has waited. Whole seconds, at least one.</summary>
    public TimeSpan ExpectedWait()
    {
        while (_departures.TryPeek(out long departure) && time.GetElapsedTime(departure) > s_memory)
        {
            _departures.Dequeue();
        }

        TimeSpan wait = _departures.TryPeek(out long oldest) ? time.GetElapsedTime(oldest) / _departures.Count * (Count + 1)
            : Count > 0 ? time.GetElapsedTime(_waiting[0].Since)
            : TimeSpan.Zero;
        return TimeSpan.FromSeconds(Math.Clamp(Math.Ceiling(wait.TotalSeconds), 1, s_longestWait.TotalSeconds));
    }

    private void End(AdmissionPlace place)
    {
        if (place.State == PlaceState.Waiting)
        {
            _waiting.Remove(place);
            return;
        }

        Entering -= place.State == PlaceState.Entering ? 1 : 0;
        place.Client.Running--;
    }

    /// <summary>The running sequences that its client's wait makes up for.</summary>
    private long Aged(AdmissionPlace place) => (long)(time.GetElapsedTime(Math.Max(place.Since, place.Client.TurnAt)) / ageing);
}

/// <summary>One client's part of a line.</summary>
internal sealed class ClientShare(string name)
{
    public string Name => name;

    /// <summary>Its sequences, waiting and running.</summary>
    public int Places { get; set; }

    /// <summary>Those that were let in and have not ended.</summary>
    public int Running { get; set; }

    /// <summary>The number of its last turn; 0 while it has had none.</summary>
    public long Turn { get; set; }

    /// <summary>When that was.</summary>
    public long TurnAt { get; set; } = long.MinValue;
}
