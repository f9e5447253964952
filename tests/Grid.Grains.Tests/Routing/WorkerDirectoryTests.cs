using Grid.Grains.Tests.Support;
using Grid.Sequences;
using Grid.Sequences.Routing;
using Microsoft.Extensions.Options;

namespace Grid.Grains.Tests.Routing;

/// <summary>To whom a node is linked.</summary>
public sealed class WorkerDirectoryTests
{
    [Fact]
    public async Task A_node_with_workers_is_linked_to_those_of_others_while_somebody_asks_it()
    {
        await using var grid = await TestGrid.StartAsync(2, _ => new ScriptedEngine { HeldBack = true });
        var workers = grid.Service<WorkerDirectory>(0);
        var options = grid.Service<IOptions<SequencesOptions>>(0).Value;
        await using (var sequence = await grid.Sequences(0).StartAsync(Answer.Spec([1, 2], 5), default))
        {
            options.LinkRetention = TimeSpan.Zero;
            await Task.Delay(TimeSpan.FromMilliseconds(300), TestContext.Current.CancellationToken); // Some ticks.
            Assert.Equal(2, workers.Live.Count); // It runs, and may need another worker.
        }

        while (workers.Expected.Count == 2) // Nobody is missed.
        {
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }

        var own = Assert.Single(workers.Expected);
        Assert.Equal(grid.Silos[0].SiloAddress, own.Status.Worker.Silo);
        Assert.Same(own, Assert.Single(workers.Live));

        (options.LinkRetention, options.LinkPatience) = (TimeSpan.FromMinutes(5), TestGrid.Patience);
        await grid.Sequences(0).OpenAsync(CancellationToken.None);
        Assert.Equal(2, workers.Live.Count);
        Assert.True(workers.KnowsAll);
        Assert.True(own.IsOpen); // Its own link was there all the time.
    }
}
