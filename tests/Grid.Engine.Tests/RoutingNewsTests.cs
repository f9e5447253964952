using Grid.Engine.PrefixCaching;
using Grid.Engine.Tests.Harness;

namespace Grid.Engine.Tests;

/// <summary>What an engine says so that others may send it what it does best.</summary>
public class RoutingNewsTests
{
    [Fact]
    public void An_observer_knows_every_cached_page_with_the_tokens_before_it()
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 12, MaxRunningSequences = 4, PrefillChunkTokens = 100 });
        Observer observer = new();
        harness.Engine.Observe(observer);
        Random random = new(3);
        int[][] beginnings = [EngineHarness.Prompt(130, 1), EngineHarness.Prompt(200, 2), EngineHarness.Prompt(64, 3)];
        for (int step = 0; step < 800; step++)
        {
            if (step % 9 == 0 && harness.Status.Waiting < 5)
            {
                int[] beginning = beginnings[random.Next(3)];
                int[] prompt = [.. beginning[..random.Next(1, beginning.Length)], .. EngineHarness.Prompt(random.Next(1, 90), random.Next(5))];
                harness.Submit(EngineHarness.Request(prompt, 1 + random.Next(100)));
            }

            if (step % 100 == 99)
            {
                harness.Engine.RequestFlush();
            }

            harness.Step();
            Assert.Equal(harness.Engine.Prefixes.Nodes.Select(Spell).Order(), observer.Cached.Values.Order());
        }

        Assert.True(observer.Removals > 50);
    }

    [Fact]
    public void Tokens_that_wait_for_prefill_are_counted_without_those_that_are_cached()
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 40, MaxRunningSequences = 1, PrefillChunkTokens = 50, MaxBatchTokens = 50 });
        int[] prompt = EngineHarness.Prompt(200, 7);
        Submit();
        harness.RunToEnd(); // 200 tokens computed, three pages cached.
        Assert.Equal(0, harness.Status.QueuedTokens);
        Submit();
        harness.Submit(EngineHarness.Request(EngineHarness.Prompt(120, 8), 5));
        Submit();
        harness.Step(); // The first is admitted with 192 cached tokens and computes the other eight.
        Assert.Equal(120 + 8, harness.Status.QueuedTokens);
        while (harness.Status.Waiting == 2)
        {
            harness.Step();
        }

        Assert.Equal(120 - 50 - 1 + 8, harness.Status.QueuedTokens); // One chunk of the second is done; its last row draws.
        harness.RunToEnd();
        Assert.Equal(0, harness.Status.QueuedTokens);

        void Submit() => harness.Submit(EngineHarness.Request(prompt, 5));
    }

    private static string Spell(PrefixNode node) =>
        node.Parent is { } parent ? $"{Spell(parent)} {string.Join(' ', node.Tokens)}" : "";

    private sealed class Observer : IPrefixCacheObserver
    {
        public Dictionary<int, string> Cached { get; } = [];

        public int Removals { get; private set; }

        public void Added(int page, int parent, ReadOnlySpan<int> tokens, string salt) =>
            Cached.Add(page, $"{(parent < 0 ? "" : Cached[parent])} {string.Join(' ', tokens.ToArray())}");

        public void Removed(int page)
        {
            Removals++;
            Assert.True(Cached.Remove(page));
        }
    }
}
