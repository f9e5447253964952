using System.Buffers;
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

    /// <summary>The worker to ask next: the cheapest that takes sequences, fits and was not asked before; of equal ones the one that did least
    /// lately, or else the first by key. Where its report is stale, it is the cheaper of two drawn by the sequence's id: gateways that all
    /// believe the same old news must not all send to the same worker. With it the tokens that it would have to compute; null where there is none.</summary>
    /// <param name="pool">The workers.</param>
    /// <param name="prompt">What the attempt starts from.</param>
    /// <param name="attempt">The attempt.</param>
    /// <param name="fits">Who may take it.</param>
    /// <param name="asked">Who did not take it; null while none was asked.</param>
    public static (LiveWorker Worker, long UncachedTokens)? Next(WorkerPool pool, PromptPrefix prompt, AttemptId attempt, Func<LiveWorker, bool> fits, HashSet<LiveWorker>? asked)
    {
        var workers = pool.Workers;
        var needs = ArrayPool<PromptNeed>.Shared.Rent(workers.Length);
        try
        {
            bool MayTake(LiveWorker worker) => worker.Takes && fits(worker) && asked?.Contains(worker) is not true;
            lock (pool.Choosing)
            {
                // One after the other: of requests that come together, each sees where those before it went.
                prompt.CountNeeds(pool.Prefixes, workers, needs);
                int first = Cheapest(workers, needs, MayTake, out int count);
                if (first >= 0 && asked is null)
                {
                    if (count > 2 && workers[first].Queue.IsStale)
                    {
                        first = CheaperOf(DrawTwo(attempt, count), workers, needs, MayTake) ?? first;
                    }

                    workers[first].Queue.Reserve(needs[first].Uncached);
                    prompt.ExpectAt(pool.Prefixes, workers[first], needs[first]);
                }

                return first < 0 ? null : (workers[first], needs[first].Uncached);
            }
        }
        finally
        {
            ArrayPool<PromptNeed>.Shared.Return(needs);
        }
    }

    /// <summary>Looks at all: reports come hundreds of times as often as sequences, and to keep an order up to date with each would cost more.</summary>
    private static int Cheapest(LiveWorker[] workers, PromptNeed[] needs, Func<LiveWorker, bool> mayTake, out int count)
    {
        var (first, least, leastWork) = (-1, long.MaxValue, 0.0);
        count = 0;
        for (int i = 0; i < workers.Length; i++)
        {
            if (mayTake(workers[i]))
            {
                count++;
                long cost = Cost(workers[i], needs[i]);
                if (cost <= least && workers[i].Queue.RecentWork is var work && (cost < least || work < leastWork))
                {
                    (first, least, leastWork) = (i, cost, work);
                }
            }
        }

        return first;
    }

    /// <summary>Of two, by their numbers among those that may take it; null where these have just become fewer.</summary>
    private static int? CheaperOf((int, int) two, LiveWorker[] workers, PromptNeed[] needs, Func<LiveWorker, bool> mayTake)
    {
        int one = -1, other = -1;
        for (int i = 0, number = 0; i < workers.Length && other < 0; i++)
        {
            if (mayTake(workers[i]))
            {
                one = number == two.Item1 ? i : one;
                other = number++ == two.Item2 ? i : other;
            }
        }

        return other < 0 ? null : Cost(workers[one], needs[one]) <= Cost(workers[other], needs[other]) ? one : other;
    }

    /// <summary>What is under way of the prompt itself is waited for in any case, there or, computed once more, elsewhere: it speaks for no other worker.</summary>
    private static long Cost(LiveWorker worker, PromptNeed need) => (Math.Max(0, worker.Queue.Cost - need.UnderWay) + need.Uncached) / Unit;

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

/// <summary>What of a prompt is to be computed at a worker, in tokens.</summary>
/// <param name="Uncached">That neither is there nor under way.</param>
/// <param name="UnderWay">That others there wait for too.</param>
internal readonly record struct PromptNeed(long Uncached, long UnderWay);

/// <summary>The tokens that an attempt starts from, as workers' prefix caches know them.</summary>
internal sealed class PromptPrefix(SubmitRequest request)
{
    private readonly int _tokens = request.PromptIds.Length + request.PriorOutputIds.Length;
    private ulong[] _chains = [];
    private int _pageTokens;

    /// <summary>Tokens that the worker would have to compute before the next token.</summary>
    public long UncachedTokens(LiveWorker worker) =>
        _tokens - ((long)worker.Prefixes.Match(Chains(worker.Status.PageTokens)) * worker.Status.PageTokens);

    /// <summary>What each worker of an index would have to compute.</summary>
    public void CountNeeds(PrefixIndex index, LiveWorker[] workers, Span<PromptNeed> needs)
    {
        if (workers.Length > 0)
        {
            int page = workers[0].Status.PageTokens; // All have the same: it is a part of what makes their bits.
            var pages = ArrayPool<(int Held, int UnderWay)>.Shared.Rent(workers.Length);
            index.Match(workers, Chains(page), pages);
            for (int i = 0; i < workers.Length; i++)
            {
                needs[i] = new PromptNeed(_tokens - ((long)pages[i].Held * page), (long)pages[i].UnderWay * page);
            }

            ArrayPool<(int Held, int UnderWay)>.Shared.Return(pages);
        }
    }

    /// <summary>The worker is about to compute what it has not.</summary>
    public void ExpectAt(PrefixIndex index, LiveWorker worker, PromptNeed need)
    {
        int page = worker.Status.PageTokens;
        var chains = Chains(page).AsSpan();
        if (chains.Length > 0)
        {
            index.Expect(worker.Prefixes, chains[(int)((_tokens - need.Uncached) / page)..]);
        }
    }

    /// <summary>The last token is always computed, and so are the rows that score prompt tokens.</summary>
    private int Reusable(int tokens) =>
        Math.Max(0, Math.Min(tokens, request.Generation.PromptLogprobsFrom ?? int.MaxValue) - 1);

    private ulong[] Chains(int page)
    {
        if (page != _pageTokens)
        {
            int[] ids = request.PriorOutputIds.Length == 0 ? request.PromptIds : [.. request.PromptIds, .. request.PriorOutputIds];
            _chains = page < 1 ? [] : PageChain.Of(request.NumericsId, ids.AsSpan(0, Reusable(ids.Length)), page, request.CacheSalt);
            _pageTokens = page;
        }

        return _chains;
    }
}
