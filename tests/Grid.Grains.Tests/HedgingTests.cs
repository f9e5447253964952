using Grid.Grains.Tests.Support;
using Grid.Sequences;
using Microsoft.Extensions.Options;

namespace Grid.Grains.Tests;

/// <summary>A second worker is asked when the first does not deliver.</summary>
public sealed class HedgingTests
{
    [Fact]
    public async Task A_sequence_whose_worker_falls_behind_goes_on_with_the_one_that_delivers_first()
    {
        await using var grid = await StartAsync(2);
        await using var sequence = await grid.Sequences().StartAsync(Answer.Spec([4, 4], 30), default);
        var (slow, fast) = grid.Engines[0].Requests.Count > 0 ? (grid.Engines[0], grid.Engines[1]) : (grid.Engines[1], grid.Engines[0]);
        slow.Allow(6); // And then nothing more, on a worker that is heard all the time.
        fast.Allow(1000);
        var answer = await Answer.ReadAsync(sequence);
        Assert.Equal(Answer.Expected([4, 4], 30), answer.Tokens);
        Assert.Equal(("length", 1), (answer.FinishReason, answer.Endings));
        var hedge = Assert.Single(fast.Requests);
        Assert.True(hedge.Id.Epoch > 0);
        Assert.Equal(Answer.Expected([4, 4], hedge.PriorOutputIds.Length), hedge.PriorOutputIds);
        await GoneAsync(slow); // Cancelled, for it may not generate.
    }

    [Fact]
    public async Task A_first_attempt_that_delivers_after_all_ends_the_second()
    {
        await using var grid = await StartAsync(2);
        await using var sequence = await grid.Sequences().StartAsync(Answer.Spec([4, 5], 30), default);
        var (first, second) = grid.Engines[0].Requests.Count > 0 ? (grid.Engines[0], grid.Engines[1]) : (grid.Engines[1], grid.Engines[0]);
        while (second.Status.Running == 0)
        {
            await Task.Yield();
        }

        first.Allow(1000);
        var answer = await Answer.ReadAsync(sequence);
        Assert.Equal(Answer.Expected([4, 5], 30), answer.Tokens);
        await GoneAsync(second);
        Assert.Single(second.Requests); // One for each wait.
    }

    [Fact]
    public async Task A_second_attempt_takes_the_place_of_a_first_whose_worker_dies()
    {
        await using var grid = await StartAsync(2);
        grid.Engines[0].MaxWaiting = 0;
        await using var sequence = await grid.Sequences().StartAsync(Answer.Spec([4, 6], 30), default);
        grid.Engines[0].MaxWaiting = int.MaxValue;
        while (grid.Engines[0].Status.Running == 0)
        {
            await Task.Yield();
        }

        await grid.KillAsync(1);
        grid.Engines[0].Allow(1000);
        var answer = await Answer.ReadAsync(sequence);
        Assert.Equal(Answer.Expected([4, 6], 30), answer.Tokens);
        Assert.Single(grid.Engines[0].Requests);
    }

    private static async Task GoneAsync(ScriptedEngine engine)
    {
        using var patience = new CancellationTokenSource(TestGrid.Patience);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        while (engine.Status.Running > 0)
        {
            await timer.WaitForNextTickAsync(patience.Token);
        }
    }

    private static async Task<TestGrid> StartAsync(int silos)
    {
        var grid = await TestGrid.StartAsync(silos, _ => new ScriptedEngine { HeldBack = true });
        for (int i = 0; i < silos; i++)
        {
            grid.Service<IOptions<SequencesOptions>>(i).Value.HedgeAfter = TimeSpan.FromMilliseconds(100);
        }

        return grid;
    }
}
