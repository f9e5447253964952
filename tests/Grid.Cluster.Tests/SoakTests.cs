using System.Diagnostics;
using System.Globalization;
using System.Text;
using Grid.Cluster.Tests.Support;

namespace Grid.Cluster.Tests;

/// <summary>A grid that works for long, while its nodes come and go and its clients leave and err: nothing gathers anywhere.</summary>
/// <remarks><c>GRID_SOAK_MINUTES</c> says for how long; without it the test is skipped. Memory tells something from 10 minutes on.</remarks>
public sealed class SoakTests(RedisServer redis, PostgresServer postgres, ITestOutputHelper output)
{
    private const int Leavers = 4;
    private const string RetentionSeconds = "20";
    private static readonly TimeSpan s_sampling = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_decommit = TimeSpan.FromSeconds(1);

    [Fact]
    public async Task Faults_departures_and_errors_leave_no_sequence_page_grain_or_memory_behind()
    {
        int minutes = Settings.Number("GRID_SOAK_MINUTES", 0);
        Assert.SkipWhen(minutes == 0, "GRID_SOAK_MINUTES does not say for how many minutes the grid is to be soaked; 30 is a good number.");
        await using var cluster = await TestCluster.CreateAsync("redis", redis, postgres);
        var nodes = new FaultyCluster(cluster, seed: minutes, "--sequence-retention", RetentionSeconds);
        await nodes.StartAsync(workers: 4, gateways: 2);

        // These live as long as the test does: what gathers, gathers there.
        var (worker, gateway) = (nodes.Workers[0], nodes.Gateways[0]);
        nodes.Spare(worker, gateway);
        var client = new ReturningClient(() => nodes.Gateways);
        var load = await StreamLoad.CreateAsync(client, streams: 64);
        var (ofWorker, ofGateway) = (new List<long>(), new List<long>());
        var time = Stopwatch.StartNew();
        var over = new CancellationTokenSource();
        int left = 0;
        await load.RunWhileAsync(async streams =>
        {
            Task[] beside =
            [
                SampleAsync(worker, ofWorker, over.Token),
                SampleAsync(gateway, ofGateway, over.Token),
                .. Enumerable.Range(1, Leavers).Select(seed => LeaveAsync(nodes, new Random(seed), () => Interlocked.Increment(ref left), over.Token)),
            ];
            var random = new Random(minutes);
            while (time.Elapsed < TimeSpan.FromMinutes(minutes) && !streams.IsFaulted && load.Differing.Count == 0 && !beside.Any(task => task.IsFaulted))
            {
                await Task.Delay(TimeSpan.FromSeconds(2 + (12 * random.NextDouble())));
                await nodes.TryFaultAsync();
            }

            await over.CancelAsync();
            await Task.WhenAll(beside);
        });
        await nodes.RecoverAsync();
        Report(nodes, client, load, left, time.Elapsed, ofWorker, ofGateway);
        Assert.True(load.Differing.Count == 0, $"{string.Join("\n\n", load.Differing)}\n\nThe nodes' errors:\n{string.Join('\n', cluster.Nodes.SelectMany(Errors))}");
        await Leftovers.NoneAsync(cluster, nodes.Workers, nodes.Gateways, redis);
        Assert.All(cluster.Nodes, node => Assert.False(node.Count("nobody waited for it") > 0, node.Output));
        Assert.True(Growth(ofWorker) < 0.1, $"The worker's memory grew: {Shown(ofWorker)}");
        Assert.True(Growth(ofGateway) < 0.1, $"The gateway's memory grew: {Shown(ofGateway)}");
    }

    private static IEnumerable<string> Errors(NodeProcess node) =>
        node.Output.Split('\n').Where(line => line.Contains("fail: ", StringComparison.Ordinal) || line.Contains("crit: ", StringComparison.Ordinal));

    /// <summary>What a node holds, and not what it has not collected yet: a collector that works in minutes and takes 60 MB for 15 that
    /// live says nothing of what gathers.</summary>
    private static async Task SampleAsync(NodeProcess node, List<long> samples, CancellationToken over)
    {
        while (!over.IsCancellationRequested)
        {
            await node.CollectAsync();
            await Task.Delay(s_decommit, CancellationToken.None);
            samples.Add(node.ResidentBytes);
            await Task.Delay(s_sampling, over).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Clients that hang up at any moment of a request, with and without a stream, and whose requests are wrong now and then.</summary>
    private static async Task LeaveAsync(FaultyCluster nodes, Random random, Action left, CancellationToken over)
    {
        while (!over.IsCancellationRequested)
        {
            var gateways = nodes.Gateways;
            var (path, json) = StreamLoad.Requests[random.Next(StreamLoad.Requests.Count)];
            json = random.Next(6) switch
            {
                0 => json.Replace("\"max_tokens\":", "\"max_tokens\":-", StringComparison.Ordinal),
                1 => json[..^1],
                2 => json.Replace("\"stream\":true,\"stream_options\":{\"include_usage\":true}", "\"stream\":false", StringComparison.Ordinal),
                _ => json,
            };
            try
            {
                using var patience = CancellationTokenSource.CreateLinkedTokenSource(over);
                patience.CancelAfter(TimeSpan.FromSeconds(2 * Math.Pow(random.NextDouble(), 3)));
                using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(json, Encoding.UTF8, "application/json") };
                using var response = await gateways[random.Next(gateways.Length)].Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token);
                await response.Content.ReadAsStringAsync(patience.Token);
            }
            catch (Exception exception) when (exception is OperationCanceledException or HttpRequestException or IOException)
            {
                left();
            }

            await Task.Delay(200, over).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>How much more memory was in use in the last quarter than in the second; the first is for filling caches.</summary>
    private static double Growth(List<long> samples) => (double)Median(samples, 3) / Median(samples, 1) - 1;

    private static long Median(List<long> samples, int quarter)
    {
        int length = samples.Count / 4;
        return samples.GetRange(quarter * length, length).Order().ElementAt(length / 2);
    }

    private static string Shown(List<long> samples) => string.Create(CultureInfo.InvariantCulture,
        $"{string.Join(", ", Enumerable.Range(0, 4).Select(quarter => Median(samples, quarter) >> 20))} MiB in the quarters, {Growth(samples):+0.0 %;-0.0 %}");

    private void Report(
        FaultyCluster nodes, ReturningClient client, StreamLoad load, int left, TimeSpan time, List<long> ofWorker, List<long> ofGateway)
    {
        output.WriteLine($"{time.TotalMinutes:0.0} minutes, {nodes.Done.Count} faults, {load.Ended} streams of {load.Events} events, {load.Differing.Count} differing; clients came back {client.Returns} times, and asked anew {client.Anew} times; others left {left} times");
        output.WriteLine($"Worker: {Shown(ofWorker)}");
        output.WriteLine($"Gateway: {Shown(ofGateway)}");
    }
}
