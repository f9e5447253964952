using System.Diagnostics;
using System.Globalization;
using Grid.Cluster.Tests.Support;

namespace Grid.Cluster.Tests;

/// <summary>Streams over a grid whose nodes die, hang, leave and lose their connections all the time.</summary>
/// <remarks>
/// <c>GRID_CHURN_FAULTS</c> says how many faults there are (50 take nine minutes; without it that test is skipped),
/// <c>GRID_CHURN_SEED</c> which, and <c>GRID_CHURN_DEATHS</c> how often only a worker dies (default 2).
/// </remarks>
public sealed class ChurnTests(RedisServer redis, PostgresServer postgres, ITestOutputHelper output)
{
    /// <summary>Shorter waits than this are a busy machine's.</summary>
    private static readonly TimeSpan s_noStall = TimeSpan.FromMilliseconds(400);

    /// <summary>Longer waits than this are told one by one, with what happened in them and as long before.</summary>
    private static readonly TimeSpan s_long = TimeSpan.FromSeconds(5);

    [Fact]
    public async Task Every_stream_ends_complete_and_once_with_the_bits_of_an_undisturbed_run()
    {
        int faults = Settings.Number("GRID_CHURN_FAULTS", 0);
        Assert.SkipWhen(faults == 0, "GRID_CHURN_FAULTS does not say how many faults there are to be; 50 take nine minutes.");
        await using var cluster = await TestCluster.CreateAsync("redis", redis, postgres);
        var nodes = new FaultyCluster(cluster, Settings.Number("GRID_CHURN_SEED", 1));
        await nodes.StartAsync(workers: 3, gateways: 2);
        await StreamAsync(nodes, 64, async streams =>
        {
            var random = new Random(faults);
            while (nodes.Done.Count < faults && !streams.IsFaulted)
            {
                await Task.Delay(TimeSpan.FromSeconds(12 * random.NextDouble())); // Random moments.
                await nodes.TryFaultAsync();
            }
        });
    }

    /// <summary>Only deaths, and only one at a time: how long the streams of the dead worker stand still.</summary>
    [Fact]
    public async Task The_streams_of_a_worker_that_dies_go_on_at_the_others()
    {
        int deaths = Settings.Number("GRID_CHURN_DEATHS", 2);
        await using var cluster = await TestCluster.CreateAsync("redis", redis, postgres);
        var nodes = new FaultyCluster(cluster, seed: 1);
        await nodes.StartAsync(workers: 3, gateways: 2);
        var client = await StreamAsync(nodes, 12, async streams =>
        {
            for (int i = 0; i < deaths && !streams.IsFaulted; i++)
            {
                await Task.Delay(TimeSpan.FromSeconds(2)); // All run again, undisturbed.
                nodes.KillWorker();
                await nodes.RecoverAsync();
            }
        });
        Assert.True(client.Returns == 0, client.Trouble);
    }

    private async Task<ReturningClient> StreamAsync(FaultyCluster nodes, int count, Func<Task, Task> happens)
    {
        var client = new ReturningClient(() => nodes.Gateways);
        var load = await StreamLoad.CreateAsync(client, count);
        var readings = new List<Reading>();
        await load.RunWhileAsync(happens, readings.Add);
        await nodes.RecoverAsync();
        foreach (var group in nodes.Done.GroupBy(fault => (fault.Node, fault.Fault)).OrderBy(group => group.Key))
        {
            output.WriteLine($"{group.Count(),3} x {group.Key.Node} {group.Key.Fault}");
        }

        output.WriteLine($"{nodes.Done.Count} faults over {load.Ended} streams of {load.Events} events; clients came back {client.Returns} times, and asked anew {client.Anew} times");
        foreach (var faults in nodes.Done.GroupBy(fault => (fault.Node, fault.Fault)).OrderBy(group => group.Key))
        {
            // A stream that was on the node stands still until that is noticed; the others hardly notice anything. Where another
            // fault than a worker's took the stream's gateway just then, that is told apart.
            var gaps = faults.SelectMany(fault => readings.Select(reading => reading.GapAt(fault.Moment))).OfType<(TimeSpan Length, bool Returned)>()
                .Where(gap => gap.Length > s_noStall).ToLookup(gap => gap.Returned, gap => gap.Length.TotalSeconds);
            Report($"a {faults.Key.Node}'s {faults.Key.Fault}", gaps[false]);
            Report($"a {faults.Key.Node}'s {faults.Key.Fault}, with another gateway after it", gaps[true]);
        }

        foreach (var (reading, i) in readings.SelectMany(reading => reading.LongGaps(s_long).Select(i => (reading, i))))
        {
            var during = nodes.Done.Where(fault => Stopwatch.GetElapsedTime(fault.Moment, reading.Times[i - 1]) < s_long && fault.Moment <= reading.Times[i])
                .Select(fault => string.Create(CultureInfo.InvariantCulture, $"{fault.Node} {fault.Fault} after {Stopwatch.GetElapsedTime(reading.Times[i - 1], fault.Moment).TotalSeconds:0.0}"));
            int returns = reading.Returns.Count(time => time > reading.Times[i - 1] && time < reading.Times[i]);
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{Stopwatch.GetElapsedTime(reading.Times[i - 1], reading.Times[i]).TotalSeconds:0.0} s after event {i}, {returns} returns, {string.Join(", ", during)}: {reading.Request[..Math.Min(60, reading.Request.Length)]}"));
        }

        Assert.True(load.Differing.Count == 0, string.Join("\n\n", load.Differing));
        Assert.Equal(0, client.Anew);
        Assert.All(readings, reading => Assert.True(reading.IsComplete));
        return client;
    }

    private void Report(string what, IEnumerable<double> stalls)
    {
        double[] ordered = [.. stalls.Order()];
        if (ordered.Length > 0)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"Stall of {ordered.Length} streams over {what}: median {ordered[ordered.Length / 2]:0.00} s, worst {ordered[^1]:0.00} s"));
        }
    }
}
