using Grid.Engine.Sequences;

namespace Grid.Engine.Admission;

/// <summary>
/// Where other threads meet the step thread: commands in the order given, the ids that are alive, and the load that
/// others may read. Everything here is under one lock, held briefly.
/// </summary>
internal sealed class Inbox
{
    // An object and not a Lock: the step thread also waits on it.
    private readonly object _gate = new();
    private readonly Dictionary<SequenceId, Sequence> _alive = [];
    private List<Command> _posted = [];
    private List<Command> _taken = [];
    private int _submitted;
    private bool _paused;
    private EngineLoad _load;

    /// <summary>The load last reported, with the submissions made since.</summary>
    public EngineStatus Status
    {
        get
        {
            lock (_gate)
            {
                var load = _load;
                return new EngineStatus(
                    load.Running, load.Waiting + _submitted, load.FreePages, load.CachedPages, load.TotalPages, load.Steps,
                    load.GeneratedTokens, load.PromptTokens, load.CachedPromptTokens, load.Preemptions)
                {
                    QueuedTokens = load.QueuedTokens,
                    UnleasedPages = load.UnleasedPages,
                    Room = Math.Max(0, load.Room - _submitted),
                    DisplacedRank = load.DisplacedRank,
                    DeviceBusy = load.DeviceBusy,
                    DeviceIdle = load.DeviceIdle,
                    Paused = _paused,
                };
            }
        }
    }

    /// <summary>Posts a new sequence; false when there is no room for one more of its rank, unless it was accepted before.</summary>
    public bool TrySubmit(Sequence sequence)
    {
        lock (_gate)
        {
            if (_alive.ContainsKey(sequence.Id))
            {
                throw RequestValidator.Refuse(nameof(sequence.Id), sequence.Id, "not be that of a sequence still waiting or running");
            }

            if (_load.Room <= _submitted && sequence.Rank >= _load.DisplacedRank && !sequence.Request.BypassesQueueLimit)
            {
                return false;
            }

            _submitted++;
            _alive.Add(sequence.Id, sequence);
            Post(new Command(CommandKind.Submit, sequence));
            return true;
        }
    }

    /// <summary>Posts a cancellation; nothing happens when the id is not alive.</summary>
    public void Cancel(SequenceId id)
    {
        lock (_gate)
        {
            if (_alive.TryGetValue(id, out var sequence))
            {
                Post(new Command(CommandKind.Cancel, sequence));
            }
        }
    }

    /// <summary>Posts a pause of all sequences.</summary>
    public void Pause(bool retract)
    {
        lock (_gate)
        {
            _paused = true;
            Post(new Command(retract ? CommandKind.Retract : CommandKind.Pause, null));
        }
    }

    /// <summary>Posts that the sequences go on.</summary>
    public void Continue()
    {
        lock (_gate)
        {
            _paused = false;
            Post(new Command(CommandKind.Continue, null));
        }
    }

    /// <summary>Posts an exchange of the weights.</summary>
    public void Exchange(WeightExchange exchange)
    {
        lock (_gate)
        {
            Post(new Command(CommandKind.Exchange, null) { Exchange = exchange });
        }
    }

    /// <summary>Posts a flush of the prefix cache.</summary>
    public void RequestFlush()
    {
        lock (_gate)
        {
            Post(new Command(CommandKind.Flush, null));
        }
    }

    /// <summary>Blocks until something was posted or the token is cancelled.</summary>
    public void Wait(CancellationToken cancellationToken)
    {
        using var wake = cancellationToken.Register(Wake);
        lock (_gate)
        {
            while (_posted.Count == 0 && !cancellationToken.IsCancellationRequested)
            {
                Monitor.Wait(_gate);
            }
        }
    }

    /// <summary>Takes what was posted, in order. The list is valid until the next call.</summary>
    public List<Command> TakeAll()
    {
        lock (_gate)
        {
            _taken.Clear();
            (_posted, _taken) = (_taken, _posted);
            _load = _load with { Waiting = _load.Waiting + _submitted, Room = _load.Room - _submitted };
            _submitted = 0;
            return _taken;
        }
    }

    /// <summary>The sequence ended: its id may be used again.</summary>
    public void Forget(Sequence sequence)
    {
        lock (_gate)
        {
            _alive.Remove(sequence.Id);
        }
    }

    /// <summary>Publishes the load that other threads see.</summary>
    public void Report(in EngineLoad load)
    {
        lock (_gate)
        {
            _load = load;
        }
    }

    private void Post(Command command)
    {
        _posted.Add(command);
        Monitor.PulseAll(_gate);
    }

    private void Wake()
    {
        lock (_gate)
        {
            Monitor.PulseAll(_gate);
        }
    }
}

/// <summary>What another thread asked for. A submission and a cancellation have a sequence.</summary>
internal readonly record struct Command(CommandKind Kind, Sequence? Sequence)
{
    /// <summary>New weights, with <see cref="CommandKind.Exchange"/>.</summary>
    public WeightExchange? Exchange { get; init; }
}

/// <summary>Kinds of <see cref="Command"/>.</summary>
internal enum CommandKind
{
    Submit,
    Cancel,
    Flush,
    Pause,
    Retract,
    Continue,
    Exchange,
}

/// <summary>An engine's load as a value: reporting it allocates nothing.</summary>
internal readonly record struct EngineLoad(
    int Running, int Waiting, int FreePages, int CachedPages, int TotalPages, long Steps, long GeneratedTokens,
    long PromptTokens, long CachedPromptTokens, long Preemptions, long QueuedTokens, int UnleasedPages, int Room, int DisplacedRank,
    TimeSpan? DeviceBusy, TimeSpan? DeviceIdle);
