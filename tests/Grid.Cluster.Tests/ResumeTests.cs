using System.Text;
using Grid.Cluster.Tests.Support;
using Grid.Tests.Streams;

namespace Grid.Cluster.Tests;

/// <summary>Gateways that die, or are asked to stop, in the middle of streams: their clients go on at another.</summary>
public sealed class ResumeTests(RedisServer redis, PostgresServer postgres, SharedClusters shared, ITestOutputHelper output)
{
    private static string[]? s_undisturbed;

    private static readonly (string Path, string Json)[] s_requests =
    [
        ("/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"Tell me of Anna\"}],\"n\":2,\"seed\":5,\"max_tokens\":200,\"ignore_eos\":true,\"logprobs\":true,\"top_logprobs\":2,\"stream\":true,\"stream_options\":{\"include_usage\":true}}"),
        ("/v1/completions", "{\"prompt\":[\"The dog\",\"Once upon a time\"],\"n\":2,\"seed\":7,\"max_tokens\":150,\"ignore_eos\":true,\"echo\":true,\"logprobs\":1,\"presence_penalty\":0.4,\"stop\":[\"never said\",\"zzzz\"],\"stream\":true,\"stream_options\":{\"include_usage\":true}}"),
        ("/v1/completions", "{\"prompt\":\"The king\",\"seed\":3,\"temperature\":1.2,\"max_tokens\":250,\"ignore_eos\":true,\"stream\":true}"),
        ("/generate", "{\"text\":[\"A cat\",\"Where\"],\"sampling_params\":{\"n\":2,\"sampling_seed\":11,\"max_new_tokens\":120,\"ignore_eos\":true,\"stop\":\"qqqq\"},\"return_logprob\":true,\"top_logprobs_num\":1,\"rid\":\"mine\",\"stream\":true}"),
    ];

    [Theory]
    [InlineData("localhost")]
    [InlineData("redis")]
    [InlineData("postgres")]
    public async Task A_stream_goes_on_elsewhere_with_exactly_the_rest_after_its_gateway_was_killed_or_stopped(string store)
    {
        // The demo model: a gateway whose code is not compiled yet tells what a faster one makes in too few events to be cut in two.
        await using var cluster = await TestCluster.CreateAsync(store, redis, postgres, demoModel: true);
        var (killed, silos) = await cluster.StartAsync(1);
        var stopped = cluster.StartGateway("--drain-seconds", "0");
        await stopped.SeesLiveAsync(1);
        string[] undisturbed = s_undisturbed ??= await Task.WhenAll(s_requests.Select(request => WholeAsync(silos[0], request)));

        if (store != "localhost") // Where requests are kept by a silo that is held up here.
        {
            await TakesOverAsync(killed, stopped);
        }

        await GoesOnAsync(killed, stopped, () =>
        {
            killed.Kill();
            return Task.CompletedTask;
        });
        string?[] ends = await GoesOnAsync(stopped, silos[0], () => stopped.SignalAsync("TERM"));
        Assert.Contains("gateway_draining", ends);
        Assert.Equal(0, await stopped.EndsAsync());

        // The first gateway lives, and is told that another has its stream. Nothing is computed until it has been.
        async Task TakesOverAsync(NodeProcess first, NodeProcess second)
        {
            var stream = new BrokenStream(first, s_requests[0].Path, s_requests[0].Json);
            var read = stream.ReadAsync();
            await stream.Begun.WaitAsync(Programs.Patience);
            await Task.WhenAll(silos.Select(silo => silo.SignalAsync("STOP")));
            string last = stream.Events[BrokenStream.Some - 1].Id!;
            var rest = ReadAsync(second, HttpMethod.Get, $"/v1/sequences/{last.Split(':')[0]}/events", null, last);
            await read.WaitAsync(Programs.Patience);
            await Task.WhenAll(silos.Select(silo => silo.SignalAsync("CONT")));
            Assert.Equal("stream_resumed", stream.EndedBy);
            Assert.Equal(undisturbed[0], new Told().Take(stream.Events[..BrokenStream.Some]).Take(await rest).ToString());
        }

        async Task<string?[]> GoesOnAsync(NodeProcess first, NodeProcess second, Func<Task> end)
        {
            var streams = s_requests.Select(request => new BrokenStream(first, request.Path, request.Json)).ToArray();
            var reads = streams.Select(stream => stream.ReadAsync()).ToArray();
            await Task.WhenAll(streams.Select(stream => stream.Begun)).WaitAsync(Programs.Patience);
            await end();
            await Task.WhenAll(reads).WaitAsync(Programs.Patience);
            Assert.Contains(streams, stream => !stream.IsComplete);
            var rests = await Task.WhenAll(streams.Select(stream => RestAsync(second, stream)));
            for (int i = 0; i < streams.Length; i++)
            {
                output.WriteLine($"{store}, {s_requests[i].Path}: {streams[i].Events.Count} events, then {rests[i].Count}");
                Assert.Equal(undisturbed[i], new Told().Take(streams[i].Events).Take(rests[i]).ToString());
            }

            return [.. streams.Select(stream => stream.EndedBy)];
        }
    }

    /// <summary>That to the store among them: until the request is kept there, which takes a moment then, nothing could be resumed.</summary>
    [Theory]
    [InlineData("redis")]
    [InlineData("postgres")]
    public async Task A_stream_that_begins_when_its_gateway_has_just_lost_its_connections_can_be_resumed(string store)
    {
        await using var cluster = await shared.UseAsync(store, redis, postgres);
        var gateway = cluster.Gateway;
        var client = new ReturningClient(() => [gateway]);
        var (path, json) = s_requests[2];
        string undisturbed = (await client.ReadAsync(path, json)).Told;
        await gateway.CutConnectionsAsync();
        var reading = await client.ReadAsync(path, json);
        Assert.Equal(undisturbed, reading.Told);
        Assert.NotNull(reading.Events[^2].Id);
    }

    private static async Task<string> WholeAsync(NodeProcess node, (string Path, string Json) request) =>
        new Told().Take(await ReadAsync(node, HttpMethod.Post, request.Path, request.Json, null)).ToString();

    private static async Task<List<ServerSentEvent>> RestAsync(NodeProcess node, BrokenStream stream)
    {
        string last = stream.Events[^1].Id!;
        return stream.IsComplete ? [] : await ReadAsync(node, HttpMethod.Get, $"/v1/sequences/{last.Split(':')[0]}/events", null, last);
    }

    private static async Task<List<ServerSentEvent>> ReadAsync(NodeProcess node, HttpMethod method, string path, string? json, string? lastEventId)
    {
        using var request = new HttpRequestMessage(method, path);
        request.Content = json is null ? null : new StringContent(json, Encoding.UTF8, "application/json");
        if (lastEventId is not null)
        {
            request.Headers.Add("Last-Event-ID", lastEventId);
        }

        using var response = await node.Client.SendAsync(request);
        string text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        Assert.EndsWith("data: [DONE]\n\n", text, StringComparison.Ordinal);
        return [.. text[..^2].Split("\n\n").Select(ServerSentEvent.Read)];
    }

    /// <summary>A stream that is read as far as it comes, and the events that came whole.</summary>
    private sealed class BrokenStream(NodeProcess node, string path, string json)
    {
        /// <summary>Events of a stream that has begun.</summary>
        public const int Some = 12;

        private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public List<ServerSentEvent> Events { get; } = [];

        /// <summary>Completed when some tokens have come.</summary>
        public Task Begun => _begun.Task;

        /// <summary>Why its gateway ended it, when it did.</summary>
        public string? EndedBy { get; private set; }

        /// <summary>Whether it had ended before its gateway did.</summary>
        public bool IsComplete => Events[^1].Data == "[DONE]";

        public async Task ReadAsync()
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(json, Encoding.UTF8, "application/json") };
            using var response = await node.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            Assert.True(response.IsSuccessStatusCode, $"{response.StatusCode}");
            using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
            try
            {
                while (await NextAsync(reader) is { } e)
                {
                    // A gateway that ends a stream says so: that is no part of the answer.
                    if (e.Data != "[DONE]" && e.Json["error"] is { } error)
                    {
                        EndedBy = (string?)error["code"];
                        Assert.Equal(Events[^1].Id, e.Id);
                        Assert.Equal(new ServerSentEvent(e.Id, "[DONE]"), await NextAsync(reader));
                        return;
                    }

                    Events.Add(e);
                    if (Events.Count == Some)
                    {
                        _begun.SetResult();
                    }
                }
            }
            catch (Exception exception) when (exception is IOException or HttpRequestException)
            {
                // The gateway is gone.
            }
        }

        private static async Task<ServerSentEvent?> NextAsync(StreamReader reader)
        {
            string lines = "";
            while (await reader.ReadLineAsync() is { } line)
            {
                if (line.Length == 0)
                {
                    return ServerSentEvent.Read(lines);
                }

                lines = lines.Length == 0 ? line : $"{lines}\n{line}";
            }

            return null;
        }
    }
}
