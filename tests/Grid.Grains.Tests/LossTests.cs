using System.Collections.Concurrent;
using Grid.Grains.Messages;
using Grid.Grains.Placement;
using Grid.Grains.Tests.Support;
using Grid.Numerics;
using Grid.Sequences;
using Grid.Sequences.Routing;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

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
        var seen = new ConcurrentQueue<WorkerState>();
        var lost = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        workers.Changed += () =>
        {
            foreach (var worker in workers.Expected.Except(workers.Live))
            {
                seen.Enqueue(worker.State);
                lost.TrySetResult();
            }
        };
        await grid.KillAsync(1);
        await lost.Task.WaitAsync(TestGrid.Patience, TestContext.Current.CancellationToken);
        Assert.All(seen, state => Assert.Equal(WorkerState.Lost, state));
    }

    [Fact]
    public async Task A_gateway_that_is_no_longer_in_the_grid_refuses_instead_of_failing()
    {
        await using var grid = await TestGrid.StartAsync(2, _ => new ScriptedEngine());
        var sequences = grid.Sequences(0);
        await grid.KillAsync(0);
        var refused = await Assert.ThrowsAsync<RefusedException>(() => sequences.StartAsync(Answer.Spec([1, 2], 5), default));
        Assert.Equal(RefusalKind.Unavailable, refused.Refusal.Kind);
    }

    [Theory]
    [InlineData(false, RefusalKind.WorkerLost)]
    [InlineData(true, RefusalKind.Draining)]
    public async Task A_sequence_whose_only_worker_is_lost_ends_with_a_refusal_that_says_so_or_that_its_own_node_stops(bool stops, RefusalKind kind)
    {
        await using var grid = await TestGrid.StartAsync(2, i => new ScriptedEngine { HeldBack = true, MaxWaiting = i });
        grid.Service<IOptions<SequencesOptions>>(0).Value.FailoverWait = TimeSpan.FromMilliseconds(100);
        await using var sequence = await grid.Sequences().StartAsync(Answer.Spec([1, 2], 5), default);
        await grid.Worker(0).DrainAsync(default);
        Stop(grid, stops);
        await grid.KillAsync(1);
        SequenceUpdate? last = null;
        using var patience = new CancellationTokenSource(TestGrid.Patience);
        await foreach (var update in sequence.ReadUpdatesAsync(patience.Token))
        {
            last = update;
        }

        Assert.Equal(("error", kind), (last?.FinishReason, last?.Refusal?.Kind));
    }

    [Theory]
    [InlineData(false, RefusalKind.Unavailable)]
    [InlineData(true, RefusalKind.Draining)]
    public async Task A_sequence_that_comes_when_every_worker_drains_is_refused_for_that_or_because_its_own_node_stops(bool stops, RefusalKind kind)
    {
        await using var grid = await TestGrid.StartAsync(1, _ => new ScriptedEngine());
        await grid.Worker(0).DrainAsync(default);
        Stop(grid, stops);
        var refused = await Assert.ThrowsAsync<RefusedException>(() => grid.Sequences().StartAsync(Answer.Spec([1], 5), default));
        Assert.Equal(kind, refused.Refusal.Kind);
    }

    [Fact]
    public async Task A_submission_to_a_device_that_has_just_broken_goes_to_another()
    {
        await using var grid = await TestGrid.StartAsync(2, i => new ScriptedEngine { Broken = i == 0 });
        for (int i = 0; i < 4; i++)
        {
            await using var sequence = await grid.Sequences().StartAsync(Answer.Spec([1, i], 5), default);
            Assert.Equal(Answer.Expected([1, i], 5), (await Answer.ReadAsync(sequence)).Tokens);
        }
    }

    /// <summary>It would be kept alive for ever.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_sequence_that_never_began_is_let_go_when_it_is_asked_about_or_nobody_waits_for_it(bool isStarted)
    {
        await using var grid = await TestGrid.StartAsync(1, _ => new ScriptedEngine());
        var grains = grid.Service<IGrainFactory>(0);
        var management = grains.GetGrain<IManagementGrain>(0);
        string key = new SiloKey(grid.Silos[0].SiloAddress, Guid.NewGuid().ToString("N")).ToString();
        var grain = grains.GetGrain<ISequenceGrain>(key);
        await (isStarted ? grain.Start(Answer.Spec([1], 5)) : grain.GetState());
        using var patience = new CancellationTokenSource(TestGrid.Patience);
        while ((await management.GetDetailedGrainStatistics()).Any(grain => grain.GrainId.Key.ToString() == key))
        {
            await Task.Delay(20, patience.Token);
        }
    }

    [Fact]
    public async Task A_stop_string_that_cannot_be_found_is_refused_by_name()
    {
        await using var grid = await TestGrid.StartAsync(1, _ => new ScriptedEngine());
        var refused = await Assert.ThrowsAsync<RefusedException>(
            () => grid.Sequences().StartAsync(Answer.Spec([1], 5) with { StopStrings = [""] }, default));
        Assert.Equal((RefusalKind.Invalid, nameof(SequenceSpec.StopStrings)), (refused.Refusal.Kind, refused.Refusal.Field));
    }

    [Fact]
    public async Task A_gateway_that_is_to_stop_keeps_its_line_until_the_grace_time_is_over()
    {
        await using var grid = await TestGrid.StartAsync(1, _ => new ScriptedEngine { HeldBack = true, MaxWaiting = 1 });
        grid.Service<IOptions<DrainOptions>>(0).Value.Grace = TimeSpan.FromMinutes(10);
        await using var running = await grid.Sequences().StartAsync(Answer.Spec([1], 5), default);
        var waiting = grid.Sequences().StartAsync(Answer.Spec([2], 5), default);
        Stop(grid);
        grid.Engines[0].Allow(1000);
        await using var sequence = await waiting.WaitAsync(TestGrid.Patience);
        Assert.Equal(Answer.Expected([2], 5), (await Answer.ReadAsync(sequence)).Tokens);
    }

    [Fact]
    public async Task Past_the_grace_time_what_waits_is_refused()
    {
        await using var grid = await TestGrid.StartAsync(1, _ => new ScriptedEngine { HeldBack = true, MaxWaiting = 1 });
        grid.Service<IOptions<DrainOptions>>(0).Value.Grace = TimeSpan.FromMilliseconds(50);
        await using var running = await grid.Sequences().StartAsync(Answer.Spec([1], 5), default);
        var waiting = grid.Sequences().StartAsync(Answer.Spec([2], 5), default);
        Stop(grid);
        var refused = await Assert.ThrowsAsync<RefusedException>(() => waiting.WaitAsync(TestGrid.Patience));
        Assert.Equal((RefusalKind.Draining, "The gateway is shutting down."), (refused.Refusal.Kind, refused.Message));
    }

    /// <summary>Tells the first silo to stop, as a signal does: its grace time begins.</summary>
    private static void Stop(TestGrid grid, bool stops = true)
    {
        if (stops)
        {
            grid.Service<IHostApplicationLifetime>(0).StopApplication();
        }
    }
}
