using System.Collections.Concurrent;
using System.Diagnostics;
using Grid.Grains.Tests.Support;

namespace Grid.Grains.Tests;

/// <summary>A sequence's way through the grid is one trace.</summary>
public sealed class TracingTests
{
    [Fact]
    public async Task One_trace_follows_a_sequence_to_its_worker_and_over_that_ones_loss_to_the_next()
    {
        var caller = new ActivityContext(ActivityTraceId.CreateRandom(), ActivitySpanId.CreateRandom(), ActivityTraceFlags.Recorded);
        var spans = new ConcurrentQueue<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == Tracing.SourceName,
            Sample = (ref ActivityCreationOptions<ActivityContext> options) => options.Parent.TraceId == caller.TraceId ? ActivitySamplingResult.AllDataAndRecorded : ActivitySamplingResult.None,
            ActivityStopped = spans.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);

        await using var grid = await TestGrid.StartAsync(2, i => new ScriptedEngine { HeldBack = i == 1 });
        grid.Engines[0].MaxWaiting = 0;
        await using (var sequence = await grid.Sequences().StartAsync(
            Answer.Spec([9, 9], 40) with { Trace = $"00-{caller.TraceId}-{caller.SpanId}-01" }, default))
        {
            grid.Engines[0].MaxWaiting = int.MaxValue;
            grid.Engines[1].Allow(7);
            using var patience = new CancellationTokenSource(TestGrid.Patience);
            bool isLost = false;
            await foreach (var update in sequence.ReadUpdatesAsync(patience.Token))
            {
                if (!isLost && update.Tokens.Length > 0)
                {
                    isLost = true;
                    await grid.KillAsync(1);
                }
            }
        }

        Assert.All(spans, span => Assert.Equal(caller.TraceId, span.TraceId));
        var whole = Assert.Single(spans, span => span.OperationName == "sequence");
        Assert.Equal((caller.SpanId, 40), (whole.ParentSpanId, whole.GetTagItem("grid.output_tokens")));
        var attempts = spans.Where(span => span.OperationName == "attempt").ToArray();
        Assert.All(attempts, attempt => Assert.Equal(whole.SpanId, attempt.ParentSpanId));
        Assert.Single(attempts, attempt => (string?)attempt.GetTagItem("error.type") == "worker_lost");
        var last = attempts.MaxBy(attempt => (int)attempt.GetTagItem("grid.sequence.epoch")!)!;
        Assert.Equal(ActivityStatusCode.Unset, last.Status);
        var execution = Assert.Single(spans, span => span.OperationName == "execute" && span.ParentSpanId == last.SpanId);
        Assert.Equal("length", execution.GetTagItem("grid.finish_reason"));
        Assert.True((int)execution.GetTagItem("grid.prior_output_tokens")! > 0);
        Assert.True((long)execution.GetTagItem("grid.step.last")! > (long)execution.GetTagItem("grid.step.first")!);
        var parts = spans.Where(span => span.ParentSpanId == execution.SpanId).ToArray();
        Assert.Equal(["decode", "prefill", "queue"], parts.Select(part => part.OperationName).Order(StringComparer.Ordinal));
        Assert.All(parts, part => Assert.InRange(part.StartTimeUtc, execution.StartTimeUtc.AddMilliseconds(-1), execution.StartTimeUtc + execution.Duration));
    }
}
