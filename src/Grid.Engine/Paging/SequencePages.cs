using Grid.Engine.PrefixCaching;
using Grid.Engine.Sequences;
using Grid.Numerics;

namespace Grid.Engine.Paging;

/// <summary>
/// Gives pages to sequences and takes them back. Every page is at any time exactly one of: free, in the prefix cache, or
/// owned by one sequence. A sequence's page table is a leased path of the prefix cache followed by its own pages.
/// </summary>
/// <param name="pool">The free pages.</param>
/// <param name="cache">The prefix cache.</param>
/// <param name="sharing">See <see cref="Sharing"/>.</param>
internal sealed class SequencePages(PagePool pool, PrefixCache cache, bool sharing = true)
{
    /// <summary>Whether pages come into the cache at all.</summary>
    public bool Sharing => sharing;

    /// <summary>Attaches the longest cached prefix that leaves the last known token, and the rows of the prompt logprobs
    /// still owed, to be computed; then takes pages for all known tokens and expected ones. False, with nothing changed, when there are
    /// not so many pages besides <paramref name="spare"/> ones.</summary>
    public bool TryAttach(Sequence sequence, int spare)
    {
        if (!CanAttach(sequence, spare, out var path, out int hits))
        {
            return false;
        }

        cache.Lease(path);
        for (var node = path; node.Parent is not null; node = node.Parent)
        {
            sequence.PageTable[node.Depth - 1] = node.Page.Value;
        }

        sequence.LeasedPath = path;
        sequence.LeasedPages = hits;
        sequence.PageCount = hits;
        sequence.ComputedTokens = hits * AttentionLayout.BlockTokens;
        if (!TryGrow(sequence, sequence.RowCount))
        {
            throw new InvalidOperationException("Pages counted as available could not be taken.");
        }

        return true;
    }

    /// <summary>Whether a running sequence computes the very page that a waiting one would compute next.</summary>
    /// <param name="sequence">The waiting one.</param>
    /// <param name="running">The running one.</param>
    /// <returns>Pages from the start of both until their tokens part; 0 when it does not.</returns>
    public int PagesToCome(Sequence sequence, Sequence running)
    {
        int most = Math.Min(MaxHitPages(sequence), running.TokenCount / AttentionLayout.BlockTokens);
        if (!sharing || running.LeasedPages >= most || sequence.Request.CacheSalt != running.Request.CacheSalt)
        {
            return 0;
        }

        int tokens = sequence.Tokens.AsSpan(0, most * AttentionLayout.BlockTokens).CommonPrefixLength(running.Tokens);
        int pages = tokens / AttentionLayout.BlockTokens;
        if (pages <= running.LeasedPages)
        {
            return 0;
        }

        cache.Match(sequence.Tokens, pages, out int cached, out _, sequence.Request.CacheSalt);
        return cached == running.LeasedPages ? pages : 0;
    }

    /// <summary>Whether <see cref="TryAttach"/> would.</summary>
    public bool CanAttach(Sequence sequence, int spare) => CanAttach(sequence, spare, out _, out _);

    /// <summary>Tokens of a sequence that would have to be computed if it were attached now.</summary>
    public int UncachedTokens(Sequence sequence)
    {
        cache.Match(sequence.Tokens.AsSpan(0, sequence.TokenCount), MaxHitPages(sequence), out int hits, out _, sequence.Request.CacheSalt);
        return sequence.RowCount - (hits * AttentionLayout.BlockTokens);
    }

    /// <summary>Takes pages until the table holds so many tokens, evicting unleased cached pages where needed. False
    /// when the pages ran out; those taken so far stay.</summary>
    public bool TryGrow(Sequence sequence, int tokens)
    {
        int wanted = Sequence.PagesFor(tokens);
        while (sequence.PageCount < wanted)
        {
            if (pool.FreePages == 0 && cache.TryEvictOldest(out var evicted))
            {
                pool.Return(evicted);
            }

            if (!pool.TryTake(out var page))
            {
                return false;
            }

            sequence.PageTable[sequence.PageCount++] = page.Value;
        }

        return true;
    }

    /// <summary>Moves the sequence's own full pages into the prefix cache and leases them there. Where the cache already
    /// has a page of this content, the sequence takes that one and gives its own back: equal tokens, equal bits.</summary>
    public void ShareFullPages(Sequence sequence)
    {
        while (sharing && (sequence.LeasedPages + 1) * AttentionLayout.BlockTokens <= sequence.ComputedTokens)
        {
            int index = sequence.LeasedPages;
            PageId own = new(sequence.PageTable[index]);
            ReadOnlySpan<int> tokens = sequence.Tokens.AsSpan(index * AttentionLayout.BlockTokens, AttentionLayout.BlockTokens);
            var node = cache.Extend(sequence.LeasedPath ?? cache.Root, tokens, own, sequence.Request.CacheSalt);
            if (node.Page != own)
            {
                pool.Return(own);
                sequence.PageTable[index] = node.Page.Value;
            }

            sequence.LeasedPath = node;
            sequence.LeasedPages++;
        }
    }

    /// <summary>Gives everything back: own pages become free, leased ones stay cached.</summary>
    public void Release(Sequence sequence)
    {
        for (int i = sequence.PageCount - 1; i >= sequence.LeasedPages; i--)
        {
            pool.Return(new PageId(sequence.PageTable[i]));
        }

        cache.Release(sequence.LeasedPath ?? cache.Root);
        sequence.LeasedPath = null;
        sequence.LeasedPages = 0;
        sequence.PageCount = 0;
        sequence.ComputedTokens = 0;
    }

    /// <summary>Gives back the sequence's own pages, which hold keys and values of tokens that are not its own, and takes others; what of its own
    /// tokens was there is computed once more.</summary>
    public void Renew(Sequence sequence)
    {
        while (sequence.PageCount > sequence.LeasedPages)
        {
            pool.Return(new PageId(sequence.PageTable[--sequence.PageCount]));
        }

        sequence.ComputedTokens = sequence.LeasedPages * AttentionLayout.BlockTokens;
        if (!TryGrow(sequence, sequence.RowCount))
        {
            throw new InvalidOperationException("Pages just given back could not be taken.");
        }
    }

    /// <summary>Gives everything back and drops from the cache what no other sequence holds of it: for a sequence whose
    /// values cannot be trusted.</summary>
    public void Discard(Sequence sequence)
    {
        var path = sequence.LeasedPath ?? cache.Root;
        Release(sequence);
        while (path.Parent is { } parent && cache.TryEvict(path, out var page))
        {
            pool.Return(page);
            path = parent;
        }
    }

    /// <summary>Drops all unleased pages from the cache.</summary>
    public void Flush()
    {
        while (cache.TryEvictOldest(out var page))
        {
            pool.Return(page);
        }
    }

    private bool CanAttach(Sequence sequence, int spare, out PrefixNode path, out int hits)
    {
        path = cache.Match(sequence.Tokens.AsSpan(0, sequence.TokenCount), MaxHitPages(sequence), out hits, out int unleasedHits, sequence.Request.CacheSalt);
        return Sequence.PagesFor(sequence.RowCount) - hits + spare <= pool.FreePages + cache.UnleasedPages - unleasedHits;
    }

    private static int MaxHitPages(Sequence sequence)
    {
        int tokens = sequence.TokenCount - 1;
        if (sequence.OwesPromptLogprobs)
        {
            // Prompt token i is scored by the row of position i - 1.
            tokens = Math.Min(tokens, sequence.NextPromptIndexToScore - 1);
        }

        return tokens / AttentionLayout.BlockTokens;
    }
}
