using Grid.Engine.Paging;
using Grid.Numerics;

namespace Grid.Engine.PrefixCaching;

/// <summary>
/// A radix tree over full pages: a path from the root spells a token prefix, and its nodes' pages hold the prefix's keys
/// and values. A path belongs to a salt: sequences of other salts do not find it. Pages are shared by leases; unleased leaves are
/// evicted, least recently released first.
/// </summary>
/// <remarks>A sequence leases every node of its path, so a node without leases has no leased descendants, and all
/// unleased nodes can be evicted from the leaves up.</remarks>
internal sealed class PrefixCache
{
    private readonly PrefixNode?[] _nodes;
    private readonly Dictionary<(int ParentPage, ulong Hash), PrefixNode> _children;
    private readonly LinkedList<PrefixNode> _evictable = [];
    private readonly Func<ReadOnlySpan<int>, ulong> _hash;
    private long _releases;

    public PrefixCache(int pages)
        : this(pages, PageHash.Of)
    {
    }

    /// <summary>With a hash of the caller's: tests make all pages collide.</summary>
    public PrefixCache(int pages, Func<ReadOnlySpan<int>, ulong> hash)
    {
        _nodes = new PrefixNode[pages];
        _children = new Dictionary<(int, ulong), PrefixNode>(pages);
        _hash = hash;
    }

    /// <summary>The empty prefix.</summary>
    public PrefixNode Root { get; } = new(new PageId(-1));

    /// <summary>Is told of pages that come and go; null when nobody wants to know.</summary>
    public IPrefixCacheObserver? Observer { get; set; }

    /// <summary>Pages in the tree.</summary>
    public int CachedPages { get; private set; }

    /// <summary>Pages in the tree that no sequence holds.</summary>
    public int UnleasedPages { get; private set; }

    /// <summary>The nodes in the tree, for the audit.</summary>
    public IEnumerable<PrefixNode> Nodes => _nodes.Where(n => n?.Parent is not null)!;

    /// <summary>The longest cached prefix of the tokens under a salt, of at most <paramref name="maxPages"/> pages.</summary>
    public PrefixNode Match(ReadOnlySpan<int> tokens, int maxPages, out int pages, out int unleased, string salt = "")
    {
        var node = Root;
        pages = 0;
        unleased = 0;
        while (pages < maxPages)
        {
            var page = tokens.Slice(pages * AttentionLayout.BlockTokens, AttentionLayout.BlockTokens);
            var child = Find(node, page, _hash(page), salt);
            if (child is null)
            {
                break;
            }

            node = child;
            pages++;
            unleased += child.Leases == 0 ? 1 : 0;
        }

        return node;
    }

    /// <summary>Leases every node from the root to this one.</summary>
    public void Lease(PrefixNode path)
    {
        for (var node = path; node.Parent is not null; node = node.Parent)
        {
            if (node.Leases++ == 0)
            {
                UnleasedPages--;
                RemoveFromEvictionOrder(node);
            }
        }
    }

    /// <summary>Gives the leases of the path back.</summary>
    public void Release(PrefixNode path)
    {
        _releases++;
        for (var node = path; node.Parent is not null; node = node.Parent)
        {
            if (--node.Leases == 0)
            {
                UnleasedPages++;
                node.LastRelease = _releases;
                if (node.Children == 0)
                {
                    node.EvictionPlace ??= new LinkedListNode<PrefixNode>(node);
                    _evictable.AddLast(node.EvictionPlace);
                }
            }
        }
    }

    /// <summary>Lengthens a leased path by one page and leases the new node: the cache's own page where it has one of
    /// this content, else <paramref name="page"/>, which then belongs to the cache.</summary>
    public PrefixNode Extend(PrefixNode path, ReadOnlySpan<int> tokens, PageId page, string salt = "")
    {
        ulong hash = _hash(tokens);
        var node = Find(path, tokens, hash, salt);
        if (node is null)
        {
            node = Add(path, tokens, hash, page, salt);
        }
        else if (node.Leases == 0)
        {
            UnleasedPages--;
            RemoveFromEvictionOrder(node);
        }

        node.Leases++;
        return node;
    }

    /// <summary>Takes the unleased leaf that was released longest ago out of the tree.</summary>
    public bool TryEvictOldest(out PageId page)
    {
        page = default;
        return _evictable.First is { } oldest && TryEvict(oldest.Value, out page);
    }

    /// <summary>Takes this node out of the tree if it is an unleased leaf.</summary>
    public bool TryEvict(PrefixNode node, out PageId page)
    {
        page = node.Page;
        if (node.Parent is not { } parent || node.Leases > 0 || node.Children > 0)
        {
            return false;
        }

        RemoveFromEvictionOrder(node);
        RemoveKey(node, parent);
        node.Parent = null;
        CachedPages--;
        Observer?.Removed(page.Value);
        UnleasedPages--;
        if (--parent.Children == 0 && parent.Parent is not null && parent.Leases == 0)
        {
            InsertInEvictionOrder(parent);
        }

        return true;
    }

    private PrefixNode? Find(PrefixNode parent, ReadOnlySpan<int> tokens, ulong hash, string salt)
    {
        var node = _children.GetValueOrDefault((parent.Page.Value, hash));
        while (node is not null && !(tokens.SequenceEqual(node.Tokens) && (parent != Root || node.Salt == salt)))
        {
            node = node.NextSameKey;
        }

        return node;
    }

    private PrefixNode Add(PrefixNode parent, ReadOnlySpan<int> tokens, ulong hash, PageId page, string salt)
    {
        // A page has one node for life: the tree allocates only until every page has been cached once.
        var node = _nodes[page.Value] ??= new PrefixNode(page) { Tokens = new int[AttentionLayout.BlockTokens] };
        tokens.CopyTo(node.Tokens);
        node.Salt = parent == Root ? salt : "";
        node.Parent = parent;
        node.Depth = parent.Depth + 1;
        node.Children = 0;
        node.Leases = 0;
        node.Hash = hash;
        (int, ulong) key = (parent.Page.Value, hash);
        node.NextSameKey = _children.GetValueOrDefault(key);
        _children[key] = node;
        parent.Children++;
        CachedPages++;
        Observer?.Added(page.Value, parent.Page.Value, tokens, node.Salt);
        return node;
    }

    private void RemoveKey(PrefixNode node, PrefixNode parent)
    {
        (int, ulong) key = (parent.Page.Value, node.Hash);
        var first = _children[key];
        if (first != node)
        {
            var before = first;
            while (before.NextSameKey != node)
            {
                before = before.NextSameKey!;
            }

            before.NextSameKey = node.NextSameKey;
        }
        else if (node.NextSameKey is { } next)
        {
            _children[key] = next;
        }
        else
        {
            _children.Remove(key);
        }

        node.NextSameKey = null;
    }

    private void RemoveFromEvictionOrder(PrefixNode node)
    {
        if (node.EvictionPlace is { List: not null } place)
        {
            _evictable.Remove(place);
        }
    }

    /// <summary>A parent whose last child went: it was released no earlier than that child, so its place is near the
    /// front.</summary>
    private void InsertInEvictionOrder(PrefixNode node)
    {
        node.EvictionPlace ??= new LinkedListNode<PrefixNode>(node);
        var later = _evictable.First;
        while (later is not null && later.Value.LastRelease < node.LastRelease)
        {
            later = later.Next;
        }

        if (later is null)
        {
            _evictable.AddLast(node.EvictionPlace);
        }
        else
        {
            _evictable.AddBefore(later, node.EvictionPlace);
        }
    }
}
