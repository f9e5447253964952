using Grid.Grains.Messages;

namespace Grid.Sequences.Routing;

/// <summary>
/// How loaded a worker is as far as this gateway knows. Reports are up to a heartbeat old, so the gateway counts its own
/// sequences itself and takes from a report what others have there: what it holds beyond the gateway's own.
/// </summary>
internal sealed class WorkerQueue(StepDemultiplexer own, WorkerStatus status, SequencesOptions options, TimeProvider time)
{
    private static readonly TimeSpan s_halfLife = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private WorkerLoad _load = status.Load;
    private int _otherSequences = status.Load.Running + status.Load.Waiting;
    private long _otherTokens = status.Load.QueuedTokens;
    private long _reportedAt = time.GetTimestamp();
    private int _submitted;
    private int _reservedSequences;
    private long _reservedTokens;
    private bool _full;
    private double _work;
    private double _recentWork = double.NegativeInfinity;
    private volatile WorkerState _state = status.Load.State;

    /// <summary>The last report.</summary>
    public WorkerLoad Load
    {
        get
        {
            lock (_gate)
            {
                return _load;
            }
        }
    }

    /// <summary>Running and waiting sequences.</summary>
    public int Sequences => own.Count + Volatile.Read(ref _otherSequences) + Volatile.Read(ref _reservedSequences);

    /// <summary>Prompt tokens that are computed before a newcomer's, and what the sequences there slow it down by, in
    /// prompt tokens.</summary>
    public long Cost => own.PrefillTokens + Interlocked.Read(ref _otherTokens) + Interlocked.Read(ref _reservedTokens)
        + ((long)Sequences * options.SequenceCost);

    /// <summary>Sequences that it has still room for; none after a refusal, until the next report.</summary>
    public int Room
    {
        get
        {
            lock (_gate)
            {
                return _full ? 0 : Math.Max(0, _load.Room - _submitted);
            }
        }
    }

    /// <summary>A sequence of a lower rank is taken though there is no room; none after a refusal, until the next report.</summary>
    public int DisplacedRank
    {
        get
        {
            lock (_gate)
            {
                return _full ? 0 : _load.DisplacedRank;
            }
        }
    }

    /// <summary>Orders workers by the tokens computed there lately, of which each counts half after every ten seconds: the binary logarithm of what that
    /// would come to by the beginning of time.</summary>
    public double RecentWork => Volatile.Read(ref _recentWork);

    /// <summary>Whether it takes sequences, by its last report.</summary>
    public WorkerState State => _state;

    /// <summary>Whether the last report is older than <see cref="SequencesOptions.StaleReport"/>.</summary>
    public bool IsStale => time.GetElapsedTime(Interlocked.Read(ref _reportedAt)) > options.StaleReport;

    /// <summary>Whether a sequence has been sent here that is not listened for yet, as far as the last report has not forgotten it.</summary>
    public bool IsReserved
    {
        get
        {
            lock (_gate)
            {
                return _reservedSequences > 0;
            }
        }
    }

    /// <summary>A sequence has been sent here and is not listened for yet: those chosen for in the meantime should know. The
    /// next report forgets it, whatever has become of it.</summary>
    public void Reserve(long tokens)
    {
        lock (_gate)
        {
            _reservedSequences++;
            _reservedTokens += tokens;
        }
    }

    /// <summary>A sequence is on its way there, and listened for.</summary>
    public void Submitted(long tokens)
    {
        lock (_gate)
        {
            _submitted++;
            _reservedSequences = Math.Max(0, _reservedSequences - 1);
            _reservedTokens = _reservedSequences == 0 ? 0 : Math.Max(0, _reservedTokens - tokens);
        }
    }

    /// <summary>It was not taken.</summary>
    public void Refused(bool full)
    {
        lock (_gate)
        {
            _submitted = Math.Max(0, _submitted - 1);
            _full |= full;
        }
    }

    /// <summary>The worker said how loaded it is.</summary>
    public void Report(in WorkerLoad load)
    {
        long now = time.GetTimestamp();
        lock (_gate)
        {
            double work = (_work * Math.Pow(2, -HalfLives(Interlocked.Read(ref _reportedAt), now))) + Math.Max(0, Computed(load) - Computed(_load));
            (_work, _load, _state) = (work, load, load.State);
            Volatile.Write(ref _recentWork, Math.Log2(work) + HalfLives(0, now));
            _submitted = 0;
            _reservedSequences = 0;
            _reservedTokens = 0;
            _full = false;
        }

        Volatile.Write(ref _otherSequences, Math.Max(0, load.Running + load.Waiting - own.Count));
        Interlocked.Exchange(ref _otherTokens, Math.Max(0, load.QueuedTokens - own.PrefillTokens));
        Interlocked.Exchange(ref _reportedAt, now);
    }

    private static long Computed(in WorkerLoad load) => load.PromptTokens - load.CachedPromptTokens + load.GeneratedTokens;

    private double HalfLives(long from, long until) => time.GetElapsedTime(from, until) / s_halfLife;
}
