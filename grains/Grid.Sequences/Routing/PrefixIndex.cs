using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Grid.Grains.Messages;

namespace Grid.Sequences.Routing;

/// <summary>What all of a gateway's indexes may hold together.</summary>
/// <param name="pages">Pages, each counted once for every 64 workers of which one holds it. They take some 40 bytes each.</param>
internal sealed class PrefixMemory(int pages = 1 << 20)
{
    private int _blocks;

    /// <summary>What one block may hold.</summary>
    public int PagesOfBlock => pages / Math.Max(1, Volatile.Read(ref _blocks));

    /// <summary>One block more, or less.</summary>
    public void Count(int change) => Interlocked.Add(ref _blocks, change);
}

/// <summary>
/// Which workers of one NumericsId hold which pages in their prefix caches, by the pages' chains. Workers stand in blocks of 64, and a block has a
/// bit for each at every page: a prompt is looked up once, page by page, for all of them. Pages of a sequence that was sent somewhere count as held
/// there from then on, though they are only under way: the next sequence that needs them waits for them there, or, where they were not computed
/// after all, computes them. Bounded: past it, pages are forgotten that no sequence has asked for, and no worker has told of, for the longest.
/// </summary>
internal sealed class PrefixIndex(PrefixMemory memory)
{
    private readonly Lock _gate = new();
    private readonly List<PrefixBlock> _blocks = [];

    /// <summary>Takes a worker's news in.</summary>
    public void Apply(PrefixView view, PrefixChanges changes)
    {
        lock (_gate)
        {
            if (changes.Reset)
            {
                view.Block?.Clear(view);
            }

            foreach (ulong chain in changes.Evicted)
            {
                view.Block?.Evict(view, chain);
            }

            if (changes.Cached.Length > 0 && !view.IsClosed)
            {
                var block = view.Block ?? Enter(view);
                foreach (ulong chain in changes.Cached)
                {
                    block.Add(view, chain);
                }

                block.Forget(memory.PagesOfBlock);
            }
        }
    }

    /// <summary>Leading pages of a prompt that a worker holds.</summary>
    public int Match(PrefixView view, ReadOnlySpan<ulong> chains)
    {
        lock (_gate)
        {
            Span<int> pages = stackalloc int[PrefixBlock.Size];
            view.Block?.Match(chains, 1UL << view.Place, pages, stackalloc int[PrefixBlock.Size]);
            return view.Block is null ? 0 : pages[view.Place];
        }
    }

    /// <summary>Leading pages of a prompt that each worker holds.</summary>
    /// <param name="workers">The workers.</param>
    /// <param name="chains">The prompt's chains, page by page.</param>
    /// <param name="pages">Gets the numbers, in the workers' order, and how many of them are under way.</param>
    public void Match(ReadOnlySpan<LiveWorker> workers, ReadOnlySpan<ulong> chains, Span<(int Held, int UnderWay)> pages)
    {
        lock (_gate)
        {
            foreach (var block in _blocks)
            {
                block.Match(chains, block.Taken, block.Matched, block.UnderWay);
            }

            for (int i = 0; i < workers.Length; i++)
            {
                var view = workers[i].Prefixes;
                pages[i] = view.Block is { } block ? (block.Matched[view.Place], block.UnderWay[view.Place]) : default;
            }
        }
    }

    /// <summary>A prompt is sent to a worker.</summary>
    /// <param name="view">The worker's.</param>
    /// <param name="chains">Those of its pages that are neither there nor under way.</param>
    public void Expect(PrefixView view, ReadOnlySpan<ulong> chains)
    {
        lock (_gate)
        {
            if (chains.Length > 0 && !view.IsClosed)
            {
                var block = view.Block ?? Enter(view);
                foreach (ulong chain in chains)
                {
                    block.Expect(view, chain);
                }

                block.Forget(memory.PagesOfBlock);
            }
        }
    }

    /// <summary>What a worker was sent, and has not told of, it does not compute any more.</summary>
    public void ExpectNothing(PrefixView view)
    {
        lock (_gate)
        {
            view.Block?.ExpectNothing(view);
        }
    }

    /// <summary>Forgets a worker.</summary>
    public void Remove(PrefixView view)
    {
        lock (_gate)
        {
            view.IsClosed = true;
            if (view.Block is { } block)
            {
                block.Clear(view);
                block.Leave(view);
                if (block.Taken == 0)
                {
                    _blocks.Remove(block);
                    memory.Count(-1);
                }
            }
        }
    }

    private PrefixBlock Enter(PrefixView view)
    {
        var block = _blocks.Find(block => block.Taken != ulong.MaxValue);
        if (block is null)
        {
            _blocks.Add(block = new PrefixBlock());
            memory.Count(1);
        }

        block.Enter(view);
        return block;
    }
}

/// <summary>The part of an index for up to 64 workers. Under the index's lock.</summary>
internal sealed class PrefixBlock
{
    /// <summary>Workers of a block.</summary>
    public const int Size = 64;

    /// <summary>Ages that are told apart: between two lie so many of a block's pages, new ones.</summary>
    private const int Ages = 32;

    private readonly Dictionary<ulong, Page> _pages = [];
    private readonly PrefixView?[] _views = new PrefixView?[Size];
    private int _now;
    private int _addedNow;

    /// <summary>The workers that are there.</summary>
    public ulong Taken { get; private set; }

    /// <summary>For what was asked last.</summary>
    public int[] Matched { get; } = new int[Size];

    /// <summary>How many of these are under way.</summary>
    public int[] UnderWay { get; } = new int[Size];

    /// <summary>Gives a worker a place.</summary>
    public void Enter(PrefixView view)
    {
        (view.Block, view.Place) = (this, BitOperations.TrailingZeroCount(~Taken));
        _views[view.Place] = view;
        Taken |= 1UL << view.Place;
    }

    /// <summary>Takes it away again; its pages are cleared.</summary>
    public void Leave(PrefixView view)
    {
        Taken &= ~(1UL << view.Place);
        _views[view.Place] = null;
        view.Block = null;
    }

    /// <summary>A worker holds a page.</summary>
    public void Add(PrefixView view, ulong chain)
    {
        ref var page = ref CollectionsMarshal.GetValueRefOrAddDefault(_pages, chain, out bool isKnown);
        view.Pages += (page.Holders >> view.Place & 1) == 0 ? 1 : 0;
        page.Holders |= 1UL << view.Place;
        page.Awaiting &= ~(1UL << view.Place);
        page.AskedAt = _now;
        _addedNow += isKnown ? 0 : 1;
    }

    /// <summary>A worker is about to hold a page.</summary>
    public void Expect(PrefixView view, ulong chain)
    {
        ref var page = ref CollectionsMarshal.GetValueRefOrAddDefault(_pages, chain, out bool isKnown);
        page.Awaiting |= (1UL << view.Place) & ~page.Holders;
        page.AskedAt = _now;
        _addedNow += isKnown ? 0 : 1;
        view.Awaited.Add(chain);
        if (view.Awaited.Count > view.MostAwaited)
        {
            view.Awaited.RemoveAll(one => !_pages.TryGetValue(one, out var known) || (known.Awaiting >> view.Place & 1) == 0);
            view.MostAwaited = (2 * view.Awaited.Count) + PrefixView.LeastAwaited;
        }
    }

    /// <summary>It is not any more.</summary>
    public void ExpectNothing(PrefixView view)
    {
        foreach (ulong chain in view.Awaited)
        {
            ref var page = ref CollectionsMarshal.GetValueRefOrNullRef(_pages, chain);
            if (!Unsafe.IsNullRef(ref page))
            {
                page.Awaiting &= ~(1UL << view.Place);
                RemoveWithoutHolders(chain, page);
            }
        }

        view.Awaited.Clear();
        view.MostAwaited = PrefixView.LeastAwaited;
    }

    /// <summary>It holds it no more.</summary>
    public void Evict(PrefixView view, ulong chain)
    {
        ulong own = 1UL << view.Place;
        ref var page = ref CollectionsMarshal.GetValueRefOrNullRef(_pages, chain);
        if (!Unsafe.IsNullRef(ref page))
        {
            view.Pages -= (page.Holders & own) != 0 ? 1 : 0;
            page.Holders &= ~own;
            page.Awaiting &= ~own;
            RemoveWithoutHolders(chain, page);
        }
    }

    /// <summary>A worker holds nothing any more.</summary>
    public void Clear(PrefixView view)
    {
        ExpectNothing(view);
        if (view.Pages > 0)
        {
            foreach (ulong chain in _pages.Keys)
            {
                Evict(view, chain); // Neither changing nor removing an entry disturbs who enumerates.
            }
        }
    }

    /// <summary>How many of the leading pages each of some workers holds, or is about to, and how many of them it is about to.</summary>
    public void Match(ReadOnlySpan<ulong> chains, ulong workers, Span<int> matched, Span<int> underWay)
    {
        underWay.Clear();
        for (int pages = 0; workers != 0; pages++)
        {
            ulong holders = 0;
            if (pages < chains.Length)
            {
                ref var page = ref CollectionsMarshal.GetValueRefOrNullRef(_pages, chains[pages]);
                if (!Unsafe.IsNullRef(ref page))
                {
                    holders = page.Holders | page.Awaiting;
                    page.AskedAt = _now;
                    for (ulong awaiting = page.Awaiting & workers; awaiting != 0; awaiting &= awaiting - 1)
                    {
                        underWay[BitOperations.TrailingZeroCount(awaiting)]++;
                    }
                }
            }

            for (ulong others = workers & ~holders; others != 0; others &= others - 1)
            {
                matched[BitOperations.TrailingZeroCount(others)] = pages;
            }

            workers &= holders;
        }
    }

    /// <summary>Where there are more pages than may be, forgets an eighth: those of the greatest age.</summary>
    public void Forget(int most)
    {
        if (_addedNow > most / Ages)
        {
            (_now, _addedNow) = (_now + 1, 0);
        }

        int excess = _pages.Count - most;
        if (excess <= 0)
        {
            return;
        }

        excess += most / 8;
        Span<int> ofAge = stackalloc int[Ages];
        ofAge.Clear();
        foreach (var page in _pages.Values)
        {
            ofAge[AgeOf(page)]++;
        }

        int oldest = Ages - 1;
        while (ofAge[oldest] < excess)
        {
            excess -= ofAge[oldest--];
        }

        foreach (var (chain, page) in _pages)
        {
            if (AgeOf(page) is var age && (age > oldest || (age == oldest && excess-- > 0)))
            {
                _pages.Remove(chain);
                for (ulong holders = page.Holders; holders != 0; holders &= holders - 1)
                {
                    _views[BitOperations.TrailingZeroCount(holders)]!.Pages--;
                }
            }
        }
    }

    private void RemoveWithoutHolders(ulong chain, in Page page)
    {
        if ((page.Holders | page.Awaiting) == 0)
        {
            _pages.Remove(chain);
        }
    }

    private int AgeOf(in Page page) => Math.Min(_now - page.AskedAt, Ages - 1);

    private struct Page
    {
        public ulong Holders;
        public ulong Awaiting; // None of the holders.
        public int AskedAt;
    }
}
