using System.Runtime.CompilerServices;

namespace Grid.Sequences.Routing;

/// <summary>
/// The sequences that wait for one model, and those that were let in and still run. Next is one of the client that has least running:
/// clients are counted, not the names that they give themselves, and what one client has is shared among its users. A wait makes up
/// for what runs, so that nobody waits for ever behind newcomers. Used under the queue's lock.
/// </summary>
/// <param name="time">The clock.</param>
/// <param name="ageing">How long a client waits for what makes up for one that runs.</param>
/// <param name="allWaiting">Counts those that wait in this line and in others.</param>
internal sealed class ModelLine(TimeProvider time, TimeSpan ageing, StrongBox<int>? allWaiting = null)
{
    private const int Remembered = 64;

    private static readonly TimeSpan s_memory = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_atOnce = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan s_longestWait = TimeSpan.FromMinutes(10);

    private readonly Dictionary<(string Client, string User), UserShare> _users = [];
    private readonly Queue<(long At, TimeSpan Waited)> _departures = [];
    private long _lastTurn;
    private long _places;
    private long _turns;
    private AdmissionPlace? _next;
    private long _nextSince;

    /// <summary>Sequences waiting.</summary>
    public int Count { get; private set; }

    /// <summary>Sequences let in of which it is not known yet whether a worker took them.</summary>
    public int Entering { get; private set; }

    /// <summary>The one whose turn it is; null while none waits. It is asked for with every report of a full worker, and looked for anew
    /// when something has changed, or waits have become longer by a hundredth of what counts.</summary>
    public AdmissionPlace? Next
    {
        get
        {
            if (_next is null || time.GetElapsedTime(_nextSince) > ageing / 100)
            {
                _nextSince = time.GetTimestamp();
                _next = _users.Values.Where(user => user.Waiting.Count > 0).Select(user => user.Waiting.Min!).MinBy(
                    place => (place.User.NextRank - Aged(place), place.User.Client.Turn, place.User.Turn, place.Number));
            }

            return _next;
        }
    }

    /// <summary>Places kept for sequences that are about to come.</summary>
    public List<ReservedPlaces> Reserved { get; } = [];

    /// <summary>A client's sequences that wait.</summary>
    public int WaitingOf(string client) => _users.Values.FirstOrDefault(user => user.Client.Name == client)?.Client.Waiting ?? 0;

    /// <summary>A sequence has come.</summary>
    public AdmissionPlace Add(string client, string user)
    {
        if (!_users.TryGetValue((client, user), out var share))
        {
            var whose = _users.Values.FirstOrDefault(other => other.Client.Name == client)?.Client ?? new ClientShare(client);
            _users.Add((client, user), share = new UserShare(whose, user));
        }

        var place = new AdmissionPlace(this, share, _places++, time.GetTimestamp());
        share.Places++;
        Wait(place);
        return place;
    }

    /// <summary>Lets one in that waits.</summary>
    public void LetIn(AdmissionPlace place)
    {
        var (user, client) = (place.User, place.User.Client);
        End(place);
        (place.State, place.Rank) = (PlaceState.Entering, user.NextRank);
        Entering++;
        _next = null;
        user.Count(1);
        (client.Turn, client.TurnAt, user.Turn) = (++_turns, time.GetTimestamp(), _turns);
        place.TurnAt = client.TurnAt;
        place.Turn.SetResult();
    }

    /// <summary>No worker took it: it has its old place again.</summary>
    public void PutBack(AdmissionPlace place)
    {
        End(place);
        (place.State, place.Turn) = (PlaceState.Waiting, AdmissionPlace.NewTurn());
        Wait(place);
    }

    /// <summary>A worker took it.</summary>
    public void Depart(AdmissionPlace place)
    {
        place.State = PlaceState.Running;
        Entering--;
        // Since the last one's turn, but not what went by before this one was there.
        var waited = time.GetElapsedTime(Math.Max(_lastTurn, place.Since), place.TurnAt);
        _lastTurn = place.TurnAt;
        if (waited > s_atOnce)
        {
            _departures.Enqueue((place.TurnAt, waited));
        }

        while (_departures.Count > Remembered)
        {
            _departures.Dequeue();
        }
    }

    /// <summary>Takes a sequence out, wherever it stands.</summary>
    public void Remove(AdmissionPlace place)
    {
        End(place);
        place.State = PlaceState.Left;
        if (--place.User.Places == 0)
        {
            _users.Remove((place.User.Client.Name, place.User.Name));
        }
    }

    /// <summary>How long a sequence that came now would wait, by the pace at which the last ones that had to wait left; where none has
    /// left lately, as long as the first has waited. Whole seconds, at least one.</summary>
    public TimeSpan ExpectedWait()
    {
        while (_departures.TryPeek(out var departure) && time.GetElapsedTime(departure.At) > s_memory)
        {
            _departures.Dequeue();
        }

        long since = Count > 0 ? _users.Values.Where(user => user.Waiting.Count > 0).Min(user => user.Waiting.Min!.Since) : time.GetTimestamp();
        var wait = time.GetElapsedTime(since);
        if (_departures.Count > 0)
        {
            var all = TimeSpan.FromTicks(_departures.Sum(departure => departure.Waited.Ticks));
            var withNext = (all + time.GetElapsedTime(Math.Max(_lastTurn, since))) / (_departures.Count + 1);
            wait = (Count + 1) * (all / _departures.Count is var pace && pace > withNext ? pace : withNext);
        }

        return TimeSpan.FromSeconds(Math.Clamp(Math.Ceiling(wait.TotalSeconds), 1, s_longestWait.TotalSeconds));
    }

    private void Wait(AdmissionPlace place)
    {
        place.User.Waiting.Add(place);
        place.User.Client.Waiting++;
        Change(1);
    }

    private void Change(int waiting)
    {
        Count += waiting;
        _next = null;
        _ = allWaiting is null ? 0 : Interlocked.Add(ref allWaiting.Value, waiting);
    }

    private void End(AdmissionPlace place)
    {
        if (place.State == PlaceState.Waiting)
        {
            place.User.Waiting.Remove(place);
            place.User.Client.Waiting--;
            Change(-1);
            return;
        }

        _next = null;
        Entering -= place.State == PlaceState.Entering ? 1 : 0;
        place.User.Count(-1);
    }

    /// <summary>The running sequences that its client's wait makes up for.</summary>
    private long Aged(AdmissionPlace place) => (long)(time.GetElapsedTime(Math.Max(place.Since, place.User.Client.TurnAt)) / ageing);
}

/// <summary>One client's part of a line.</summary>
internal sealed class ClientShare(string name)
{
    public string Name => name;

    /// <summary>Its sequences that wait.</summary>
    public int Waiting { get; set; }

    /// <summary>Item i is how many of its users have more than i running.</summary>
    public List<int> UsersWithMore { get; } = [];

    /// <summary>The number of its last turn; 0 while it has had none.</summary>
    public long Turn { get; set; }

    /// <summary>When that was.</summary>
    public long TurnAt { get; set; } = long.MinValue;
}

/// <summary>One user's part of its client's.</summary>
internal sealed class UserShare(ClientShare client, string name)
{
    private int _running;

    public ClientShare Client => client;

    public string Name => name;

    /// <summary>Those that wait, in the order they came.</summary>
    public SortedSet<AdmissionPlace> Waiting { get; } = new(Comparer<AdmissionPlace>.Create(static (one, other) => one.Number.CompareTo(other.Number)));

    /// <summary>Its sequences, waiting and running.</summary>
    public int Places { get; set; }

    /// <summary>The number of its last turn; 0 while it has had none.</summary>
    public long Turn { get; set; }

    /// <summary>How many of its client's running sequences are before its next one, when its client's users take turns.</summary>
    public int NextRank => client.UsersWithMore.Take(_running + 1).Sum();

    /// <summary>One more of its sequences runs, or one less.</summary>
    public void Count(int change)
    {
        int more = change > 0 ? _running++ : --_running;
        if (more == client.UsersWithMore.Count)
        {
            client.UsersWithMore.Add(0);
        }

        client.UsersWithMore[more] += change;
    }
}
