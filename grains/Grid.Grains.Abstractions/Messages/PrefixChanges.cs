namespace Grid.Grains.Messages;

/// <summary>
/// What changed in a worker's prefix cache since the stream's last news of it: chains of cached pages
/// (<see cref="Caching.PageChain"/>), at most <see cref="MaxChains"/> a batch; more follow with the next ones. A stream
/// begins with all that is cached.
/// </summary>
[GenerateSerializer, Immutable, Alias("grid.prefix-changes")]
public sealed record PrefixChanges
{
    /// <summary>Most chains in one batch.</summary>
    public const int MaxChains = 4096;

    /// <summary>Whether all that was said before is void.</summary>
    [Id(0)]
    public bool Reset { get; init; }

    /// <summary>Pages that are cached now; no order, and some may have been named before.</summary>
    [Id(1)]
    public ulong[] Cached { get; init; } = [];

    /// <summary>Pages that are not cached any more.</summary>
    [Id(2)]
    public ulong[] Evicted { get; init; } = [];
}
