using Grid.Engine.Paging;

namespace Grid.Engine.PrefixCaching;

/// <summary>One full page in the prefix cache: 64 tokens that follow the tokens of its ancestors.</summary>
internal sealed class PrefixNode(PageId page)
{
    public PageId Page { get; } = page;

    /// <summary>The page's token ids.</summary>
    public int[] Tokens { get; set; } = [];

    /// <summary>Whose prefix begins with this page; empty is everybody's. Said by the first node of a path, and holds for all that follow.</summary>
    public string Salt { get; set; } = "";

    /// <summary>Null for the root and for a node not in the tree.</summary>
    public PrefixNode? Parent { get; set; }

    /// <summary>Pages from the root to here.</summary>
    public int Depth { get; set; }

    public int Children { get; set; }

    /// <summary>Sequences whose page tables contain this page.</summary>
    public int Leases { get; set; }

    /// <summary>Hash of <see cref="Tokens"/>.</summary>
    public ulong Hash { get; set; }

    /// <summary>The next node with the same parent and hash.</summary>
    public PrefixNode? NextSameKey { get; set; }

    /// <summary>The release that last let go of this node; counts releases, never reads a clock.</summary>
    public long LastRelease { get; set; }

    /// <summary>Neighbours in the eviction order while the node may be evicted.</summary>
    public LinkedListNode<PrefixNode>? EvictionPlace { get; set; }
}
