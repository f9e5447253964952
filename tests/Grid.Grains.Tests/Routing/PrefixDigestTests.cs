using Grid.Grains.Caching;
using Grid.Grains.Messages;
using Grid.Sequences.Routing;
using Grid.Workers;

namespace Grid.Grains.Tests.Routing;

public sealed class PrefixDigestTests
{
    private const string Model = "grid-1-abc";
    private const int PageTokens = 4;

    /// <summary>Nodes of different versions compare their chains: the function is part of the contract between them.</summary>
    [Fact]
    public void Chains_are_those_that_other_nodes_compute()
    {
        ulong[] chains = PageChain.Of(Model, [1, 2, 3, 4, 5, 6, 7, 8, 9], PageTokens);
        Assert.Equal([0x8C11F93ECC3E0F98, 0xD0A93E2CFAB51374], chains);
    }

    [Fact]
    public void A_chain_names_all_tokens_before_it_and_the_model()
    {
        int[] prompt = [1, 2, 3, 4, 5, 6, 7, 8];
        ulong[] chains = PageChain.Of(Model, prompt, PageTokens);
        Assert.Equal(chains[..1], PageChain.Of(Model, prompt.AsSpan(0, 7), PageTokens));
        Assert.NotEqual(chains[0], PageChain.Of("grid-1-abd", prompt, PageTokens)[0]);
        prompt[0] = 9;
        Assert.NotEqual(chains[1], PageChain.Of(Model, prompt, PageTokens)[1]);
    }

    [Fact]
    public void A_salt_is_part_of_the_chain_on_both_sides()
    {
        int[] prompt = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        var digest = new PrefixDigest(Model);
        var view = new PrefixView();
        digest.Added(0, -1, prompt.AsSpan(0, 4), "mine");
        digest.Added(1, 0, prompt.AsSpan(4, 4), "");
        Hear(view, new PrefixDigestReader(digest));
        Assert.Equal(
            [2, 0, 0, 0], new[] { "mine", "", "yours", "minf" }.Select(salt => view.Match(PageChain.Of(Model, prompt, PageTokens, salt))));
        Assert.NotEqual(PageChain.Start(Model + "mine"), PageChain.Start(Model, "mine"));
    }

    [Fact]
    public void A_gateway_finds_the_cached_pages_of_a_prompt_and_no_more_after_an_eviction()
    {
        var digest = new PrefixDigest(Model);
        var reader = new PrefixDigestReader(digest);
        var view = new PrefixView();
        int[] prompt = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13];
        ulong[] chains = PageChain.Of(Model, prompt, PageTokens);
        digest.Added(7, -1, prompt.AsSpan(0, 4), "");
        digest.Added(2, 7, prompt.AsSpan(4, 4), "");
        Hear(view, reader);
        Assert.Equal(2, view.Match(chains));
        Assert.Null(reader.Take());

        digest.Removed(2);
        digest.Added(2, -1, prompt.AsSpan(8, 4), ""); // The page, of another prefix now.
        Hear(view, reader);
        Assert.Equal((1, 2), (view.Match(chains), view.Pages));
    }

    [Fact]
    public void Gateways_that_listen_at_any_pace_hear_in_pieces_what_is_cached_at_the_end()
    {
        var random = new Random(5);
        var digest = new PrefixDigest(Model);
        var readers = Enumerable.Range(0, 3).Select(_ => (Reader: new PrefixDigestReader(digest), View: new PrefixView())).ToArray();
        var cached = new Dictionary<int, ulong>();
        int number = 0;
        for (int i = 0; i < 60_000; i++)
        {
            int page = random.Next(9000);
            if (cached.Remove(page))
            {
                digest.Removed(page);
            }
            else
            {
                int[] tokens = [number++, 0, 0, 0];
                digest.Added(page, -1, tokens, "");
                cached.Add(page, PageChain.Of(Model, tokens, PageTokens)[0]);
            }

            // The first hears often, the second falls behind the log, the third comes late.
            foreach (var (reader, view) in readers.Where((_, who) => who == 0 ? i % 7 == 0 : who == 1 ? i % 20_000 == 0 : i > 50_000 && i % 100 == 0))
            {
                Take(view, reader);
            }
        }

        foreach (var (reader, view) in readers)
        {
            Hear(view, reader);
            Assert.Equal(cached.Count, view.Pages);
            Assert.All(cached.Values, chain => Assert.Equal(1, view.Match([chain])));
        }
    }

    [Fact]
    public void A_cache_of_any_size_is_told_of_up_to_a_bound()
    {
        var digest = new PrefixDigest(Model);
        for (int page = 0; page < PrefixDigest.MaxPages + 5; page++)
        {
            digest.Added(page, -1, [page, 1, 2, 3], "");
        }

        var reader = new PrefixDigestReader(digest);
        var view = new PrefixView();
        Hear(view, reader);
        Assert.Equal(PrefixDigest.MaxPages, view.Pages);
        digest.Removed(PrefixDigest.MaxPages + 2); // Never told of.
        Assert.Null(reader.Take());
        digest.Removed(0);
        digest.Added(0, -1, [-1, 1, 2, 3], "");
        Hear(view, reader);
        Assert.Equal((PrefixDigest.MaxPages, 1), (view.Pages, view.Match(PageChain.Of(Model, [-1, 1, 2, 3], PageTokens))));
    }

    private static void Hear(PrefixView view, PrefixDigestReader reader)
    {
        while (Take(view, reader))
        {
        }
    }

    private static bool Take(PrefixView view, PrefixDigestReader reader)
    {
        var news = reader.Take();
        if (news is not null)
        {
            Assert.InRange(news.Cached.Length + news.Evicted.Length, 0, PrefixChanges.MaxChains);
            view.Apply(news);
        }

        return news is not null;
    }
}
