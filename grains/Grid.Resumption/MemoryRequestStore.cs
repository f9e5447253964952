using Grid.Grains.Messages;

namespace Grid.Resumption;

/// <summary>Requests in memory, up to a number of bytes; past it, those that would expire first go early.</summary>
/// <param name="retention">How long a request is kept after its stream ended.</param>
/// <param name="maxBytes">Bytes of all requests together.</param>
/// <param name="clock">Time.</param>
public sealed class MemoryRequestStore(TimeSpan retention, long maxBytes, TimeProvider clock) : IRequestStore
{
    /// <summary>Bytes that a node gives to it: 256 MiB, or an eighth of its memory where that is less.</summary>
    public static readonly long DefaultMaxBytes = Math.Min(256L << 20, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 8);

    /// <summary>What an entry takes besides its request, roughly.</summary>
    private const int EntryBytes = 256;

    private readonly Lock _lock = new();
    private readonly Dictionary<Guid, Entry> _entries = [];
    private readonly PriorityQueue<Guid, long> _expiries = new();
    private long _bytes;

    /// <inheritdoc/>
    public TimeSpan Retention => retention;

    /// <summary>How many are kept.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _entries.Count;
            }
        }
    }

    /// <inheritdoc/>
    public Task PutAsync(Guid id, ReadOnlyMemory<byte> request, string owner, TimeSpan life, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            DropExpired();
            if (_entries.ContainsKey(id))
            {
                return Task.CompletedTask;
            }

            var entry = new Entry(request.ToArray()) { Owner = owner };
            _entries[id] = entry;
            _bytes += entry.Bytes;
            Prolong(id, entry, life);
            Drop(_ => _bytes > maxBytes);
        }

        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task<byte[]?> FindAsync(Guid id, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            DropExpired();
            return Task.FromResult(_entries.GetValueOrDefault(id)?.Request);
        }
    }

    /// <inheritdoc/>
    public Task<RequestClaim?> ClaimAsync(Guid id, string owner, TimeSpan life, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            DropExpired();
            if (_entries.GetValueOrDefault(id) is not { } entry)
            {
                return Task.FromResult<RequestClaim?>(null);
            }

            var claim = new RequestClaim { Epoch = ++entry.Epoch, PreviousOwner = entry.Owner };
            entry.Owner = owner;
            Prolong(id, entry, life);
            return Task.FromResult<RequestClaim?>(claim);
        }
    }

    /// <inheritdoc/>
    public Task RenewAsync(IReadOnlyCollection<Guid> ids, TimeSpan life, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            DropExpired();
            foreach (var id in ids)
            {
                if (_entries.GetValueOrDefault(id) is { } entry)
                {
                    Prolong(id, entry, life);
                }
            }
        }

        return Task.CompletedTask;
    }

    private void Prolong(Guid id, Entry entry, TimeSpan life)
    {
        // By the timer's clock: the wall clock may be set.
        entry.Expiry = clock.GetTimestamp() + (long)(life.TotalSeconds * clock.TimestampFrequency);
        _expiries.Enqueue(id, entry.Expiry);
    }

    private void DropExpired() => Drop(expiry => expiry <= clock.GetTimestamp());

    /// <summary>Drops those that would expire first, and were not renewed meanwhile, while they are to go.</summary>
    private void Drop(Func<long, bool> isDue)
    {
        while (_expiries.TryPeek(out var id, out long expiry) && isDue(expiry))
        {
            _expiries.Dequeue();
            if (_entries.GetValueOrDefault(id) is { } entry && entry.Expiry == expiry)
            {
                _entries.Remove(id);
                _bytes -= entry.Bytes;
            }
        }
    }

    private sealed class Entry(byte[] request)
    {
        public byte[] Request { get; } = request;

        public long Bytes => Request.Length + EntryBytes;

        public required string Owner { get; set; }

        public int Epoch { get; set; }

        public long Expiry { get; set; }
    }
}
