namespace Grid.Engine.PrefixCaching;

/// <summary>Is told what the prefix cache holds, on the step thread, as it changes.</summary>
public interface IPrefixCacheObserver
{
    /// <summary>A full page has entered the cache.</summary>
    /// <param name="page">The page; no other cached page has this number.</param>
    /// <param name="parent">The cached page that its tokens follow; -1 at the beginning of a sequence.</param>
    /// <param name="tokens">Its token ids; valid during the call.</param>
    /// <param name="salt">Whose prefix it begins, at the beginning of a sequence.</param>
    void Added(int page, int parent, ReadOnlySpan<int> tokens, string salt);

    /// <summary>A page has left the cache; nothing that follows it is cached either.</summary>
    void Removed(int page);
}
