using System.Globalization;
using Grid.Cluster.Tests.Support;

namespace Grid.Cluster.Tests;

/// <summary>Streams over a grid whose nodes die, hang, leave and lose their connections all the time.</summary>
/// <remarks>
/// <c>GRID_CHURN_FAULTS</c> says how many faults there are (50 take six minutes; without it that test is skipped),
/// <c>GRID_CHURN_SEED</c> which, and <c>GRID_CHURN_DEATHS</c> how often only a worker dies (default 4).
/// </remarks>
public sealed class ChurnTests(RedisServer redis, PostgresServer postgres, ITestOutputHelper output)
{
    [Fact]
    public async Task Every_stream_ends_complete_and_once_with_the_bits_of_an_undisturbed_run()
    {
        int faults = Settings.Number("GRID_CHURN_FAULTS", 0);
        Assert.SkipWhen(faults == 0, "GRID_CHURN_FAULTS does not say how many faults there are to be; 50 take six minutes.");
        await using var cluster = await TestCluster.CreateAsync("redis", redis, postgres);
        var nodes = new FaultyCluster(cluster, Settings.Number("GRID_CHURN_SEED", 1));
        await nodes.StartAsync(workers: 3, gateways: 2);
        await StreamAsync(nodes, async streams =>
        {
            var random = new Random(faults);
            while (nodes.Done.Count < faults && !streams.IsFaulted)
            {
                await Task.Delay(TimeSpan.FromSeconds(3 * random.NextDouble())); // Random moments.
                await nodes.TryFaultAsync();
            }
        });
    }

    /// <summary>Only deaths, and only one at a time: how long the streams of the dead worker stand still.</summary>
    [Fact]
    public async Task The_streams_of_a_worker_that_dies_go_on_at_the_others()
    {
        int deaths = Settings.Number("GRID_CHURN_DEATHS", 4);
        await using var cluster = await TestCluster.CreateAsync("redis", redis, postgres);
        var nodes = new FaultyCluster(cluster, seed: 1);
        await nodes.StartAsync(workers: 3, gateways: 2);
        var client = await StreamAsync(nodes, async streams =>
        {
            for (int i = 0; i < deaths && !streams.IsFaulted; i++)
            {
                await Task.Delay(TimeSpan.FromSeconds(4)); // All run again, undisturbed.
                nodes.KillWorker();
                await nodes.RecoverAsync();
            }
        });
        Assert.True(client.Returns == 0, client.Trouble);
    }

    private async Task<ReturningClient> StreamAsync(FaultyCluster nodes, Func<Task, Task> happens)
    {
        var client = new ReturningClient(() => nodes.Gateways);
        var load = await StreamLoad.CreateAsync(client);
        var readings = new List<Reading>();
        await load.RunWhileAsync(happens, readings.Add);
        await nodes.RecoverAsync();
        foreach (var group in nodes.Done.GroupBy(fault => (fault.Node, fault.Fault)).OrderBy(group => group.Key))
        {
            output.WriteLine($"{group.Count(),3} x {group.Key.Node} {group.Key.Fault}");
        }

        output.WriteLine($"{nodes.Done.Count} faults over {load.Ended} streams of {load.Events} events; clients came back {client.Returns} times");
        foreach (var fault in (Fault[])[Fault.Kill, Fault.Hang, Fault.Terminate])
        {
            // A stream that was on the node waits until its silence is noticed; the others hardly notice anything.
            var stalls = nodes.Done.Where(done => done.Node == "worker" && done.Fault == fault)
                .SelectMany(done => readings.Select(reading => reading.GapAt(done.Moment)).OfType<TimeSpan>())
                .Select(gap => gap.TotalSeconds).Where(seconds => seconds > 0.5).Order().ToArray();
            if (stalls.Length > 0)
            {
                output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"Stall of {stalls.Length} streams over a worker's {fault}: median {stalls[stalls.Length / 2]:0.00} s, worst {stalls[^1]:0.00} s"));
            }
        }

        Assert.Equal(0, load.Differing);
        Assert.All(readings, reading => Assert.True(reading.IsComplete));
        return client;
    }
}
