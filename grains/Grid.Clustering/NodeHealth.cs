using System.Runtime.CompilerServices;

namespace Grid.Clustering;

/// <summary>How a node finds the store of its cluster.</summary>
public enum StoreState
{
    /// <summary>There is none: the membership is in the memory of a silo.</summary>
    None,

    /// <summary>It answers, and has the node's entry.</summary>
    Well,

    /// <summary>It does not answer. What runs goes on; nodes cannot join or be declared dead.</summary>
    Away,

    /// <summary>It has lost what was written to it. The node ends.</summary>
    Lost,
}

/// <summary>A node as its operator asks for it.</summary>
/// <param name="name">Its name.</param>
/// <param name="store">"redis", "postgres", or "localhost" for none.</param>
/// <param name="time">The clock.</param>
public sealed class NodeHealth(string name, string store, TimeProvider time)
{
    private volatile string? _lost;
    private volatile StrongBox<DateTimeOffset>? _awaySince;

    /// <summary>The node's name.</summary>
    public string Name { get; } = name;

    /// <summary>"redis", "postgres", or "localhost" for none.</summary>
    public string Store { get; } = store;

    /// <summary>When it started.</summary>
    public DateTimeOffset Started { get; } = time.GetUtcNow();

    /// <summary>How long it has run.</summary>
    public TimeSpan Uptime => time.GetUtcNow() - Started;

    /// <summary>How its store is.</summary>
    public StoreState StoreState =>
        _lost is not null ? StoreState.Lost : _awaySince is not null ? StoreState.Away : Store == "localhost" ? StoreState.None : StoreState.Well;

    /// <summary>From when the store has not answered; null while it does.</summary>
    public DateTimeOffset? StoreAwaySince => _awaySince?.Value;

    /// <summary>What the store has lost, a sentence; null while it has lost nothing.</summary>
    public string? StoreLost => _lost;

    internal void SetWell() => _awaySince = null;

    internal void SetAway() => _awaySince ??= new(time.GetUtcNow());

    internal void SetLost(string sentence) => _lost = sentence;
}
