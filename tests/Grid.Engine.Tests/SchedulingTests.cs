using Grid.Engine.Tests.Harness;

namespace Grid.Engine.Tests;

public class SchedulingTests
{
    [Fact]
    public void Every_chunk_size_gives_the_same_tokens()
    {
        int[] prompt = EngineHarness.Prompt(130);
        for (int chunk = 1; chunk <= 131; chunk++)
        {
            EngineHarness harness = new(new EngineOptions { KvPages = 8, PrefillChunkTokens = chunk, MaxBatchTokens = 131 });
            Oracle.AssertMatches(harness.Run(EngineHarness.Request(prompt, 4) with { PromptLogprobsFrom = 0 }));
            int steps = (130 + chunk - 1) / chunk;
            Assert.All(harness.Model.Passes.Take(steps - 1), pass => Assert.Equal(chunk, pass[0].Rows));
            Assert.Equal(steps + 3, harness.Model.Passes.Count);
        }
    }

    [Fact]
    public void A_long_prefill_holds_no_decode_up()
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 64, PrefillChunkTokens = 16, MaxBatchTokens = 20 });
        SequenceLog[] decoding = [.. Enumerable.Range(0, 3).Select(i => harness.Submit(EngineHarness.Request([9, 10 + i], 40)))];
        harness.Step();
        var prefilling = harness.Submit(EngineHarness.Request(EngineHarness.Prompt(400), 5));
        for (int step = 0; step < 20; step++)
        {
            int[] before = [.. decoding.Select(d => d.Tokens.Count)];
            harness.Step();
            Assert.Equal(before.Select(b => b + 1), decoding.Select(d => d.Tokens.Count));
            Assert.Empty(prefilling.Tokens);
            Assert.Equal([1, 1, 1, 16], harness.Model.Passes[^1].Select(s => s.Rows));
        }

        harness.RunToEnd();
        Assert.All([.. decoding, prefilling], log => Oracle.AssertMatches(log));
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 2)]
    [InlineData(5, 3)]
    [InlineData(64, 64)]
    public void No_pass_is_larger_than_the_batch_and_every_sequence_advances(int batch, int chunk)
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 64, MaxBatchTokens = batch, PrefillChunkTokens = chunk });
        SequenceLog[] logs = [.. Enumerable.Range(0, 9).Select(i => harness.Submit(EngineHarness.Request(EngineHarness.Prompt(1 + (i * 13), i), 6)))];
        harness.RunToEnd();
        Assert.All(logs, log => Oracle.AssertMatches(log));
        Assert.All(harness.Model.Passes, pass => Assert.InRange(pass.Sum(s => s.Rows), 1, batch));
    }

    [Fact]
    public void No_more_sequences_run_than_allowed()
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 64, MaxRunningSequences = 3 });
        SequenceLog[] logs = [.. Enumerable.Range(0, 9).Select(i => harness.Submit(EngineHarness.Request(EngineHarness.Prompt(5, i), 6 + i)))];
        while (harness.Status.Running + harness.Status.Waiting > 0)
        {
            harness.Step();
            Assert.InRange(harness.Status.Running, 0, 3);
        }

        Assert.All(logs, log => Oracle.AssertMatches(log));
    }

    /// <summary>Once where there is no slot for all, once where there are no pages.</summary>
    [Theory]
    [InlineData(4, 64)]
    [InlineData(64, 8)]
    public void A_sequence_of_a_lower_rank_has_the_place_of_one_of_the_highest_which_goes_on_later(int running, int pages)
    {
        EngineHarness harness = new(new EngineOptions { KvPages = pages, MaxRunningSequences = running, MaxWaitingSequences = 4 });
        SequenceLog[] many = [.. Enumerable.Range(0, 8).Select(i => harness.Submit(
            EngineHarness.Request(EngineHarness.Prompt(64, i), 80, (ulong)i) with { Rank = i }))];
        for (int step = 0; step < 10; step++)
        {
            harness.Step();
        }

        Assert.True(harness.Status.Running < 8);
        Assert.InRange(harness.Status.DisplacedRank, 1, 7);
        var refused = EngineHarness.Request([9], 3) with { Id = new SequenceId(Guid.NewGuid(), 0), Rank = 7 };
        Assert.Equal(harness.Status.Room > 0, harness.Engine.TrySubmit(refused));
        harness.Engine.Cancel(refused.Id);
        SequenceLog[] others = [.. Enumerable.Range(0, 2).Select(i => harness.Submit(EngineHarness.Request(EngineHarness.Prompt(64, 10 + i), 20) with { Rank = i }))];
        while (others.Any(log => log.End is null))
        {
            Assert.All(many, log => Assert.Null(log.End)); // Those had 70 tokens to go, and these have 20.
            harness.Step();
        }

        harness.RunToEnd();
        Assert.All([.. many, .. others], log => Oracle.AssertMatches(log));
    }

    [Fact]
    public void Whoever_has_waited_long_enough_is_not_passed_by_any_more()
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 64, MaxRunningSequences = 1, MaxWaitingSequences = 4 });
        var waits = harness.Submit(EngineHarness.Request(EngineHarness.Prompt(5), 300) with { Rank = 5 });
        harness.Step();
        List<SequenceLog> newcomers = [];
        while (waits.End is null)
        {
            Assert.InRange(newcomers.Count, 0, 200);
            if (newcomers.Count == 0 || newcomers[^1].End is not null)
            {
                newcomers.Add(harness.Submit(EngineHarness.Request([9, 10 + (newcomers.Count % 50)], 6) with { Rank = 0 }));
            }

            harness.Step();
        }

        harness.RunToEnd();
        Assert.All([waits, .. newcomers], log => Oracle.AssertMatches(log));
    }

    [Fact]
    public void Logits_are_held_in_bounded_groups()
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 64, MaxLogitRows = 7 });
        SequenceLog[] logs =
        [
            .. Enumerable.Range(0, 10).Select(i => harness.Submit(
                EngineHarness.Request(EngineHarness.Prompt(40, i), 6, (ulong)i) with { PromptLogprobsFrom = i * 4, TopLogprobs = i })),
        ];
        harness.RunToEnd();
        Assert.Equal(7, harness.Operations.LargestGroup);
        Assert.All(logs, log => Oracle.AssertMatches(log));
    }

    [Fact]
    public void The_same_submissions_make_the_same_passes()
    {
        List<(int, int)[]> Passes()
        {
            EngineHarness harness = new(new EngineOptions { KvPages = 10, MaxBatchTokens = 100, PrefillChunkTokens = 30 });
            for (int i = 0; i < 20; i++)
            {
                harness.Submit(EngineHarness.Request(EngineHarness.Prompt(20 + (i * 7), i % 3), 30 + i));
                harness.Step();
            }

            harness.RunToEnd();
            Assert.True(harness.Status.Preemptions > 0);
            return harness.Model.Passes;
        }

        Assert.Equal(Passes(), Passes());
    }

    [Fact]
    public void When_pages_run_out_the_newest_sequence_is_recomputed_without_repeating_itself()
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 5 });
        var oldest = harness.Submit(EngineHarness.Request(EngineHarness.Prompt(60, 1), 130));
        var newest = harness.Submit(EngineHarness.Request(EngineHarness.Prompt(60, 2), 130) with
        {
            Sampling = new() { Seed = 3, FrequencyPenalty = 1f },
            PromptLogprobsFrom = 0,
        });
        int stalled = 0;
        while (harness.Status.Running + harness.Status.Waiting > 0)
        {
            int before = oldest.Tokens.Count;
            harness.Step();
            stalled += oldest.End is null && oldest.Tokens.Count == before ? 1 : 0;
        }

        Assert.True(harness.Status.Preemptions > 0);
        Assert.Equal(0, stalled);
        Oracle.AssertMatches(oldest);
        Oracle.AssertMatches(newest);
    }

    [Fact]
    public void A_preempted_sequence_goes_before_those_who_wait()
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 5 });
        var oldest = harness.Submit(EngineHarness.Request(EngineHarness.Prompt(60, 1), 130));
        var preempted = harness.Submit(EngineHarness.Request(EngineHarness.Prompt(60, 2), 130));
        var waiting = harness.Submit(EngineHarness.Request(EngineHarness.Prompt(250, 3), 5));
        while (oldest.End is null)
        {
            harness.Step();
            Assert.Null(waiting.CachedTokens);
        }

        Assert.True(harness.Status.Preemptions > 0);
        harness.RunToEnd();
        Assert.All([oldest, preempted, waiting], log => Oracle.AssertMatches(log));
    }

    [Fact]
    public void Prompt_logprobs_go_on_after_a_preemption_in_the_middle_of_the_prompt()
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 6, PrefillChunkTokens = 1 });
        var oldest = harness.Submit(EngineHarness.Request(EngineHarness.Prompt(3, 1), 220));
        var scored = harness.Submit(EngineHarness.Request(EngineHarness.Prompt(230, 2), 5) with { PromptLogprobsFrom = 3, TopLogprobs = 2 });
        while (harness.Status.Preemptions == 0)
        {
            harness.Step();
        }

        Assert.InRange(scored.PromptScores.Count, 100, 220);
        harness.RunToEnd();
        Assert.All([oldest, scored], log => Oracle.AssertMatches(log));
    }

    /// <summary>They would only be computed twice.</summary>
    [Fact]
    public void However_long_they_wait_one_clients_sequences_do_not_displace_each_other()
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 64, MaxRunningSequences = 3 });
        for (int i = 0; i < 6; i++)
        {
            harness.Submit(EngineHarness.Request(EngineHarness.Prompt(5, i), 200) with { Rank = i });
        }

        harness.RunToEnd();
        Assert.Equal(0, harness.Status.Preemptions);
    }
}
