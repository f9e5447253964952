using Grid.Engine.Tests.Harness;

namespace Grid.Engine.Tests;

public class ThreadTests
{
    [Fact]
    public async Task Any_thread_may_submit_cancel_flush_and_look_while_one_steps()
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 20, MaxWaitingSequences = 10_000 });
        SequenceRequest[][] requests =
        [
            .. Enumerable.Range(0, 4).Select(t => Enumerable.Range(0, 60).Select(i => EngineHarness.Request(
                EngineHarness.Prompt(1 + ((i * 17) % 150), i % 7), 5 + (i % 20), (ulong)i) with { Id = new SequenceId(new Guid(t + 1, 0, 0, new byte[8]), i) }).ToArray()),
        ];
        var logs = requests.SelectMany(r => r).ToDictionary(r => r.Id, r => new SequenceLog(r));
        Task[] callers =
        [
            .. requests.Select(mine => Task.Run(() =>
            {
                foreach (var request in mine)
                {
                    Assert.True(harness.Engine.TrySubmit(request));
                    Assert.InRange(harness.Engine.Status.FreePages, 0, 20);
                    if (request.Id.Epoch % 9 == 0)
                    {
                        harness.Engine.Cancel(request.Id);
                        harness.Engine.RequestFlush();
                    }
                }
            })),
        ];
        var all = Task.WhenAll(callers);
        while (!all.IsCompleted || harness.Status.Running + harness.Status.Waiting > 0)
        {
            foreach (var engineEvent in harness.Engine.Step())
            {
                logs[engineEvent.Id].Add(engineEvent);
            }

            PageAudit.Check(harness.Engine);
        }

        await all;
        foreach (var log in logs.Values)
        {
            if (log.End!.Reason == FinishReason.Cancelled)
            {
                Assert.Equal(0, log.Request.Id.Epoch % 9);
                Oracle.AssertPrefix(log);
            }
            else
            {
                Oracle.AssertMatches(log);
            }
        }
    }

    [Fact]
    public async Task Waiting_ends_with_work_or_with_the_token()
    {
        EngineHarness harness = new();
        using CancellationTokenSource source = new();
        var waiting = Task.Run(() => harness.Engine.WaitForWork(source.Token), TestContext.Current.CancellationToken);
        var log = harness.Submit(EngineHarness.Request([9], 2));
        await waiting;
        harness.Step();
        harness.Engine.WaitForWork(source.Token);
        harness.RunToEnd();
        Oracle.AssertMatches(log);
        waiting = Task.Run(() => harness.Engine.WaitForWork(source.Token), TestContext.Current.CancellationToken);
        Assert.False(waiting.IsCompleted);
        await source.CancelAsync();
        await waiting;
        harness.Engine.WaitForWork(source.Token);
        harness.Engine.RequestFlush();
        harness.Engine.WaitForWork(CancellationToken.None);
        Assert.Empty(harness.Step());
    }
}
