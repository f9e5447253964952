using Grid.Engine.Tests.Harness;

namespace Grid.Engine.Tests;

/// <summary>On a device that runs ahead, the next step is given to it before the tokens of the last are known.</summary>
public class AheadTests
{
    [Fact]
    public void Decoding_sequences_run_ahead_in_all_steps_but_the_first_and_give_what_they_give_alone()
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 64, MaxBatchTokens = 1024 }, ahead: true);
        SequenceLog[] logs = [.. Enumerable.Range(1, 9).Select(i => harness.Submit(EngineHarness.Request(EngineHarness.Prompt(20 * i, i), 100)))];
        harness.RunToEnd();
        Assert.All(logs, Oracle.AssertMatches);
        Assert.Equal((100, 99), ((int)harness.Status.Steps, harness.Operations.StepsAhead));
        // The fake device says 5 ms a step and 1 ms before each, and nobody waits for it before the first.
        Assert.Equal((500, 99), (harness.Status.DeviceBusy!.Value.TotalMilliseconds, harness.Status.DeviceIdle!.Value.TotalMilliseconds));
    }

    [Fact]
    public void Who_ends_with_a_token_has_one_row_for_nothing_and_its_pages_are_whole_again()
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 8 }, ahead: true);
        var first = harness.Run(EngineHarness.Request(EngineHarness.Prompt(63), 40));
        int stop = first.TokenIds[20];
        int length = Array.IndexOf([.. first.TokenIds], stop) + 1;
        long before = harness.Status.Steps;
        var log = harness.Submit(EngineHarness.Request(EngineHarness.Prompt(63), 40) with { StopTokenIds = [stop] });
        harness.RunToEnd();
        Assert.Equal((FinishReason.Stop, stop), (log.End!.Reason, log.End.StopTokenId));
        Oracle.AssertMatches(log);
        Assert.Equal(before + length + 1, harness.Status.Steps);
        Assert.Empty(harness.Step()); // The row for nothing.
        Assert.Equal(8, harness.Status.FreePages + harness.Status.CachedPages);
        // The fake model throws when a page comes back with anything but zeros in its unused slots.
        Oracle.AssertMatches(harness.Run(EngineHarness.Request(EngineHarness.Prompt(400, salt: 3), 60)));
    }

    [Fact]
    public void A_pause_before_a_prompt_of_several_chunks_is_no_idle_time_of_the_device()
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 16, PrefillChunkTokens = 64 }, ahead: true);
        harness.Run(EngineHarness.Request(EngineHarness.Prompt(200, 1), 1));
        harness.Step(); // Nothing to do.
        harness.Run(EngineHarness.Request(EngineHarness.Prompt(200, 2), 1));
        Assert.Equal((10, 0), (harness.Status.DeviceBusy!.Value.TotalMilliseconds, harness.Status.DeviceIdle!.Value.TotalMilliseconds));
    }

    [Fact]
    public void Who_is_cancelled_while_the_device_is_ahead_ends_once_and_disturbs_nobody()
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 16 }, ahead: true);
        var stays = harness.Submit(EngineHarness.Request(EngineHarness.Prompt(30, 1), 120));
        var goes = harness.Submit(EngineHarness.Request(EngineHarness.Prompt(70, 2), 120));
        for (int i = 0; i < 9; i++)
        {
            harness.Step();
        }

        harness.Cancel(goes);
        harness.Step();
        Assert.Equal((FinishReason.Cancelled, 9), (goes.End!.Reason, goes.Tokens.Count));
        var comes = harness.Submit(EngineHarness.Request(EngineHarness.Prompt(70, 3), 50));
        harness.RunToEnd();
        Oracle.AssertPrefix(goes);
        Oracle.AssertMatches(stays);
        Oracle.AssertMatches(comes);
    }

    [Fact]
    public void Penalties_wait_for_the_token_before()
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 16 }, ahead: true);
        var penalised = EngineHarness.Request(EngineHarness.Prompt(30, 1), 50);
        var log = harness.Submit(penalised with { Sampling = penalised.Sampling with { PresencePenalty = 1 } });
        var other = harness.Submit(EngineHarness.Request(EngineHarness.Prompt(30, 2), 80));
        harness.RunToEnd();
        Oracle.AssertMatches(log);
        Oracle.AssertMatches(other);
        Assert.Equal(29, harness.Operations.StepsAhead); // Of the 80 those in which the other is alone.
    }
}
