using Grid.Engine.Tests.Harness;

namespace Grid.Engine.Tests;

/// <summary>Held sequences go on with the same bits, and weights are exchanged while nothing of the old ones is in use.</summary>
public class PauseTests
{
    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void Held_sequences_move_no_more_and_go_on_with_the_same_bits(bool ahead, bool retract)
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 64, MaxRunningSequences = 4 }, ahead: ahead);
        SequenceLog[] logs = [.. Enumerable.Range(1, 6).Select(i => harness.Submit(EngineHarness.Request(EngineHarness.Prompt(40 * i, i), 60)))];
        for (int i = 0; i < 20; i++)
        {
            harness.Step();
        }

        harness.Engine.Pause(retract);
        Assert.True(harness.Status.Paused);
        harness.Step();
        var comes = harness.Submit(EngineHarness.Request(EngineHarness.Prompt(30, 9), 20));
        var (steps, tokens) = (harness.Status.Steps, logs.Sum(log => log.Tokens.Count));
        for (int i = 0; i < 3; i++)
        {
            Assert.Empty(harness.Step());
        }

        Assert.Equal((steps, tokens), (harness.Status.Steps, logs.Sum(log => log.Tokens.Count)));
        Assert.Equal(retract ? (0, 7) : (4, 3), (harness.Status.Running, harness.Status.Waiting));
        if (retract)
        {
            harness.Engine.RequestFlush();
            harness.Step();
            Assert.Equal(64, harness.Status.FreePages);
        }

        harness.Cancel(logs[1]);
        harness.Step();
        Assert.Equal(FinishReason.Cancelled, logs[1].End!.Reason);
        harness.Engine.Continue();
        harness.RunToEnd();
        Assert.False(harness.Status.Paused);
        Oracle.AssertPrefix(logs[1]);
        Assert.All([.. logs[..1], .. logs[2..], comes], log => Oracle.AssertMatches(log));
    }

    [Fact]
    public async Task Who_waits_for_work_is_not_woken_by_what_is_held()
    {
        EngineHarness harness = new();
        harness.Submit(EngineHarness.Request(EngineHarness.Prompt(40), 60));
        harness.Step();
        harness.Engine.Pause(retract: false);
        harness.Step();
        using CancellationTokenSource end = new();
        var waiting = Task.Run(() => harness.Engine.WaitForWork(end.Token), TestContext.Current.CancellationToken);
        Assert.False(waiting.IsCompleted);
        harness.Engine.Continue();
        await waiting;
        harness.RunToEnd();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Weights_are_exchanged_while_the_device_does_nothing_and_no_page_of_the_old_ones_is_left(bool ahead)
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 64 }, ahead: ahead);
        var log = harness.Run(EngineHarness.Request(EngineHarness.Prompt(200), 20));
        Assert.True(harness.Status.CachedPages > 0);
        int underWay = -1, applied = 0;
        var done = harness.Engine.ExchangeWeightsAsync(() => (underWay, applied) = (harness.Operations.UnderWay, applied + 1));
        for (int i = 0; i < 2; i++)
        {
            Assert.Empty(harness.Step());
        }

        await done;
        Assert.Equal((0, 1), (underWay, applied));
        Assert.Equal((0, 64), (harness.Status.CachedPages, harness.Status.FreePages));
        Assert.Equal(0, harness.Run(log.Request with { Id = new SequenceId(Guid.NewGuid(), 0) }).CachedTokens);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Weights_are_not_exchanged_under_a_sequence(bool held)
    {
        EngineHarness harness = new(ahead: true);
        var log = harness.Submit(EngineHarness.Request(EngineHarness.Prompt(40), 60));
        for (int i = 0; i < 5; i++)
        {
            harness.Step();
        }

        if (held)
        {
            harness.Engine.Pause(retract: true);
        }

        var done = harness.Engine.ExchangeWeightsAsync(() => Assert.Fail("A sequence runs."));
        harness.Step();
        harness.Step();
        await Assert.ThrowsAsync<InvalidOperationException>(() => done);
        harness.Engine.Continue();
        harness.RunToEnd();
        Oracle.AssertMatches(log);
    }

    [Fact]
    public async Task Weights_that_are_of_neither_kind_break_the_engine()
    {
        EngineHarness harness = new();
        var done = harness.Engine.ExchangeWeightsAsync(() => throw new IOException("half of them"));
        Assert.Throws<IOException>(() => harness.Step());
        await Assert.ThrowsAsync<IOException>(() => done);
        Assert.Throws<InvalidOperationException>(() => harness.Step());
    }
}
