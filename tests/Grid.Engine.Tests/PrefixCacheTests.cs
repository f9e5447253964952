using Grid.Engine.Paging;
using Grid.Engine.PrefixCaching;
using Grid.Engine.Tests.Harness;

namespace Grid.Engine.Tests;

public class PrefixCacheTests
{
    [Theory]
    [InlineData(1, 0)]
    [InlineData(63, 0)]
    [InlineData(64, 0)]
    [InlineData(65, 64)]
    [InlineData(127, 64)]
    [InlineData(128, 64)]
    [InlineData(129, 128)]
    [InlineData(192, 128)]
    [InlineData(193, 192)]
    public void A_repeated_prompt_hits_all_full_pages_before_its_last_token(int length, int cached)
    {
        EngineHarness harness = new();
        int[] prompt = EngineHarness.Prompt(length);
        Assert.Equal(0, harness.Run(EngineHarness.Request(prompt, 9)).CachedTokens);
        var again = harness.Run(EngineHarness.Request(prompt, 9));
        Assert.Equal(cached, again.CachedTokens);
        Oracle.AssertMatches(again);
        Assert.Equal((2L * length, cached), (harness.Status.PromptTokens, harness.Status.CachedPromptTokens));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 0)]
    [InlineData(64, 0)]
    [InlineData(65, 64)]
    [InlineData(128, 64)]
    [InlineData(129, 128)]
    [InlineData(200, 192)]
    public void Prompt_logprobs_are_computed_even_where_the_cache_has_the_pages(int from, int cached)
    {
        EngineHarness harness = new();
        int[] prompt = EngineHarness.Prompt(200);
        harness.Run(EngineHarness.Request(prompt, 3));
        var log = harness.Run(EngineHarness.Request(prompt, 3) with { PromptLogprobsFrom = from, TopLogprobs = 4 });
        Assert.Equal(cached, log.CachedTokens);
        Assert.Equal(200 - Math.Max(1, from), log.PromptScores.Count);
        Oracle.AssertMatches(log);
    }

    [Fact]
    public void Sequences_of_other_salts_find_nothing_of_each_other_and_have_the_same_bits()
    {
        EngineHarness harness = new();
        int[] prompt = EngineHarness.Prompt(200);
        SequenceLog[] first = [.. new[] { "", "mine", "yours" }.Select(salt => harness.Run(EngineHarness.Request(prompt, 9) with { CacheSalt = salt }))];
        Assert.All(first, log => Assert.Equal(0, log.CachedTokens));
        SequenceLog[] again = [.. new[] { "yours", "", "mine" }.Select(salt => harness.Run(EngineHarness.Request(prompt, 9) with { CacheSalt = salt }))];
        Assert.All(again, log => Assert.Equal(192, log.CachedTokens));
        Assert.All([.. first, .. again], Oracle.AssertMatches);

        // A longer prompt follows its own salt's pages to the end of what is there, and no further.
        var longer = harness.Run(EngineHarness.Request([.. prompt, .. EngineHarness.Prompt(100, 7)], 3) with { CacheSalt = "mine" });
        Assert.Equal(192, longer.CachedTokens);
        Assert.Equal(0, harness.Run(EngineHarness.Request(prompt, 3) with { CacheSalt = "min" }).CachedTokens);
    }

    [Fact]
    public void Without_a_prefix_cache_every_prompt_is_computed_to_the_same_bits()
    {
        int[] prompt = EngineHarness.Prompt(200);
        var shared = new EngineHarness().Run(EngineHarness.Request(prompt, 9));
        EngineHarness harness = new(new() { KvPages = 16, PrefixCaching = false });
        for (int i = 0; i < 2; i++)
        {
            var log = harness.Run(EngineHarness.Request(prompt, 9));
            Assert.Equal(0, log.CachedTokens);
            Assert.Equal(shared.TokenIds, log.TokenIds);
            Oracle.AssertMatches(log);
        }

        Assert.Equal((16, 0), (harness.Status.FreePages, harness.Status.CachedPages));
    }

    [Fact]
    public void Output_is_cached_as_prompt_is()
    {
        EngineHarness harness = new();
        var first = harness.Run(EngineHarness.Request(EngineHarness.Prompt(50), 100));
        var next = harness.Run(EngineHarness.Request([.. first.Request.PromptIds, .. first.TokenIds, 9, 9], 5));
        Assert.Equal(128, next.CachedTokens);
        Oracle.AssertMatches(next);
    }

    [Fact]
    public void Only_cached_prompt_tokens_are_counted_when_output_is_resumed()
    {
        EngineHarness harness = new();
        var first = harness.Run(EngineHarness.Request(EngineHarness.Prompt(70), 100));
        var resumed = harness.Run(first.Request with { Id = default, PriorOutputIds = first.TokenIds[..90] });
        Assert.Equal(70, resumed.CachedTokens);
        Assert.Equal(first.TokenIds[90..], resumed.TokenIds);
    }

    [Fact]
    public void Sequences_running_together_share_equal_pages()
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 64, PrefillChunkTokens = 512, MaxBatchTokens = 2000 });
        int[] prompt = EngineHarness.Prompt(257);
        SequenceLog[] logs = [.. Enumerable.Range(0, 6).Select(i => harness.Submit(EngineHarness.Request(prompt, 20, (ulong)i)))];
        harness.Step();
        Assert.Equal((1, 4, 64 - 4 - 1), (harness.Status.Running, harness.Status.CachedPages, harness.Status.FreePages));
        harness.Step();
        Assert.Equal((6, 4, 64 - 4 - 6), (harness.Status.Running, harness.Status.CachedPages, harness.Status.FreePages));
        var late = harness.Submit(EngineHarness.Request(prompt, 20));
        harness.RunToEnd();
        Assert.Equal(256, late.CachedTokens);
        Assert.All([.. logs, late], log => Oracle.AssertMatches(log));
    }

    [Fact]
    public void Prompts_that_part_inside_a_page_share_the_pages_before_it()
    {
        EngineHarness harness = new();
        int[] prompt = EngineHarness.Prompt(200);
        harness.Run(EngineHarness.Request(prompt, 3));
        for (int parting = 60; parting < 140; parting++)
        {
            int[] other = [.. prompt];
            other[parting] = prompt[parting] == 50 ? 51 : 50;
            var log = harness.Run(EngineHarness.Request(other, 3));
            Assert.Equal(parting / 64 * 64, log.CachedTokens);
            Oracle.AssertMatches(log);
            harness.Engine.RequestFlush();
            harness.Step();
            harness.Run(EngineHarness.Request(prompt, 3));
        }
    }

    [Fact]
    public void Equal_pages_after_different_prefixes_are_different_pages()
    {
        EngineHarness harness = new();
        int[] tail = EngineHarness.Prompt(100, salt: 9);
        harness.Run(EngineHarness.Request([.. EngineHarness.Prompt(64, 1), .. tail], 3));
        var other = harness.Run(EngineHarness.Request([.. EngineHarness.Prompt(64, 2), .. tail], 3));
        var bare = harness.Run(EngineHarness.Request(tail, 3));
        Assert.Equal((0, 0), (other.CachedTokens, bare.CachedTokens));
        Oracle.AssertMatches(other);
        Oracle.AssertMatches(bare);
    }

    [Fact]
    public void A_flush_drops_what_nobody_holds()
    {
        EngineHarness harness = new();
        harness.Run(EngineHarness.Request(EngineHarness.Prompt(200, 1), 3));
        var running = harness.Submit(EngineHarness.Request(EngineHarness.Prompt(200, 2), 50));
        harness.Step();
        Assert.Equal(6, harness.Status.CachedPages);
        harness.Engine.RequestFlush();
        harness.Step();
        Assert.Equal(3, harness.Status.CachedPages);
        Assert.Equal(0, harness.Run(EngineHarness.Request(EngineHarness.Prompt(200, 1), 3)).CachedTokens);
        Oracle.AssertMatches(running);
        harness.Engine.RequestFlush();
        harness.Step();
        Assert.Equal((64, 0), (harness.Status.FreePages, harness.Status.CachedPages));
    }

    [Fact]
    public void The_prefix_used_least_recently_is_evicted_first_and_from_its_end()
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 10 });
        int[] a = EngineHarness.Prompt(193, 1);
        int[] b = EngineHarness.Prompt(193, 2);
        harness.Run(EngineHarness.Request(a, 1));
        harness.Run(EngineHarness.Request(b, 1));
        harness.Run(EngineHarness.Request(a, 1));
        harness.Run(EngineHarness.Request(EngineHarness.Prompt(320, 3), 1));
        int CachedPages(int[] prompt)
        {
            harness.Engine.Prefixes.Match(prompt, prompt.Length / 64, out int pages, out _);
            return pages;
        }

        Assert.Equal((3, 2), (CachedPages(a), CachedPages(b)));
        harness.Run(EngineHarness.Request(EngineHarness.Prompt(192, 4), 1));
        Assert.Equal((2, 0), (CachedPages(a), CachedPages(b)));
    }

    [Fact]
    public void A_hit_is_decided_by_the_tokens_and_not_by_their_hash()
    {
        PrefixCache cache = new(8, _ => 42);
        int[][] contents = [EngineHarness.Prompt(64, 1), EngineHarness.Prompt(64, 2), EngineHarness.Prompt(64, 3)];
        PrefixNode[] nodes = [.. contents.Select((tokens, i) => cache.Extend(cache.Root, tokens, new PageId(i)))];
        Assert.All(nodes.Index(), n => Assert.Equal(n.Index, n.Item.Page.Value));
        Assert.All(contents.Index(), c => Assert.Same(nodes[c.Index], cache.Match(c.Item, 1, out _, out _)));
        Assert.Same(cache.Root, cache.Match(EngineHarness.Prompt(64, 4), 1, out int pages, out _));
        Assert.Equal(0, pages);
        cache.Release(nodes[1]);
        Assert.True(cache.TryEvictOldest(out var evicted));
        Assert.Equal(1, evicted.Value);
        Assert.Same(nodes[0], cache.Match(contents[0], 1, out _, out _));
        Assert.Same(cache.Root, cache.Match(contents[1], 1, out _, out _));
        Assert.Same(nodes[2], cache.Match(contents[2], 1, out _, out _));
    }
}
