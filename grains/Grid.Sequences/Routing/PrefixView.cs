using Grid.Grains.Messages;

namespace Grid.Sequences.Routing;

/// <summary>What a worker's prefix cache holds as far as it has told this gateway; bounded by what workers tell
/// (65,536 pages).</summary>
public sealed class PrefixView
{
    private readonly Lock _gate = new();
    private readonly HashSet<ulong> _cached = [];

    /// <summary>Pages known to be cached.</summary>
    public int Pages
    {
        get
        {
            lock (_gate)
            {
                return _cached.Count;
            }
        }
    }

    /// <summary>Takes news in.</summary>
    public void Apply(PrefixChanges changes)
    {
        ArgumentNullException.ThrowIfNull(changes);
        lock (_gate)
        {
            if (changes.Reset)
            {
                _cached.Clear();
            }

            _cached.ExceptWith(changes.Evicted);
            _cached.UnionWith(changes.Cached);
        }
    }

    /// <summary>Leading pages of a prompt that are cached.</summary>
    /// <param name="chains">The prompt's chains, page by page.</param>
    public int Match(ReadOnlySpan<ulong> chains)
    {
        lock (_gate)
        {
            int pages = 0;
            while (pages < chains.Length && _cached.Contains(chains[pages]))
            {
                pages++;
            }

            return pages;
        }
    }
}
