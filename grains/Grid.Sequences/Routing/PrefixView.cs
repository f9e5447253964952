using Grid.Grains.Messages;

namespace Grid.Sequences.Routing;

/// <summary>What a worker's prefix cache holds as far as it has told this gateway: its part of a <see cref="PrefixIndex"/>.</summary>
public sealed class PrefixView
{
    /// <summary>Pages sent for that are always remembered.</summary>
    internal const int LeastAwaited = 1024;

    private readonly PrefixIndex _index;

    /// <summary>A view of its own.</summary>
    public PrefixView()
        : this(new PrefixIndex(new PrefixMemory()))
    {
    }

    internal PrefixView(PrefixIndex index) => _index = index;

    /// <summary>Pages known to be cached.</summary>
    public int Pages { get; internal set; }

    /// <summary>Where the index keeps it; null until it has told of something, and after it is closed. Under the index's lock.</summary>
    internal PrefixBlock? Block { get; set; }

    /// <summary>Chains of the pages that were sent for, and of some that have come since. Under the index's lock.</summary>
    internal List<ulong> Awaited { get; } = [];

    /// <summary>How many there may be until those that have come are left out.</summary>
    internal int MostAwaited { get; set; } = LeastAwaited;

    /// <summary>Whether the worker is gone.</summary>
    internal bool IsClosed { get; set; }

    /// <summary>Which of the block's workers it is.</summary>
    internal int Place { get; set; }

    /// <summary>Takes news in.</summary>
    public void Apply(PrefixChanges changes)
    {
        ArgumentNullException.ThrowIfNull(changes);
        _index.Apply(this, changes);
    }

    /// <summary>Leading pages of a prompt that are cached, or about to be.</summary>
    /// <param name="chains">The prompt's chains, page by page.</param>
    public int Match(ReadOnlySpan<ulong> chains) => _index.Match(this, chains);

    /// <summary>Nothing is under way there any more: what was sent for and has not come will not.</summary>
    internal void ExpectNothing() => _index.ExpectNothing(this);

    /// <summary>The worker is gone, and so are its pages.</summary>
    internal void Close() => _index.Remove(this);
}
