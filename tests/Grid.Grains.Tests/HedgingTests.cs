using System.Threading.Channels;
using Grid.Grains.Messages;
using Grid.Grains.Tests.Support;
using Grid.Sequences;
using Grid.Sequences.Attempts;
using Grid.Sequences.Decoding;
using Grid.Sequences.Routing;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Grid.Grains.Tests;

/// <summary>A second worker is asked when the first does not deliver.</summary>
public sealed class HedgingTests
{
    [Fact]
    public async Task A_sequence_whose_worker_falls_behind_goes_on_with_the_one_that_delivers_first()
    {
        await using var grid = await StartAsync(2);
        using var counted = new Counted(grid);
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
        Assert.Equal((1, 0), (counted["grid.sequence.hedges"], counted["grid.sequence.failovers"]));
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
        using var counted = new Counted(grid);
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
        Assert.Equal((1, 1), (counted["grid.sequence.hedges"], counted["grid.sequence.failovers"]));
    }

    [Fact]
    public async Task A_quorum_of_one_puts_no_attempt_in_quarantine_whatever_it_gave()
    {
        await using var grid = await TestGrid.StartAsync(2, _ => new ScriptedEngine { HeldBack = true });
        var inbox = Channel.CreateUnbounded<SequenceEvent>();
        var workers = grid.Service<WorkerDirectory>(0);
        var decoder = new SequenceDecoder(null, []);
        var launcher = new AttemptLauncher(
            new AttemptId(Guid.NewGuid(), 0), Answer.Spec([4, 7], 5) with { NumericsId = TestModel.NumericsId }, [4, 7], [], decoder, inbox.Writer, workers, new(), default, default);
        var run = new SequenceRun(launcher, quorum: 1, () => { }, grid.Service<SequenceMetrics>(0), NullLogger.Instance);
        Assert.Null(await run.BeginAsync(default));
        for (int tick = 0; run.Attempts.Count == 1; tick++)
        {
            Assert.InRange(tick, 0, SequencesOptions.HedgeTicks);
            await run.TakeAsync(SequenceEvent.Tick);
        }

        var other = run.Attempts[1];
        other.Pending.Enqueue(new StepItem(StepItemKind.Output, 0, new ScoredToken(1, 0, [])));
        Assert.All(grid.Engines, engine => engine.Allow(1));
        using var patience = new CancellationTokenSource(TestGrid.Patience);
        while (decoder.OutputIds.Count == 0)
        {
            var item = await inbox.Reader.ReadAsync(patience.Token);
            await (item.Attempt == run.Attempts[0].Id ? run.TakeAsync(item) : Task.CompletedTask);
        }

        Assert.Equal(Answer.Expected([4, 7], 1), decoder.OutputIds);
        Assert.DoesNotContain(other, run.Attempts);
        Assert.Null(other.Worker.Quarantine);
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
