using Grid.Engine.Tests.Fakes;
using Grid.Engine.Tests.Harness;
using Grid.Numerics;

namespace Grid.Engine.Tests;

public class EndingTests
{
    /// <summary>Makes the first draw a given token.</summary>
    private static SequenceRequest Drawing(int token) => EngineHarness.Request([9, 10], 8) with
    {
        Sampling = new SamplingParameters { LogitBias = [new LogitBias(token, 100f)] },
        IgnoreEndTokens = false,
    };

    [Fact]
    public void An_end_token_ends_the_sequence_and_is_reported()
    {
        var log = new EngineHarness().Run(Drawing(5));
        Assert.Equal([5], log.TokenIds);
        Assert.Equal((FinishReason.Stop, 5), (log.End!.Reason, log.End.StopTokenId));
        Assert.Null(log.End.Error);
    }

    [Fact]
    public void A_stop_id_ends_the_sequence()
    {
        var log = new EngineHarness().Run(Drawing(40) with { StopTokenIds = [77, 40, 40, 12] });
        Assert.Equal([40], log.TokenIds);
        Assert.Equal((FinishReason.Stop, 40), (log.End!.Reason, log.End.StopTokenId));
    }

    [Fact]
    public void Ignored_end_tokens_do_not_end_but_stop_ids_do()
    {
        var log = new EngineHarness().Run(Drawing(5) with { IgnoreEndTokens = true });
        Assert.Equal(Enumerable.Repeat(5, 8), log.TokenIds);
        Assert.Equal((FinishReason.Length, null), (log.End!.Reason, log.End.StopTokenId));
        log = new EngineHarness().Run(Drawing(5) with { IgnoreEndTokens = true, StopTokenIds = [5] });
        Assert.Equal([5], log.TokenIds);
    }

    [Fact]
    public void Min_new_tokens_bans_end_tokens_and_stop_ids_until_then()
    {
        var log = new EngineHarness().Run(Drawing(5) with { MinNewTokens = 3 });
        Assert.Equal(4, log.Tokens.Count);
        Assert.DoesNotContain(5, log.TokenIds[..3]);
        Assert.DoesNotContain(3, log.TokenIds[..3]);
        Assert.Equal(5, log.TokenIds[3]);
        log = new EngineHarness().Run(Drawing(40) with { MinNewTokens = 2, StopTokenIds = [40] });
        Assert.DoesNotContain(40, log.TokenIds[..2]);
        Assert.Equal(40, log.TokenIds[2]);
        Oracle.AssertMatches(log);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(64)]
    [InlineData(65)]
    public void Max_new_tokens_ends_by_length(int count)
    {
        var log = new EngineHarness().Run(EngineHarness.Request([9, 10], count));
        Assert.Equal(count, log.Tokens.Count);
        Oracle.AssertMatches(log);
    }

    [Theory]
    [InlineData(190)]
    [InlineData(199)]
    public void The_last_position_ends_by_length_however_many_tokens_were_asked_for(int promptLength)
    {
        EngineHarness harness = new(maxPositions: 200);
        var log = harness.Run(EngineHarness.Request(EngineHarness.Prompt(promptLength), int.MaxValue));
        Assert.Equal((200 - promptLength, FinishReason.Length), (log.Tokens.Count, log.End!.Reason));
        Oracle.AssertMatches(log, 200);
    }

    [Fact]
    public void Prior_output_counts_as_output_and_is_not_reported_again()
    {
        var whole = EngineHarness.Request(EngineHarness.Prompt(70), 100, seed: 4) with
        {
            Sampling = new SamplingParameters { Seed = 4, FrequencyPenalty = 1.5f, RepetitionPenalty = 1.3f, PresencePenalty = 1f },
            IgnoreEndTokens = false,
            MinNewTokens = 60,
            TopLogprobs = 3,
        };
        var undisturbed = new EngineHarness().Run(whole);
        foreach (int prior in new[] { 1, 57, 58, 59 })
        {
            var resumed = new EngineHarness().Run(whole with { PriorOutputIds = undisturbed.TokenIds[..prior] });
            Assert.Equal(undisturbed.TokenIds[prior..], resumed.TokenIds);
            Assert.Equal(undisturbed.Tokens.Skip(prior).Select(t => t.Logprob), resumed.Tokens.Select(t => t.Logprob));
            Assert.Equal(undisturbed.End!.Reason, resumed.End!.Reason);
        }
    }

    [Fact]
    public void Cancelling_ends_a_waiting_or_a_running_sequence_and_returns_its_pages()
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 8, MaxRunningSequences = 2, PrefillChunkTokens = 32 });
        var prefilling = harness.Submit(EngineHarness.Request(EngineHarness.Prompt(200), 20));
        var decoding = harness.Submit(EngineHarness.Request([9], 20));
        var waiting = harness.Submit(EngineHarness.Request([10], 20));
        harness.Step();
        harness.Step();
        var unseen = harness.Submit(EngineHarness.Request([11], 20));
        foreach (var log in new[] { prefilling, decoding, waiting, unseen })
        {
            harness.Cancel(log);
            harness.Cancel(log);
        }

        harness.Engine.Cancel(new SequenceId(Guid.NewGuid(), 3));
        harness.Step();
        Assert.All([prefilling, decoding, waiting, unseen], log => Assert.Equal(FinishReason.Cancelled, log.End!.Reason));
        Assert.Null(waiting.CachedTokens);
        Assert.Equal((0, 0, 8), (harness.Status.Running, harness.Status.Waiting, harness.Status.FreePages + harness.Status.CachedPages));
        Assert.Empty(harness.Step());
        harness.Engine.RequestFlush();
        harness.Step();
        Assert.Equal((8, 0), (harness.Status.FreePages, harness.Status.CachedPages));
    }

    [Fact]
    public void Overflow_fails_its_own_sequence_and_never_reaches_the_next_owner_of_its_pages()
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 4 });
        var neighbour = harness.Submit(EngineHarness.Request([9, 10], 60));
        int[] poisoned = EngineHarness.Prompt(100);
        poisoned[70] = FakeMath.PoisonToken;
        var log = harness.Submit(EngineHarness.Request(poisoned, 20));
        harness.RunToEnd();
        Assert.Equal((FinishReason.Failed, null), (log.End!.Reason, log.End.StopTokenId));
        Assert.Equal("The logits after position 99 are not finite.", log.End.Error);
        Assert.Empty(log.Tokens);
        Oracle.AssertMatches(neighbour);
        // The fake model throws when a page comes back with anything but zeros in its unused slots.
        Oracle.AssertMatches(harness.Run(EngineHarness.Request(EngineHarness.Prompt(180, salt: 3), 60)));
    }

    [Fact]
    public void What_a_failed_sequence_computed_leaves_the_cache()
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 8, PrefillChunkTokens = 64 });
        int[] poisoned = EngineHarness.Prompt(200);
        poisoned[3] = FakeMath.PoisonToken;
        harness.Run(EngineHarness.Request(poisoned, 20));
        Assert.Equal((8, 0), (harness.Status.FreePages, harness.Status.CachedPages));
    }

    [Fact]
    public void A_step_that_fails_breaks_the_engine_loudly()
    {
        EngineHarness harness = new();
        harness.Submit(EngineHarness.Request([9, 10], 20));
        harness.Model.Failure = new IOException("the device fell off the bus");
        Assert.Throws<IOException>(() => harness.Engine.Step());
        harness.Model.Failure = null;
        Assert.Throws<InvalidOperationException>(() => harness.Engine.Step());
        Assert.Throws<InvalidOperationException>(() => harness.Engine.TrySubmit(EngineHarness.Request([9, 10], 20)));
    }
}
