using System.Globalization;
using Grid.Cluster.Tests.Support;

namespace Grid.Cluster.Tests;

/// <summary>Streams over a grid whose nodes die, hang, leave and lose their connections all the time.</summary>
/// <remarks>
/// <c>GRID_CHURN_FAULTS</c> says how many faults there are (50 take three minutes; without it that test is skipped),
/// <c>GRID_CHURN_SEED</c> which, and <c>GRID_CHURN_DEATHS</c> how often only a worker dies (default 4).
/// </remarks>
public sealed class ChurnTests(RedisServer redis, PostgresServer postgres, ITestOutputHelper output)
{
    private const int Streams = 64;
    private static readonly Fault[] s_faults = [Fault.Kill, Fault.Hang, Fault.Terminate, Fault.Cut];

    private static readonly (string Path, string Json)[] s_requests =
    [
        Completion("\"prompt\":\"The dog\",\"temperature\":0", 300),
        Completion("\"prompt\":\"Once upon a time\",\"seed\":7,\"logprobs\":2", 260),
        Completion("\"prompt\":\"Anna\",\"seed\":8,\"temperature\":0.7,\"top_p\":0.9,\"presence_penalty\":0.5,\"frequency_penalty\":0.3", 240),
        Completion("\"prompt\":\"The king\",\"seed\":9,\"temperature\":1.3,\"top_k\":40,\"repetition_penalty\":1.1", 280),
        Completion("\"prompt\":\"A cat\",\"seed\":10,\"min_p\":0.05,\"stop\":[\"never said\",\"zzzz\"],\"echo\":true", 220),
        Completion("\"prompt\":\"In the house\",\"seed\":-1,\"logit_bias\":{\"300\":-5,\"310\":2}", 300),
        Completion("\"prompt\":[\"Where\",\"The dog and the cat\"],\"seed\":12,\"temperature\":0.2,\"min_tokens\":100", 150),
        ("/v1/chat/completions", Body("\"messages\":[{\"role\":\"user\",\"content\":\"Tell me of Anna\"}],\"n\":2,\"seed\":5,\"logprobs\":true,\"top_logprobs\":2", 140)),
    ];

    [Fact]
    public async Task Every_stream_ends_complete_and_once_with_the_bits_of_an_undisturbed_run()
    {
        int faults = Number("GRID_CHURN_FAULTS", 0);
        Assert.SkipWhen(faults == 0, "GRID_CHURN_FAULTS does not say how many faults there are to be; 50 take three minutes.");
        int seed = Number("GRID_CHURN_SEED", 1);
        await using var cluster = await TestCluster.CreateAsync("redis", redis, postgres);
        var nodes = new FaultyCluster(cluster, seed);
        await nodes.StartAsync(workers: 3, gateways: 2);
        var client = new ReturningClient(() => nodes.Gateways);
        string[] undisturbed = [.. (await Task.WhenAll(s_requests.Select(request => client.ReadAsync(request.Path, request.Json)))).Select(reading => reading.Told)];
        Assert.Equal(0, client.Returns);

        var (readings, differing) = await StreamWhileAsync(client, undisturbed, streams => DoAsync(nodes, faults, streams));
        await nodes.RecoverAsync();
        Report(nodes, client, readings);
        Assert.Equal(0, differing);
        Assert.All(readings, reading => Assert.True(reading.IsComplete));
    }

    /// <summary>Only deaths, and only one at a time: how long the streams of the dead worker stand still.</summary>
    [Fact]
    public async Task The_streams_of_a_worker_that_dies_go_on_at_the_others()
    {
        int deaths = Number("GRID_CHURN_DEATHS", 4);
        await using var cluster = await TestCluster.CreateAsync("redis", redis, postgres);
        var nodes = new FaultyCluster(cluster, seed: 1);
        await nodes.StartAsync(workers: 3, gateways: 2);
        var client = new ReturningClient(() => nodes.Gateways);
        string[] undisturbed = [.. (await Task.WhenAll(s_requests.Select(request => client.ReadAsync(request.Path, request.Json)))).Select(reading => reading.Told)];
        var (readings, differing) = await StreamWhileAsync(client, undisturbed, async streams =>
        {
            for (int i = 0; i < deaths && !streams.IsFaulted; i++)
            {
                await Task.Delay(TimeSpan.FromSeconds(4)); // All run again, undisturbed.
                nodes.KillWorker();
                await nodes.RecoverAsync();
            }
        });
        Report(nodes, client, readings);
        Assert.Equal((0, 0), (differing, client.Returns));
    }

    /// <summary>Runs 64 streams, each followed by another request as soon as it ends, until something is over.</summary>
    private static async Task<(List<Reading> Readings, int Differing)> StreamWhileAsync(
        ReturningClient client, string[] undisturbed, Func<Task, Task> something)
    {
        bool over = false;
        var readings = new List<Reading>();
        int differing = 0;
        var streams = Task.WhenAll(Enumerable.Range(0, Streams).Select(async stream =>
        {
            for (int round = 0; round == 0 || !Volatile.Read(ref over); round++)
            {
                int which = (stream + round) % s_requests.Length;
                var reading = await client.ReadAsync(s_requests[which].Path, s_requests[which].Json);
                lock (readings)
                {
                    readings.Add(reading);
                    differing += reading.Told == undisturbed[which] ? 0 : 1;
                }
            }
        }));
        await something(streams);
        Volatile.Write(ref over, true);
        await streams;
        return (readings, differing);
    }

    private static async Task DoAsync(FaultyCluster nodes, int faults, Task streams)
    {
        var random = new Random(faults);
        while (nodes.Done.Count < faults && !streams.IsFaulted)
        {
            await Task.Delay(TimeSpan.FromSeconds(3 * random.NextDouble())); // Random moments.
            await nodes.TryFaultAsync(s_faults);
        }
    }

    private void Report(FaultyCluster nodes, ReturningClient client, List<Reading> readings)
    {
        foreach (var group in nodes.Done.GroupBy(fault => (fault.Node, fault.Fault)).OrderBy(group => group.Key))
        {
            output.WriteLine($"{group.Count(),3} x {group.Key.Node} {group.Key.Fault}");
        }

        output.WriteLine($"{nodes.Done.Count} faults over {readings.Count} streams of {readings.Sum(reading => reading.Events.Count)} events; clients came back {client.Returns} times");
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
    }

    private static (string Path, string Json) Completion(string fields, int maxTokens) => ("/v1/completions", Body(fields, maxTokens));

    private static string Body(string fields, int maxTokens) =>
        $"{{{fields},\"max_tokens\":{maxTokens},\"ignore_eos\":true,\"stream\":true,\"stream_options\":{{\"include_usage\":true}}}}";

    private static int Number(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
}
