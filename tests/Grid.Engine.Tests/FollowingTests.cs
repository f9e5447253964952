using Grid.Engine.Tests.Harness;

namespace Grid.Engine.Tests;

/// <summary>What a running sequence is about to compute, no other computes.</summary>
public class FollowingTests
{
    private static readonly EngineOptions s_roomy = new() { KvPages = 200, MaxBatchTokens = 4096, PrefillChunkTokens = 512, MaxRunningSequences = 64 };

    /// <summary>Full pages before a prompt's last token are computed once, the rest by each.</summary>
    [Theory]
    [InlineData(2, 64, 0)]
    [InlineData(2, 65, 64)]
    [InlineData(3, 129, 128)]
    [InlineData(16, 512, 448)]
    [InlineData(17, 513, 512)]
    [InlineData(40, 1000, 960)]
    public void Samples_of_a_prompt_that_come_together_compute_its_pages_once(int samples, int length, int shared)
    {
        EngineHarness harness = new(s_roomy, maxPositions: 2048);
        int[] prompt = EngineHarness.Prompt(length);
        SequenceLog[] logs = [.. Enumerable.Range(0, samples).Select(i => harness.Submit(EngineHarness.Request(prompt, 3, (ulong)i)))];
        harness.RunToEnd();
        Assert.Equal(shared + (samples * (length - shared)), PromptRows(harness, samples * 2));
        Assert.Equal(0, logs[0].CachedTokens);
        Assert.All(logs[1..], log => Assert.Equal(shared, log.CachedTokens));
        Assert.All(logs, log => Oracle.AssertMatches(log, 2048));
    }

    [Fact]
    public void Short_questions_behind_one_long_document_wait_for_the_document_and_for_nothing_else()
    {
        EngineHarness harness = new(s_roomy with { PrefillChunkTokens = 100 });
        int[] document = EngineHarness.Prompt(640);
        SequenceLog[] logs = [.. Enumerable.Range(0, 5).Select(i => harness.Submit(EngineHarness.Request([.. document, .. EngineHarness.Prompt(90, i + 1)], 3)))];
        var other = harness.Submit(EngineHarness.Request(EngineHarness.Prompt(70, 9), 3));
        harness.Step();
        Assert.Equal((2, 4), (harness.Status.Running, harness.Status.Waiting));
        for (int step = 1; step < 7; step++)
        {
            harness.Step();
            Assert.Equal(4, harness.Status.Waiting);
        }

        // The document is there after 700 tokens, the first question is not.
        harness.Step();
        Assert.Equal((5, 0), (harness.Status.Running, harness.Status.Waiting));
        harness.RunToEnd();
        Assert.Equal(640 + (5 * 90) + 70, PromptRows(harness, 6 * 2));
        Assert.All([.. logs, other], log => Oracle.AssertMatches(log));
    }

    [Fact]
    public void Sequences_of_other_salts_and_those_of_a_grid_without_a_prefix_cache_wait_for_nobody()
    {
        foreach (bool caching in new[] { true, false })
        {
            EngineHarness harness = new(s_roomy with { PrefixCaching = caching });
            int[] prompt = EngineHarness.Prompt(200);
            string[] salts = caching ? ["", "mine", "yours"] : ["", "", ""];
            SequenceLog[] logs = [.. salts.Select(salt => harness.Submit(EngineHarness.Request(prompt, 3) with { CacheSalt = salt }))];
            harness.Step();
            Assert.Equal((3, 0), (harness.Status.Running, harness.Status.Waiting));
            harness.RunToEnd();
            Assert.All(logs, log => Assert.Equal(0, log.CachedTokens));
            Assert.All(logs, log => Oracle.AssertMatches(log));
        }
    }

    /// <summary>One that computes is cancelled, fails or is preempted in the middle of what others wait for: the next one takes over.</summary>
    [Theory]
    [InlineData("cancelled")]
    [InlineData("failed")]
    [InlineData("preempted")]
    public void Nobody_waits_for_a_sequence_that_no_longer_runs(string way)
    {
        EngineHarness harness = new(s_roomy with { PrefillChunkTokens = 64, KvPages = way == "preempted" ? 12 : 200, MaxRunningSequences = 3 });
        int[] prompt = EngineHarness.Prompt(400);
        int[] first = [.. prompt];
        if (way == "failed")
        {
            first[150] = Fakes.FakeMath.PoisonToken;
        }

        var request = EngineHarness.Request(first, 3) with { Rank = 5, PromptLogprobsFrom = way == "failed" ? 130 : null };
        var leader = harness.Submit(request);
        SequenceLog[] followers = [.. Enumerable.Range(0, 3).Select(i => harness.Submit(EngineHarness.Request(prompt, 3, (ulong)i) with { Rank = 5 }))];
        harness.Step();
        harness.Step();
        Assert.Equal((1, 3), (harness.Status.Running, harness.Status.Waiting));
        SequenceLog? urgent = null;
        if (way == "cancelled")
        {
            harness.Cancel(leader);
        }
        else if (way == "preempted")
        {
            urgent = harness.Submit(EngineHarness.Request(EngineHarness.Prompt(600, 3), 2) with { Rank = 0 });
        }

        harness.RunToEnd();
        Assert.Equal(way == "preempted", harness.Status.Preemptions > 0);
        Assert.All(urgent is null ? followers : [.. followers, leader, urgent], log => Oracle.AssertMatches(log));
        Assert.Equal(way switch { "cancelled" => FinishReason.Cancelled, "failed" => FinishReason.Failed, _ => FinishReason.Length }, leader.End!.Reason);
    }

    [Fact]
    public void Nobody_waits_for_one_of_a_higher_rank_nor_takes_a_place_while_it_waits()
    {
        EngineHarness harness = new(s_roomy with { PrefillChunkTokens = 64, MaxRunningSequences = 2 });
        int[] prompt = EngineHarness.Prompt(400);
        var later = harness.Submit(EngineHarness.Request(prompt, 3) with { Rank = 9 });
        harness.Step();
        var urgent = harness.Submit(EngineHarness.Request(prompt, 3, 2));
        harness.Step();
        Assert.Equal((2, 0), (harness.Status.Running, harness.Status.Waiting));

        // It follows the urgent one, and nothing is preempted for its sake while it does.
        var follower = harness.Submit(EngineHarness.Request(prompt, 3, 3) with { Rank = 1 });
        harness.Step();
        Assert.Equal((2, 1, 0L), (harness.Status.Running, harness.Status.Waiting, harness.Status.Preemptions));
        harness.RunToEnd();
        Assert.All([later, urgent, follower], log => Oracle.AssertMatches(log));
        Assert.Equal(384, follower.CachedTokens);
    }

    /// <summary>All rows but those of a decode step each of the tokens after the first.</summary>
    private static int PromptRows(EngineHarness harness, int decoded) => harness.Model.Passes.Sum(pass => pass.Sum(slice => slice.Rows)) - decoded;
}
