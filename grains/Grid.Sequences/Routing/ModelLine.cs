namespace Grid.Sequences.Routing;

/// <summary>
/// The sequences that wait for one model. Clients take turns: a client's first sequence belongs to the round after the
/// one that is served, each further one to the round after; rounds go in order, and within a round whoever came first.
/// So nobody waits longer than it takes to serve one sequence of every other client for each of its own. Used under the
/// queue's lock.
/// </summary>
internal sealed class ModelLine
{
    private const int Remembered = 64;

    private static readonly TimeSpan s_memory = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_longestWait = TimeSpan.FromMinutes(10);

    private readonly SortedSet<AdmissionPlace> _waiters = new(Comparer<AdmissionPlace>.Create(static (one, other) =>
        one.Round != other.Round ? one.Round.CompareTo(other.Round) : one.Number.CompareTo(other.Number)));

    private readonly Dictionary<string, (long Round, int Count)> _clients = new(StringComparer.Ordinal);
    private readonly LinkedList<long> _departures = [];
    private long _round;
    private long _numbers;

    /// <summary>Sequences waiting.</summary>
    public int Count => _waiters.Count;

    /// <summary>Sequences let in of which it is not known yet whether a worker took them.</summary>
    public int Entering { get; set; }

    /// <summary>Gives a sequence that has just come its place, and one that no worker took its old place back.</summary>
    public void Add(AdmissionPlace waiter)
    {
        var (last, count) = _clients.GetValueOrDefault(waiter.Client);
        if (waiter.Round == 0)
        {
            (waiter.Round, waiter.Number) = (Math.Max(_round, last) + 1, _numbers++);
        }

        _clients[waiter.Client] = (Math.Max(last, waiter.Round), count + 1);
        _waiters.Add(waiter);
        waiter.Turn = new(TaskCreationOptions.RunContinuationsAsynchronously);
        if (waiter.Departure is { List: not null } departure)
        {
            _departures.Remove(departure); // It did not leave after all: those behind it wait for it still.
        }

        waiter.Departure = null;
    }

    /// <summary>Takes a sequence out that waits no longer; false when it is not there.</summary>
    public bool Remove(AdmissionPlace waiter)
    {
        if (!_waiters.Remove(waiter))
        {
            return false;
        }

        var (last, count) = _clients[waiter.Client];
        if (count > 1)
        {
            _clients[waiter.Client] = (last, count - 1);
        }
        else
        {
            _clients.Remove(waiter.Client);
        }

        return true;
    }

    /// <summary>Takes out the sequence whose turn it is.</summary>
    public AdmissionPlace TakeNext(TimeProvider time)
    {
        var waiter = _waiters.Min!;
        Remove(waiter);
        _round = Math.Max(_round, waiter.Round);
        waiter.Departure = _departures.AddLast(time.GetTimestamp());
        while (_departures.Count > Remembered)
        {
            _departures.RemoveFirst();
        }

        return waiter;
    }

    /// <summary>How long a sequence that came now would wait, by the pace at which the last ones left; where none has
    /// left lately, as long as the first has waited. Whole seconds, at least one.</summary>
    public TimeSpan ExpectedWait(TimeProvider time)
    {
        while (_departures.First is { } departure && time.GetElapsedTime(departure.Value) > s_memory)
        {
            _departures.RemoveFirst();
        }

        TimeSpan wait = _departures.First is { } oldest ? time.GetElapsedTime(oldest.Value) / _departures.Count * (Count + 1)
            : _waiters.Min is { } next ? time.GetElapsedTime(next.Since)
            : TimeSpan.Zero;
        return TimeSpan.FromSeconds(Math.Clamp(Math.Ceiling(wait.TotalSeconds), 1, s_longestWait.TotalSeconds));
    }
}
