using System.Collections.Concurrent;
using Grid.Grains.Tests.Support;
using Grid.Sequences;
using Grid.Sequences.Routing;

namespace Grid.Grains.Tests;

/// <summary>What gateways make of workers that go, and of themselves when they do.</summary>
public sealed class LossTests
{
    /// <summary>Neither live nor lost, a worker would be looked for in vain, and not waited for either.</summary>
    [Fact]
    public async Task A_worker_that_is_no_longer_live_and_still_expected_is_lost()
    {
        await using var grid = await TestGrid.StartAsync(2, _ => new ScriptedEngine());
        var workers = grid.Service<WorkerDirectory>(0);
        var seen = new ConcurrentQueue<WorkerCondition>();
        var lost = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        workers.Changed += () =>
        {
            foreach (var worker in workers.Expected.Except(workers.Live))
            {
                seen.Enqueue(worker.Condition);
                lost.TrySetResult();
            }
        };
        await grid.KillAsync(1);
        await lost.Task.WaitAsync(TestGrid.Patience, TestContext.Current.CancellationToken);
        Assert.All(seen, condition => Assert.Equal(WorkerCondition.Lost, condition));
    }

    [Fact]
    public async Task A_gateway_that_is_no_longer_in_the_grid_refuses_instead_of_failing()
    {
        await using var grid = await TestGrid.StartAsync(2, _ => new ScriptedEngine());
        var sequences = grid.Sequences(0);
        await grid.KillAsync(0);
        var refused = await Assert.ThrowsAsync<GridRequestException>(() => sequences.StartAsync(Answer.Spec([1, 2], 5), default));
        Assert.Equal(GridRefusal.Unavailable, refused.Refusal);
    }
}
