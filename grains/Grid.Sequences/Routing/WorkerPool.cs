using System.Collections.Concurrent;

namespace Grid.Sequences.Routing;

/// <summary>The workers that a gateway has step streams of, by what they serve.</summary>
internal sealed class WorkerPools
{
    private readonly Lock _gate = new();
    private readonly ConcurrentDictionary<string, WorkerPool> _pools = new(StringComparer.Ordinal);
    private readonly PrefixMemory _memory = new();

    /// <summary>The workers of a NumericsId; none where there is none.</summary>
    public WorkerPool Of(string? numericsId) =>
        numericsId is not null && _pools.TryGetValue(numericsId, out var pool) ? pool : WorkerPool.Empty;

    /// <summary>The same, for a worker that will be there until it leaves.</summary>
    public WorkerPool Join(string numericsId)
    {
        lock (_gate)
        {
            var pool = _pools.GetOrAdd(numericsId, _ => new WorkerPool(new PrefixIndex(_memory)));
            pool.Members++;
            return pool;
        }
    }

    /// <summary>A worker may be chosen from now on.</summary>
    public void Add(LiveWorker worker)
    {
        lock (_gate)
        {
            var (others, key) = (worker.Pool.Workers, worker.Status.Worker.Key);
            int before = others.Count(other => string.CompareOrdinal(other.Status.Worker.Key, key) <= 0);
            worker.Pool.Workers = [.. others[..before], worker, .. others[before..]];
        }
    }

    /// <summary>It may not any more.</summary>
    public void Leave(LiveWorker worker)
    {
        lock (_gate)
        {
            worker.Pool.Workers = [.. worker.Pool.Workers.Where(one => one != worker)];
            if (--worker.Pool.Members == 0)
            {
                _pools.TryRemove(worker.Status.NumericsId, out _);
            }
        }
    }
}

/// <summary>The workers of one NumericsId whose step streams are up: whichever takes a sequence of it, its bits are the same.</summary>
internal sealed class WorkerPool(PrefixIndex prefixes)
{
    private readonly ConcurrentDictionary<string, ModelRoom> _rooms = new(StringComparer.Ordinal);
    private LiveWorker[] _workers = [];

    /// <summary>Of what nobody serves.</summary>
    public static WorkerPool Empty { get; } = new(new PrefixIndex(new PrefixMemory()));

    /// <summary>The workers, by key.</summary>
    public LiveWorker[] Workers
    {
        get => Volatile.Read(ref _workers);
        set => Volatile.Write(ref _workers, value);
    }

    /// <summary>Those, and who is about to be one. Under the pools' lock.</summary>
    public int Members { get; set; }

    /// <summary>What is cached where.</summary>
    public PrefixIndex Prefixes => prefixes;

    /// <summary>Held while a worker is chosen.</summary>
    public Lock Choosing { get; } = new();

    /// <summary>What those that serve it under a model's name have room for.</summary>
    public ModelRoom RoomOf(string model) => _rooms.GetOrAdd(model, static _ => new ModelRoom());
}

/// <summary>What the workers of one model that take sequences have room for, together.</summary>
internal sealed class ModelRoom
{
    private readonly Lock _gate = new();
    private readonly SortedSet<(int Rank, int Share)> _displacing = [];
    private int _shares;
    private int _workers;
    private long _sequences;

    /// <summary>Workers that take sequences.</summary>
    public int Workers => Volatile.Read(ref _workers);

    /// <summary>Sequences that they take.</summary>
    public long Sequences => Interlocked.Read(ref _sequences);

    /// <summary>The highest rank below which one of them takes a sequence without room; 0: none.</summary>
    public int DisplacedRank
    {
        get
        {
            lock (_gate)
            {
                return _displacing.Max.Rank;
            }
        }
    }

    /// <summary>One worker more.</summary>
    public Share Join() => new(this, Interlocked.Increment(ref _shares));

    /// <summary>One worker's part, which it keeps up to date.</summary>
    internal sealed class Share(ModelRoom model, int number)
    {
        private (bool Takes, int Sequences, int DisplacedRank) _told;

        /// <summary>Says what it has room for now.</summary>
        public void Tell(bool takes, int sequences, int displacedRank)
        {
            (bool Takes, int Sequences, int DisplacedRank) now = takes ? (true, sequences, displacedRank) : default;
            lock (model._gate)
            {
                model._workers += (now.Takes ? 1 : 0) - (_told.Takes ? 1 : 0);
                model._sequences += now.Sequences - _told.Sequences;
                if (now.DisplacedRank != _told.DisplacedRank)
                {
                    model._displacing.Remove((_told.DisplacedRank, number));
                    if (now.DisplacedRank > 0)
                    {
                        model._displacing.Add((now.DisplacedRank, number));
                    }
                }

                _told = now;
            }
        }
    }
}
