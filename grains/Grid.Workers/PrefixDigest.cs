using Grid.Engine.PrefixCaching;
using Grid.Grains.Caching;
using Grid.Grains.Messages;

namespace Grid.Workers;

/// <summary>
/// What a device's prefix cache holds, as chains of page hashes, with a log of what changed: each gateway is told what
/// it has not heard of yet. The engine's step thread writes, streams read.
/// </summary>
public sealed class PrefixDigest : IPrefixCacheObserver
{
    /// <summary>Most pages told of: 512 KiB of chains. Pages beyond it are cached all the same, and not routed to.</summary>
    public const int MaxPages = 65536;

    /// <summary>Changes remembered; a stream that is further behind is told all from the start.</summary>
    internal const int LogSize = 2 * PrefixChanges.MaxChains;

    private string _numericsId; // The step thread's.
    private readonly Lock _gate = new();
    private readonly HashSet<ulong> _cached = [];
    private readonly ulong[] _log = new ulong[LogSize];
    private ulong[] _chains = [];
    private long _changes;

    /// <summary>The digest of a cache of this model, empty.</summary>
    public PrefixDigest(string numericsId) => _numericsId = numericsId;

    /// <summary>The cache is about to be dropped, and what comes then is of another model.</summary>
    internal void Rename(string numericsId) => _numericsId = numericsId;

    /// <inheritdoc/>
    public void Added(int page, int parent, ReadOnlySpan<int> tokens, string salt)
    {
        if (page >= _chains.Length)
        {
            Array.Resize(ref _chains, Math.Max(page + 1, 2 * _chains.Length));
        }

        ulong chain = PageChain.Next(parent < 0 ? PageChain.Start(_numericsId, salt) : _chains[parent], tokens);
        _chains[page] = chain;
        lock (_gate)
        {
            if (_cached.Count < MaxPages && _cached.Add(chain))
            {
                _log[_changes++ % LogSize] = chain;
            }
        }
    }

    /// <inheritdoc/>
    public void Removed(int page)
    {
        lock (_gate)
        {
            if (_cached.Remove(_chains[page]))
            {
                _log[_changes++ % LogSize] = _chains[page];
            }
        }
    }

    /// <summary>All that is told of, and the number of changes it comes from.</summary>
    internal ulong[] Snapshot(out long changes)
    {
        lock (_gate)
        {
            changes = _changes;
            return [.. _cached];
        }
    }

    /// <summary>What the changes after the first so many have come to, at most <see cref="PrefixChanges.MaxChains"/> of
    /// them; null when there are none. False when they are forgotten already.</summary>
    internal bool TryRead(ref long changes, out PrefixChanges? news)
    {
        lock (_gate)
        {
            news = null;
            if (changes == _changes)
            {
                return true;
            }

            if (_changes - changes > LogSize)
            {
                return false;
            }

            var cached = new List<ulong>();
            var evicted = new List<ulong>();
            for (int taken = 0; changes < _changes && taken < PrefixChanges.MaxChains; changes++, taken++)
            {
                // As it is now: should it change once more, a later entry says so.
                ulong chain = _log[changes % LogSize];
                (_cached.Contains(chain) ? cached : evicted).Add(chain);
            }

            news = new PrefixChanges { Cached = [.. cached], Evicted = [.. evicted] };
            return true;
        }
    }
}

/// <summary>One stream's place in a digest. Not for several threads at a time.</summary>
internal sealed class PrefixDigestReader(PrefixDigest digest)
{
    private long _changes = -1 - PrefixDigest.LogSize;
    private ulong[] _pending = [];
    private int _told;

    /// <summary>What the stream has not been told yet, or a part of it; null when that is nothing.</summary>
    public PrefixChanges? Take()
    {
        bool reset = false;
        if (_told == _pending.Length)
        {
            if (digest.TryRead(ref _changes, out var news))
            {
                return news;
            }

            reset = true;
            _pending = digest.Snapshot(out _changes);
            _told = 0;
        }

        int count = Math.Min(_pending.Length - _told, PrefixChanges.MaxChains);
        var part = new PrefixChanges { Reset = reset, Cached = _pending[_told..(_told + count)] };
        _told += count;
        if (_told == _pending.Length)
        {
            (_pending, _told) = ([], 0);
        }

        return part;
    }
}
