using System.Net.Sockets;
using System.Text;
using Grid.Gateway.Tests.Fakes;
using Grid.Grains.Messages;

namespace Grid.Gateway.Tests;

/// <summary>Streams end once, stop with their client, and hold up nobody.</summary>
public sealed class StreamTests : IAsyncLifetime
{
    private static readonly (string Path, string Json)[] s_requests =
    [
        ("/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"stream\":true,\"stream_options\":{\"include_usage\":true}}"),
        ("/v1/completions", "{\"prompt\":[\"x\",\"y\"],\"stream\":true}"),
        ("/generate", "{\"text\":[\"x\",\"y\"],\"stream\":true}"),
    ];

    private GatewayApp _app = null!;

    public async ValueTask InitializeAsync() => _app = await GatewayApp.StartAsync();

    public ValueTask DisposeAsync() => _app?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Fact]
    public async Task A_failure_while_streaming_is_an_error_event_and_then_the_one_end()
    {
        _app.Grid.Script = _ => FakeAnswers.Of(
            new SequenceUpdate { Text = "hi", Tokens = [new('h', 0, []), new('i', 0, [])] },
            new SequenceUpdate { FinishReason = "error", Error = "logits are not finite" });
        foreach (var (path, json) in s_requests)
        {
            var events = await _app.EventsAsync(path, json);
            Assert.Equal("logits are not finite", (string)events[^1]["error"]!["message"]!);
            Assert.All(events.SkipLast(1), e => Assert.Null(e["error"]));
            Assert.DoesNotContain(events, e => e["usage"] is not null);
        }
    }

    [Fact]
    public async Task An_unexpected_failure_while_streaming_tells_nothing_of_its_inside()
    {
        _app.Grid.Script = _ => FakeAnswers.Of(
            new SequenceUpdate { Text = "a", Tokens = [new('a', 0, [])] },
            new SequenceUpdate { Tokens = null! });
        foreach (var (path, json) in s_requests)
        {
            var events = await _app.EventsAsync(path, json);
            Assert.DoesNotContain("reference", (string)events[^1]["error"]!["message"]!, StringComparison.Ordinal);
        }
    }

    [Fact(Timeout = 60_000)]
    public async Task A_client_that_hangs_up_cancels_its_sequences()
    {
        var token = TestContext.Current.CancellationToken;
        _app.Grid.Script = _ => FakeAnswers.Endless();
        foreach (var (path, json) in s_requests)
        {
            _app.Grid.Sequences.Clear();
            using (var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = Json(json) })
            using (var response = await _app.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, token))
            {
                await using var body = await response.Content.ReadAsStreamAsync(token);
                Assert.NotEqual(0, await body.ReadAsync(new byte[1], token));
            }
            await Task.WhenAll(_app.Grid.Sequences.Select(sequence => sequence.Disposed)).WaitAsync(token);
        }
    }

    [Fact(Timeout = 60_000)]
    public async Task A_client_that_hangs_up_before_a_whole_answer_cancels_its_sequences()
    {
        var token = TestContext.Current.CancellationToken;
        _app.Grid.Script = _ => FakeAnswers.Endless();
        using var leaving = new CancellationTokenSource();
        var pending = _app.Client.PostAsync("/generate", Json("{\"text\":\"x\"}"), leaving.Token);
        await Until.HoldsAsync(() => !_app.Grid.Sequences.IsEmpty, "No sequence began.");
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pending);
        await _app.Grid.Sequences.Single().Disposed.WaitAsync(token);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_client_that_does_not_read_holds_up_neither_its_sequence_nor_others()
    {
        var token = TestContext.Current.CancellationToken;
        // Far more than the buffers of both ends hold.
        var big = new SequenceUpdate { Text = new string('x', 1 << 16), Tokens = [new('x', 0, [])] };
        _app.Grid.Script = spec => spec.PromptText == "big"
            ? FakeAnswers.Of([.. Enumerable.Repeat(big, 500), new SequenceUpdate { FinishReason = "stop" }])
            : FakeAnswers.Default(spec, [1]);
        using var socket = new TcpClient();
        await socket.ConnectAsync("127.0.0.1", _app.Client.BaseAddress!.Port, token);
        const string Body = "{\"prompt\":\"big\",\"stream\":true}";
        await socket.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
            $"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {Body.Length}\r\n\r\n{Body}"), token);

        await Until.HoldsAsync(() => !_app.Grid.Sequences.IsEmpty, "No sequence began.");
        await _app.Grid.Sequences.Single().Drained.WaitAsync(token);
        var other = await _app.OkAsync("/v1/completions", "{\"prompt\":\"small\",\"seed\":4,\"max_tokens\":40}");
        Assert.Equal(FakeAnswers.TextOf(4), (string)other["choices"]![0]!["text"]!);
    }

    [Fact]
    public async Task Text_that_is_held_back_makes_no_empty_events()
    {
        _app.Grid.Script = _ => FakeAnswers.Of(
            new SequenceUpdate { Tokens = [new('a', 0, [])] },
            new SequenceUpdate { Tokens = [new('b', 0, [])] },
            new SequenceUpdate { Text = "abc", Tokens = [new('c', 0, [])], FinishReason = "stop", MatchedStop = "d" });
        var events = await _app.EventsAsync("/v1/completions", "{\"prompt\":\"x\",\"stream\":true}");
        Assert.Equal(["abc", ""], events.Select(e => (string)e["choices"]![0]!["text"]!));
        Assert.Equal("d", (string)events[^1]["choices"]![0]!["stop_reason"]!);
    }

    [Fact]
    public async Task Every_logprob_comes_back_with_the_bits_it_had()
    {
        var random = new Random(7);
        float[] logprobs = [0f, -float.Epsilon, -1.17549435E-38f, -0.1f, -1f / 3, -16777217f / 3, -9998.999f,
            .. Enumerable.Range(0, 2000).Select(_ => BitConverter.Int32BitsToSingle(random.Next(0x00000001, 0x461C3000)) * -1)];
        _app.Grid.Script = _ => FakeAnswers.Of(new SequenceUpdate
        {
            Tokens = [.. logprobs.Select(l => new ScoredToken('a', l, []))],
            FinishReason = "length",
        });
        var item = await _app.OkAsync("/generate", "{\"text\":\"x\",\"return_logprob\":true}");
        // Read as most clients do: to double, then to fp32.
        Assert.Equal(logprobs.Select(BitConverter.SingleToInt32Bits),
            item["meta_info"]!["output_token_logprobs"]!.AsArray().Select(t => BitConverter.SingleToInt32Bits((float)(double)t![0]!)));

        _app.Grid.Script = _ => FakeAnswers.Of(new SequenceUpdate { Tokens = [new('a', float.NegativeInfinity, [])], FinishReason = "length" });
        item = await _app.OkAsync("/generate", "{\"text\":\"x\",\"return_logprob\":true}");
        Assert.Equal("-9999", item["meta_info"]!["output_token_logprobs"]![0]![0]!.ToJsonString());
    }


    private static StringContent Json(string json) => new(json, Encoding.UTF8, "application/json");
}
