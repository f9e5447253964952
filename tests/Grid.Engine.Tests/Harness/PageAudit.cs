using Grid.Engine.PrefixCaching;
using Grid.Engine.Sequences;

namespace Grid.Engine.Tests.Harness;

/// <summary>Every page is free, cached or one sequence's own, exactly once; leases and counters agree with the page
/// tables.</summary>
internal static class PageAudit
{
    public static void Check(InferenceEngine engine)
    {
        string?[] owner = new string?[engine.Pool.TotalPages];
        foreach (int page in engine.Pool.Free)
        {
            Claim(owner, page, "free");
        }

        Dictionary<PrefixNode, int> leases = [];
        int unleased = 0;
        foreach (var node in engine.Prefixes.Nodes)
        {
            Claim(owner, node.Page.Value, "cached");
            leases[node] = 0;
            unleased += node.Leases == 0 ? 1 : 0;
            Assert.Equal((node.Parent!.Depth + 1, node.EvictionPlace?.List is not null), (node.Depth, node.Leases == 0 && node.Children == 0));
        }

        foreach (var sequence in engine.Scheduler.Running)
        {
            CheckSequence(sequence, engine.SharesPages, owner, leases);
        }

        Assert.All(owner, Assert.NotNull);
        Assert.All(leases, l => Assert.Equal(l.Value, l.Key.Leases));
        Assert.Equal((leases.Count, unleased), (engine.Prefixes.CachedPages, engine.Prefixes.UnleasedPages));
        Assert.All(engine.Prefixes.Nodes.GroupBy(n => n.Parent!), g => Assert.Equal(g.Count(), g.Key.Children));
        var status = engine.Status;
        Assert.Equal((engine.Pool.FreePages, leases.Count, owner.Length), (status.FreePages, status.CachedPages, status.TotalPages));
    }

    private static void CheckSequence(Sequence sequence, bool sharing, string?[] owner, Dictionary<PrefixNode, int> leases)
    {
        Assert.Equal(sequence.LeasedPages, sequence.LeasedPath?.Depth ?? 0);
        for (var node = sequence.LeasedPath; node?.Parent is not null; node = node.Parent)
        {
            leases[node]++;
            Assert.Equal(node.Page.Value, sequence.PageTable[node.Depth - 1]);
            Assert.True(node.Tokens.AsSpan().SequenceEqual(sequence.Tokens.AsSpan((node.Depth - 1) * 64, 64)));
        }

        for (int i = sequence.LeasedPages; i < sequence.PageCount; i++)
        {
            Claim(owner, sequence.PageTable[i], $"of {sequence.Id}");
        }

        Assert.True(sequence.PageCount * 64 >= sequence.ComputedTokens);
        Assert.Equal(sharing ? sequence.ComputedTokens / 64 : 0, sequence.LeasedPages);
    }

    private static void Claim(string?[] owner, int page, string claim)
    {
        Assert.True(owner[page] is null, $"Page {page} is {claim} and {owner[page]}.");
        owner[page] = claim;
    }
}
