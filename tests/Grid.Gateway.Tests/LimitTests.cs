using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json.Nodes;
using Grid.Gateway.Tests.Fakes;
using Grid.Grains.Messages;
using Grid.Numerics;

namespace Grid.Gateway.Tests;

/// <summary>How long a request may take, how long a client may read nothing, how many may come; and what they are told.</summary>
public sealed class LimitTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/v1/completions", "{\"prompt\":\"x\",\"timeout\":0.3}")]
    [InlineData("/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"timeout\":0.3}")]
    [InlineData("/generate", "{\"text\":\"x\",\"timeout\":0.3}")]
    public async Task A_request_that_takes_longer_than_its_timeout_ends_and_so_do_its_sequences(string path, string json)
    {
        await using var app = await GatewayApp.StartAsync();
        app.Grid.Script = _ => FakeAnswers.Endless();
        var (status, body) = await app.PostAsync(path, json);
        Assert.Equal((504, "request_timeout", "timeout"), (status, (string)body["error"]!["code"]!, (string)body["error"]!["type"]!));
        var events = await app.EventsAsync(path, json.Insert(1, "\"stream\":true,"));
        Assert.Equal("request_timeout", (string)events[^1]["error"]!["code"]!);
        foreach (var sequence in app.Grid.Sequences)
        {
            await sequence.Disposed.WaitAsync(Until.Patience, Token);
        }
    }

    [Fact]
    public async Task Waiting_counts_and_the_gateways_own_limit_holds_for_requests_that_name_none()
    {
        await using var app = await GatewayApp.StartAsync(("Grid:RequestTimeout", "1"));
        app.Grid.Admission = token => Task.Delay(Timeout.Infinite, token);
        var (status, body) = await app.PostAsync("/v1/completions", "{\"prompt\":\"x\"}");
        Assert.Equal((504, "request_timeout"), (status, (string)body["error"]!["code"]!));
        (status, body) = await app.PostAsync("/v1/completions", "{\"prompt\":\"x\",\"timeout\":2}");
        Assert.Equal((400, "'timeout' is 2; it must be a number above 0 and at most 1."), (status, (string)body["error"]!["message"]!));
    }

    [Theory]
    [InlineData("/v1/completions", """{"prompt":["a","b"],"n":3,"max_tokens":1}""")]
    [InlineData("/generate", """{"text":["a","b"],"sampling_params":{"n":3,"max_new_tokens":1},"stream":true}""")]
    public async Task A_request_whose_sequences_have_not_all_a_place_is_refused_before_one_begins(string path, string json)
    {
        await using var app = await GatewayApp.StartAsync();
        app.Grid.Full = sequences => new Refusal { Kind = RefusalKind.Overloaded, Rule = $"{sequences} are too many." };
        var (status, body) = await app.PostAsync(path, json);
        Assert.Equal((429, "overloaded", "6 are too many."), (status, (string)body["error"]!["code"]!, (string)body["error"]!["message"]!));
        Assert.Empty(app.Grid.Started);
        app.Grid.Full = null;
        await app.OkAsync(path, json.Replace(",\"stream\":true", "", StringComparison.Ordinal));
        Assert.Equal((6, 2), (app.Grid.Started.Count, app.Grid.Reserved.Count));
    }

    /// <summary>An abort comes while the second of a request's sequences waits to be started: those after it are not forgotten.</summary>
    [Theory]
    [InlineData("""{"rid":"step"}""", true)]
    [InlineData("""{"rid":"st","prefix":true}""", true)]
    [InlineData("""{"rid":"st"}""", false)]
    [InlineData("""{"abort_all":true}""", true)]
    [InlineData("""{"abort_all":true,"model":"tiny"}""", true)]
    public async Task What_is_aborted_before_it_is_started_ends_when_it_is(string abort, bool isMeant)
    {
        await using var app = await GatewayApp.StartAsync();
        var (reached, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        app.Grid.Admission = _ =>
        {
            if (app.Grid.Started.IsEmpty)
            {
                return Task.CompletedTask;
            }
            reached.TrySetResult();
            return goOn.Task;
        };
        var answer = app.OkAsync("/generate", """{"text":["a","b","c"],"rid":"step","sampling_params":{"max_new_tokens":1}}""");
        await reached.Task.WaitAsync(Until.Patience, Token);
        using (await app.SendAsync("/abort_request", abort))
        {
        }
        int told = app.Grid.Told.Count;
        goOn.SetResult();
        await answer;
        string[] expected = isMeant ? [.. app.Grid.Sequences.Select(sequence => $"abort {sequence.Id:N}")] : [];
        Assert.Equal(expected.Skip(1), app.Grid.Told.Skip(told));
    }

    /// <summary>The gateway holds a part of a long answer at a time; a short one goes with its length.</summary>
    [Theory]
    [InlineData("/generate", "{\"text\":\"x\",\"sampling_params\":{\"n\":4}}")]
    [InlineData("/v1/completions", "{\"prompt\":\"x\",\"n\":4}")]
    public async Task A_long_answer_goes_out_in_parts_and_says_all(string path, string json)
    {
        await using var app = await GatewayApp.StartAsync();
        foreach (int length in new[] { 600_000, 6 })
        {
            app.Grid.Script = spec => FakeAnswers.Of(new SequenceUpdate { Text = new string((char)('a' + (spec.Generation.Sampling.Seed % 2)), length), Tokens = [new('x', 0, [])], FinishReason = "length" });
            using var response = await app.SendAsync(path, json);
            var body = JsonNode.Parse(await response.Content.ReadAsStringAsync(Token))!;
            Assert.Equal(length > 100, response.Headers.TransferEncodingChunked is true);
            string[] answers = (body as JsonArray ?? body["choices"]!.AsArray()).Select(answer => (string)answer!["text"]!).ToArray();
            Assert.Equal(Enumerable.Repeat(length, 4), answers.Select(text => text.Length));
            Assert.Equal([answers[0][0], answers[1][0], answers[0][0], answers[1][0]], answers.Select(text => text.Distinct().Single()));
        }
    }

    [Fact]
    public async Task An_empty_name_is_no_prefix()
    {
        await using var app = await GatewayApp.StartAsync();
        var (status, body) = await app.PostAsync("/abort_request", """{"rid":"","prefix":true}""");
        Assert.Equal((400, "rid"), (status, (string)body["error"]!["param"]!));
        Assert.Empty(app.Grid.Told);
    }

    [Fact]
    public async Task A_client_that_reads_nothing_is_cut_off_and_its_sequences_end()
    {
        await using var app = await GatewayApp.StartAsync(("Grid:ReaderTimeout", "1"));
        app.Grid.Script = _ => Flood();
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        await socket.ConnectAsync(app.Client.BaseAddress!.Host, app.Client.BaseAddress.Port, Token);
        const string Body = "{\"prompt\":\"x\",\"stream\":true}";
        await socket.SendAsync(Encoding.ASCII.GetBytes($"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {Body.Length}\r\n\r\n{Body}"), Token);
        await Until.HoldsAsync(() => !app.Grid.Sequences.IsEmpty, "No sequence began.");
        await app.Grid.Sequences.Single().Disposed.WaitAsync(Until.Patience, Token);

        static async IAsyncEnumerable<SequenceUpdate> Flood([EnumeratorCancellation] CancellationToken cancellationToken = default)
        {
            while (!cancellationToken.IsCancellationRequested)
            {
                yield return new SequenceUpdate { Text = new string('x', 10_000), Tokens = [new('x', 0, [])] };
                await Task.Delay(1, cancellationToken);
            }
        }
    }

    [Theory]
    [InlineData("/v1/completions", "{\"prompt\":\"x\",\"cache_salt\":\"mine\"}")]
    [InlineData("/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"cache_salt\":\"mine\"}")]
    [InlineData("/generate", "{\"text\":[\"x\",\"y\"],\"cache_salt\":\"mine\"}")]
    public async Task The_salt_and_the_address_go_with_every_sequence(string path, string json)
    {
        await using var app = await GatewayApp.StartAsync();
        await app.OkAsync(path, json);
        Assert.All(app.Grid.Started, spec => Assert.Equal(("mine", "address 127.0.0.1"), (spec.CacheSalt, spec.Client)));
        Assert.Equal(app.Grid.Started.Select((_, i) => i > 0), app.Grid.Started.Select(spec => spec.Follows));
        var (status, body) = await app.PostAsync(path, json.Replace("mine", new string('x', 257), StringComparison.Ordinal));
        Assert.Equal((400, "cache_salt"), (status, (string)body["error"]!["param"]!));
    }

    /// <summary>The test calls from 127.0.0.1.</summary>
    [Theory]
    [InlineData(null, "203.0.113.9", "127.0.0.1")]
    [InlineData("10.0.0.0/8, 192.0.2.7", "203.0.113.9", "127.0.0.1")]
    [InlineData("127.0.0.1", "203.0.113.9", "203.0.113.9")]
    [InlineData("127.0.0.0/8", "2001:db8::7", "2001:db8::7")]
    [InlineData("127.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9")]
    [InlineData("127.0.0.1,10.0.0.0/8", "198.51.100.1, 203.0.113.9, 10.1.2.3", "203.0.113.9")]
    [InlineData("127.0.0.1", "nobody", "127.0.0.1")]
    [InlineData("127.0.0.1", null, "127.0.0.1")]
    public async Task What_is_forwarded_is_believed_of_trusted_proxies_alone(string? trusted, string? forwarded, string client)
    {
        await using var app = await (trusted is null ? GatewayApp.StartAsync() : GatewayApp.StartAsync(("Gateway:TrustedProxies", trusted)));
        if (forwarded is not null)
        {
            app.Client.DefaultRequestHeaders.Add("X-Forwarded-For", forwarded);
        }
        await app.OkAsync("/v1/completions", "{\"prompt\":\"x\"}");
        Assert.Equal($"address {client}", Assert.Single(app.Grid.Started).Client);
    }

    [Fact]
    public async Task A_connection_more_than_there_may_be_is_closed()
    {
        await using var app = await GatewayApp.StartAsync(("Grid:MaxConnections", "1"));
        await app.OkAsync("/v1/completions", "{\"prompt\":\"x\"}"); // Its connection stays open.
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(app.Client.BaseAddress!.Host, app.Client.BaseAddress.Port, Token);
        using var patience = new CancellationTokenSource(Until.Patience);
        Assert.Equal(0, await socket.ReceiveAsync(new byte[1], patience.Token));
        await app.OkAsync("/v1/completions", "{\"prompt\":\"x\"}");
    }

    [Theory]
    [InlineData(RefusalKind.Overloaded, 429, "overloaded", "7")]
    [InlineData(RefusalKind.ClientLimit, 429, "rate_limit_exceeded", "7")]
    [InlineData(RefusalKind.Unavailable, 503, "service_unavailable", "1")]
    [InlineData(RefusalKind.WorkerLost, 503, "worker_lost", "1")]
    [InlineData(RefusalKind.Draining, 503, "gateway_draining", "1")]
    [InlineData(RefusalKind.Failed, 500, "internal_error", null)]
    public async Task What_the_grid_refuses_at_first_or_later_has_a_code_of_its_kind(RefusalKind kind, int status, string code, string? retryAfter)
    {
        await using var app = await GatewayApp.StartAsync();
        var refusal = new Refusal { Kind = kind, Rule = "So it is.", RetryAfter = TimeSpan.FromSeconds(7) };
        app.Grid.Script = _ => FakeAnswers.Of(new SequenceUpdate { Text = "a", Tokens = [new('a', 0, [])] }, new SequenceUpdate { FinishReason = "error", Refusal = refusal });
        await AssertRefusedAsync();
        var events = await app.EventsAsync("/v1/completions", "{\"prompt\":\"x\",\"stream\":true}");
        Assert.Equal("a", (string)events[0]["choices"]![0]!["text"]!);
        Assert.Equal(code, (string)events[^1]["error"]!["code"]!);
        app.Grid.Admission = _ => throw new RefusedException(refusal);
        await AssertRefusedAsync();

        async Task AssertRefusedAsync()
        {
            using var answer = await app.SendAsync("/v1/completions", "{\"prompt\":\"x\"}");
            Assert.Equal((status, retryAfter), ((int)answer.StatusCode, answer.Headers.RetryAfter?.ToString()));
            Assert.Contains($"\"code\":\"{code}\"", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        }
    }
}
