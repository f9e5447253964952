using System.Runtime.InteropServices;
using Grid.Grains;
using Grid.Grains.Caching;
using Grid.Grains.Messages;

namespace Grid.Sequences.Routing;

/// <summary>
/// Which worker gets a sequence: the one where it is expected to cost least, in prompt tokens that are computed before
/// its first token comes. The choice decides how soon an answer comes, never what it says.
/// </summary>
internal static class WorkerChoice
{
    /// <summary>Costs that differ by less than a page are equal.</summary>
    private const int Unit = 64;

    private static readonly Lock s_choosing = new();

    /// <summary>The workers in the order to ask them: cheapest first; of equal ones the one that did least
    /// lately, or else the first by key. Where the cheapest one's report is
    /// stale, the first is the cheaper of two drawn by the sequence's id: gateways that all believe the same old news
    /// must not all send to the same worker.</summary>
    public static LiveWorker[] Order(IEnumerable<LiveWorker> workers, SubmitRequest request)
    {
        var prompt = new PromptPrefix(request);
        var byKey = workers.OrderBy(worker => worker.Status.Worker.Key, StringComparer.Ordinal).ToArray();
        if (byKey.Length < 2)
        {
            return byKey;
        }

        long[] uncached = Array.ConvertAll(byKey, prompt.UncachedTokens);
        int[] order;
        lock (s_choosing)
        {
            // One after the other: of requests that come together, each sees where those before it went.
            order = Order(byKey, uncached, request.Attempt);
            byKey[order[0]].Queue.Reserve(uncached[order[0]]);
        }

        return Array.ConvertAll(order, i => byKey[i]);
    }

    private static int[] Order(LiveWorker[] byKey, long[] uncached, AttemptId attempt)
    {
        long[] costs = [.. byKey.Select((worker, i) => (worker.Queue.Cost + uncached[i]) / Unit)];
        int[] order = [.. Enumerable.Range(0, byKey.Length).OrderBy(i => costs[i]).ThenBy(i => byKey[i].Queue.RecentWork)];
        if (byKey.Length > 2 && byKey[order[0]].Queue.IsStale)
        {
            var (one, other) = DrawTwo(attempt, byKey.Length);
            int first = costs[one] <= costs[other] ? one : other;
            order = [first, .. order.Where(i => i != first)];
        }

        return order;
    }

    /// <summary>Two different numbers below a count, ascending.</summary>
    private static (int, int) DrawTwo(AttemptId attempt, int count)
    {
        Span<byte> id = stackalloc byte[16];
        attempt.Sequence.TryWriteBytes(id);
        ulong draw = PageChain.Next((ulong)attempt.Epoch, MemoryMarshal.Cast<byte, int>(id));
        int one = (int)((draw >> 32) % (uint)count);
        int other = (int)((uint)draw % (uint)(count - 1));
        return other >= one ? (one, other + 1) : (other, one);
    }
}

/// <summary>The tokens that an attempt starts from, as workers' prefix caches know them.</summary>
internal sealed class PromptPrefix(SubmitRequest request)
{
    private readonly int _tokens = request.PromptIds.Length + request.PriorOutputIds.Length;
    private ulong[] _chains = [];
    private int _pageTokens;

    /// <summary>Tokens that the worker would have to compute before the next token.</summary>
    public long UncachedTokens(LiveWorker worker)
    {
        int page = worker.Status.PageTokens;
        if (page < 1)
        {
            return _tokens;
        }

        if (page != _pageTokens)
        {
            int[] ids = request.PriorOutputIds.Length == 0 ? request.PromptIds : [.. request.PromptIds, .. request.PriorOutputIds];
            _chains = PageChain.Of(request.NumericsId, ids.AsSpan(0, Reusable(ids.Length)), page, request.CacheSalt);
            _pageTokens = page;
        }

        return _tokens - ((long)worker.Prefixes.Match(_chains) * page);
    }

    /// <summary>The last token is always computed, and so are the rows that score prompt tokens.</summary>
    private int Reusable(int tokens) =>
        Math.Max(0, Math.Min(tokens, request.Generation.PromptLogprobsFrom ?? int.MaxValue) - 1);
}
