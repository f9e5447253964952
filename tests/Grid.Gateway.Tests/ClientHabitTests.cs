using System.Globalization;
using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Grid.Gateway.Tests.Fakes;
using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Tests.Streams;

namespace Grid.Gateway.Tests;

/// <summary>What clients send without asking for anything by it, and the forms that HTTP lets them choose from.</summary>
public sealed class ClientHabitTests : IAsyncLifetime
{
    private const string Chat = "/v1/chat/completions";
    private const string Completions = "/v1/completions";
    private const string Generate = "/generate";

    private GatewayApp _app = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _app = await GatewayApp.StartAsync();

    public ValueTask DisposeAsync() => _app?.DisposeAsync() ?? ValueTask.CompletedTask;

    /// <summary>Known or not, and at every level, they change nothing of what is asked of the grid.</summary>
    [Theory]
    [InlineData("null")]
    [InlineData("false")]
    [InlineData("\"\"")]
    [InlineData("[]")]
    [InlineData("{}")]
    public async Task Fields_that_ask_for_nothing_are_absent(string nothing)
    {
        string Fields(string names) => string.Concat(names.Split(' ').Select(name => $",\"{name}\":{nothing}"));
        const string Sampling = "temperature top_p top_k min_p presence_penalty frequency_penalty repetition_penalty logit_bias stop stop_token_ids ignore_eos n "
            + "stop_regex custom_params json_schema no_stop_trim never_heard_of";
        const string OpenAi = Sampling + " model seed min_tokens stream stream_options user metadata max_tokens cross_check cache_salt timeout prompt_logprobs "
            + "provider_specific_fields return_routed_experts guided_json best_of suffix store";
        (string Path, string Plain, string With)[] requests =
        [
            (Chat, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}]}],\"seed\":1}",
                $"{{\"messages\":[{{\"role\":\"user\",\"content\":[{{\"type\":\"text\",\"text\":\"x\"{Fields("annotations cache_control")}}}]"
                + $"{Fields("name reasoning_content reasoning annotations refusal parsed tool_calls function_call audio type provider_specific_fields")}}}]"
                + $"{Fields(OpenAi.Replace(" seed", "", StringComparison.Ordinal) + " tools tool_choice response_format logprobs top_logprobs max_completion_tokens chat_template_kwargs functions")},\"seed\":1}}"),
            (Completions, "{\"prompt\":\"x\",\"seed\":1}", $"{{\"prompt\":\"x\",\"seed\":1{Fields(OpenAi.Replace(" seed", "", StringComparison.Ordinal) + " echo logprobs")}}}"),
            (Generate, "{\"text\":\"x\",\"sampling_params\":{\"sampling_seed\":1}}",
                $"{{\"text\":\"x\",\"sampling_params\":{{\"sampling_seed\":1{Fields(Sampling + " max_new_tokens min_new_tokens")}}}"
                + $"{Fields("input_ids image_data return_logprob logprob_start_len top_logprobs_num return_text_in_logprobs stream rid model return_routed_experts lora_path never_heard_of")}}}"),
        ];
        foreach (var (path, plain, with) in requests)
        {
            _app.Grid.Started.Clear();
            await _app.OkAsync(path, plain);
            await _app.OkAsync(path, with);
            string[] specs = _app.Grid.Started.Select(spec => JsonSerializer.Serialize(spec)).ToArray();
            Assert.Equal(specs[0], specs[1]);
        }
    }

    [Fact]
    public async Task A_false_that_asks_for_something_is_heard()
    {
        await _app.OkAsync(Chat, "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"add_generation_prompt\":false}");
        await _app.OkAsync(Completions, "{\"prompt\":\"x\",\"add_special_tokens\":false}");
        Assert.DoesNotContain("assistant", _app.Grid.Started.First().PromptText!, StringComparison.Ordinal);
        Assert.False(_app.Grid.Started.Last().AddSpecialTokens);
        await _app.OkAsync(Chat, "{\"messages\":[{\"role\":\"user\",\"content\":\"\"}],\"metadata\":{\"empty\":\"\"}}");
    }

    [Fact]
    public async Task Integers_may_be_written_with_a_point_or_an_exponent()
    {
        await _app.OkAsync(Completions, "{\"prompt\":[42.0,4.2e1,420e-1],\"max_tokens\":1e1,\"top_k\":-1.0,\"seed\":-1.0,\"n\":1.0,\"stop_token_ids\":[7.0]}");
        var spec = _app.Grid.Started.Single();
        Assert.Equal([42, 42, 42], spec.PromptIds!);
        Assert.Equal((10, ulong.MaxValue), (spec.Generation.MaxNewTokens, spec.Generation.Sampling.Seed));
        Assert.Equal([7], spec.Generation.StopTokenIds);
        await _app.OkAsync(Completions, "{\"prompt\":\"x\",\"seed\":18446744073709551615.0}");
        Assert.Equal(ulong.MaxValue, _app.Grid.Started.Last().Generation.Sampling.Seed);
    }

    [Theory]
    [InlineData(Chat, "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"n\":2,\"seed\":4")]
    [InlineData(Completions, "{\"prompt\":\"x\",\"n\":2,\"seed\":4,\"max_tokens\":40")]
    public async Task Usage_is_in_every_event_where_it_is_asked_for(string path, string json)
    {
        var events = await _app.EventsAsync(path, json + ",\"stream\":true,\"stream_options\":{\"include_usage\":true,\"continuous_usage_stats\":true}}");
        Assert.All(events, e => Assert.Equal((int)e["usage"]!["total_tokens"]!, (int)e["usage"]!["prompt_tokens"]! + (int)e["usage"]!["completion_tokens"]!));
        for (int index = 0; index < 2; index++)
        {
            int[] counts = [.. events.SkipLast(1).Where(e => (int)e["choices"]![0]!["index"]! == index).Select(e => (int)e["usage"]!["completion_tokens"]!)];
            Assert.Equal(counts.Order(), counts);
            Assert.Equal((int)events[^1]["usage"]!["completion_tokens"]!, 2 * counts[^1]);
        }
        // By itself it means nothing, as in vLLM.
        Assert.All(await _app.EventsAsync(path, json + ",\"stream\":true,\"stream_options\":{\"continuous_usage_stats\":true}}"), e => Assert.Null(e["usage"]));
    }

    [Theory]
    [InlineData(Chat, "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"stream\":true}")]
    [InlineData(Completions, "{\"prompt\":\"x\",\"stream\":true}")]
    [InlineData(Generate, "{\"text\":\"x\",\"stream\":true}")]
    public async Task Events_are_data_and_nothing_else_and_can_be_had_again_all_the_same(string path, string json)
    {
        using var response = await _app.SendAsync(path, json);
        string text = await response.Content.ReadAsStringAsync(Token);
        Assert.All(text[..^2].Split("\n\n"), e => Assert.StartsWith("data: ", e, StringComparison.Ordinal));
        string id = response.Headers.GetValues("X-Sequence-Id").Single();
        string again = await _app.Client.GetStringAsync($"/v1/sequences/{id}/events", Token);
        Assert.DoesNotContain("id: ", again, StringComparison.Ordinal);
        Assert.Equal(new Told().Take(GatewayApp.ReadEvents(text)).ToString(), new Told().Take(GatewayApp.ReadEvents(again)).ToString());

        // Its resumption may ask for them, too.
        using var asks = new HttpRequestMessage(HttpMethod.Get, $"/v1/sequences/{id}/events") { Headers = { { "X-Event-Ids", "true" } } };
        using var with = await _app.Client.SendAsync(asks, Token);
        Assert.All(GatewayApp.ReadEvents(await with.Content.ReadAsStringAsync(Token)), e => Assert.StartsWith(id, e.Id, StringComparison.Ordinal));
        using var wrong = new HttpRequestMessage(HttpMethod.Get, $"/v1/sequences/{id}/events") { Headers = { { "X-Event-Ids", "maybe" } } };
        using var refused = await _app.Client.SendAsync(wrong, Token);
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
    }

    [Theory]
    [InlineData(Chat, "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"n\":2,\"stream_options\":{\"include_usage\":true},\"stream\":true}")]
    [InlineData(Completions, "{\"prompt\":[\"x\",\"y\"],\"logprobs\":1,\"stream\":true}")]
    [InlineData(Generate, "{\"text\":[\"x\",\"y\"],\"stream\":true}")]
    public async Task A_stream_goes_on_after_a_count_of_its_events(string path, string json)
    {
        using var response = await _app.SendAsync(path, json);
        var whole = GatewayApp.ReadEvents(await response.Content.ReadAsStringAsync(Token));
        string expected = new Told().Take(whole).ToString(), id = response.Headers.GetValues("X-Sequence-Id").Single();
        for (int count = whole.Count - 1; count >= 0; count--)
        {
            // Whoever counts goes on counting.
            var rest = GatewayApp.ReadEvents(await _app.Client.GetStringAsync($"/v1/sequences/{id}/events?starting_after={count}", Token));
            Assert.Equal(expected, new Told().Take(whole.Take(count)).Take(rest).ToString());
            whole = [.. whole.Take(count), .. rest];
        }
        foreach (var (query, status) in new[] { ("starting_after=9999", 409), ("starting_after=-1", 400), ("starting_after=x", 400), ("starting_after=1&last_event_id=x", 400), ("after=1", 400) })
        {
            using var refused = await _app.Client.GetAsync($"/v1/sequences/{id}/events?{query}", Token);
            Assert.Equal(status, (int)refused.StatusCode);
        }
    }

    [Fact]
    public async Task Event_ids_can_be_asked_for_in_the_body()
    {
        using var response = await _app.SendAsync(Completions, "{\"prompt\":\"x\",\"stream\":true,\"stream_options\":{\"include_event_ids\":true}}");
        Assert.All(GatewayApp.ReadEvents(await response.Content.ReadAsStringAsync(Token)), e => Assert.NotNull(e.Id));
    }

    /// <summary>For a token, or in line for a worker: the status is out, and what is refused then is an event.</summary>
    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task A_stream_that_waits_says_so(bool inLine, bool withIds)
    {
        await using var app = await GatewayApp.StartAsync(("Grid:StreamKeepAlive", "1"));
        var goOn = new TaskCompletionSource();
        app.Grid.Admission = token => inLine ? goOn.Task.WaitAsync(token) : Task.CompletedTask;
        app.Grid.Script = spec => After(spec, inLine ? Task.CompletedTask : goOn.Task);
        using var request = new HttpRequestMessage(HttpMethod.Post, Completions)
        {
            Content = new StringContent($"{{\"prompt\":\"x\",\"stream\":true,\"stream_options\":{{\"include_event_ids\":{(withIds ? "true" : "false")}}}}}", Encoding.UTF8, "application/json"),
        };
        using var response = await app.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Token);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        string id = response.Headers.GetValues("X-Sequence-Id").Single();
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(Token));
        for (int i = 0; i < 2; i++)
        {
            Assert.Equal(withIds ? ": waiting" : "", await reader.ReadLineAsync(Token));
            Assert.Equal("", withIds ? await reader.ReadLineAsync(Token) : "");
        }
        goOn.SetResult();
        string rest = await reader.ReadToEndAsync(Token);
        var events = GatewayApp.ReadEvents(rest.Replace(": waiting\n\n", "", StringComparison.Ordinal).TrimStart('\n'));
        Assert.Equal(events.Select(e => e.Data), GatewayApp.ReadEvents(await app.Client.GetStringAsync($"/v1/sequences/{id}/events", Token)).Select(e => e.Data));

        static async IAsyncEnumerable<SequenceUpdate> After(SequenceSpec spec, Task goOn)
        {
            await goOn;
            yield return new SequenceUpdate { Text = "a", Tokens = [new('a', 0, [])], FinishReason = "stop" };
        }
    }

    [Fact]
    public async Task What_is_refused_after_a_stream_has_waited_is_an_event_and_the_end()
    {
        await using var app = await GatewayApp.StartAsync(("Grid:StreamKeepAlive", "1"));
        var goOn = new TaskCompletionSource();
        app.Grid.Admission = token => goOn.Task.WaitAsync(token);
        using var request = new HttpRequestMessage(HttpMethod.Post, Generate)
        {
            Content = new StringContent("{\"text\":\"x\",\"stream\":true}", Encoding.UTF8, "application/json"),
        };
        using var response = await app.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Token);
        goOn.SetException(new RefusedException(new Refusal { Kind = RefusalKind.Overloaded, Rule = "Too long." }));
        string text = await response.Content.ReadAsStringAsync(Token);
        var events = GatewayApp.ParseEvents(text.TrimStart('\n'));
        Assert.Equal("overloaded", (string)Assert.Single(events)["error"]!["code"]!);
    }

    [Theory]
    [InlineData("/v1/models")]
    [InlineData("/v1/models/tiny")]
    [InlineData("/get_model_info")]
    [InlineData("/v1/grid")]
    [InlineData("/health")]
    [InlineData("/readyz")]
    [InlineData("/livez")]
    [InlineData("/metrics")]
    public async Task HEAD_has_the_headers_of_GET(string path)
    {
        using var got = await _app.Client.GetAsync(path, Token);
        using var head = await _app.Client.SendAsync(new HttpRequestMessage(HttpMethod.Head, path), Token);
        Assert.Equal((got.StatusCode, got.Content.Headers.ContentType?.ToString()), (head.StatusCode, head.Content.Headers.ContentType?.ToString()));
        Assert.Empty(await head.Content.ReadAsByteArrayAsync(Token));
    }

    [Theory]
    [InlineData("Qwen/Qwen3-0.6B")]
    [InlineData("Qwen%2FQwen3-0.6B")]
    [InlineData("Qwen%2fQwen3-0.6B")]
    public async Task A_model_with_a_slash_is_found(string path)
    {
        _app.Grid.Models = [FakeSequenceService.Model with { Id = "Qwen/Qwen3-0.6B" }];
        var model = JsonNode.Parse(await _app.Client.GetStringAsync($"/v1/models/{path}", Token))!;
        Assert.Equal("Qwen/Qwen3-0.6B", (string)model["id"]!);
    }

    [Theory]
    [InlineData("application/json; charset=\"utf-8\"")]
    [InlineData("application/json;charset=UTF-8")]
    [InlineData("Application/JSON")]
    public async Task The_content_type_may_be_written_as_HTTP_has_it(string contentType)
    {
        using var response = await _app.SendAsync(Completions, Encoding.UTF8.GetBytes("{\"prompt\":\"x\"}"), contentType);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Fact]
    public async Task A_byte_order_mark_is_no_part_of_the_body()
    {
        using var response = await _app.SendAsync(Completions, [.. Encoding.UTF8.Preamble, .. Encoding.UTF8.GetBytes("{\"prompt\":\"x\"}")]);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("GZIP")]
    [InlineData("deflate")]
    [InlineData("br")]
    public async Task A_packed_body_is_unpacked_and_its_limit_holds_for_what_was_packed(string encoding)
    {
        await using var small = await GatewayApp.StartAsync(("Gateway:MaxRequestBodyBytes", "2000"));
        using var good = await small.Client.PostAsync(Completions, Packed(encoding, "{\"prompt\":\"x\"}"), Token);
        Assert.Equal(HttpStatusCode.OK, good.StatusCode);
        using var large = await small.Client.PostAsync(Completions, Packed(encoding, $"{{\"prompt\":\"{new string('x', 1_000_000)}\"}}"), Token);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, large.StatusCode);
        var broken = new ByteArrayContent([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) { Headers = { ContentType = new("application/json"), ContentEncoding = { encoding } } };
        using var bad = await small.Client.PostAsync(Completions, broken, Token);
        Assert.Equal(HttpStatusCode.BadRequest, bad.StatusCode);
    }

    [Fact]
    public async Task A_packing_that_is_not_known_is_refused_by_name()
    {
        var content = new StringContent("{}", Encoding.UTF8, "application/json");
        content.Headers.ContentEncoding.Add("zstd");
        using var response = await _app.Client.PostAsync(Completions, content, Token);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, response.StatusCode);
        Assert.Contains("zstd", await response.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
    }

    /// <summary>Clients send all of their body before they read.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Who_sends_too_much_is_told_so(bool chunked)
    {
        await using var small = await GatewayApp.StartAsync(("Gateway:MaxRequestBodyBytes", "2000"));
        using var client = new TcpClient();
        await client.ConnectAsync(small.Client.BaseAddress!.Host, small.Client.BaseAddress.Port, Token);
        var stream = client.GetStream();
        const int Bytes = 8 << 20;
        string framing = chunked ? "Transfer-Encoding: chunked" : $"Content-Length: {Bytes}";
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"POST {Generate} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{framing}\r\n\r\n"), Token);
        byte[] part = Encoding.ASCII.GetBytes(new string('x', 1 << 16));
        for (int sent = 0; sent < Bytes; sent += part.Length)
        {
            if (chunked)
            {
                await stream.WriteAsync(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{part.Length:X}\r\n")), Token);
            }
            await stream.WriteAsync(part, Token);
            await stream.WriteAsync(chunked ? "\r\n"u8.ToArray() : [], Token);
        }
        await stream.WriteAsync(chunked ? "0\r\n\r\n"u8.ToArray() : [], Token);
        string answer = await new StreamReader(stream).ReadToEndAsync(Token);
        Assert.StartsWith("HTTP/1.1 413 ", answer, StringComparison.Ordinal);
        Assert.Contains("request_too_large", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData(" { }\n")]
    public async Task The_cache_is_flushed_with_an_empty_object_too(string body)
    {
        using var response = await _app.SendAsync("/flush_cache", body);
        Assert.Equal((HttpStatusCode.OK, 1), (response.StatusCode, _app.Grid.Flushes));
        using var wrong = await _app.SendAsync("/flush_cache", "{\"a\":1}");
        Assert.Equal(HttpStatusCode.BadRequest, wrong.StatusCode);
    }

    [Fact]
    public async Task Pages_of_an_origin_that_is_listed_may_ask_and_no_others()
    {
        await using var app = await GatewayApp.StartAsync(("Gateway:CorsOrigins", "https://chat.example, https://other.example"));
        using var preflight = await AskAsync(app, HttpMethod.Options, "https://other.example");
        Assert.Equal(HttpStatusCode.NoContent, preflight.StatusCode);
        Assert.Equal("https://other.example", preflight.Headers.GetValues("Access-Control-Allow-Origin").Single());
        Assert.Equal("content-type", preflight.Headers.GetValues("Access-Control-Allow-Headers").Single());
        using var answer = await AskAsync(app, HttpMethod.Post, "https://chat.example");
        Assert.Equal("https://chat.example", answer.Headers.GetValues("Access-Control-Allow-Origin").Single());
        Assert.Contains("X-Sequence-Id", answer.Headers.GetValues("Access-Control-Expose-Headers").Single(), StringComparison.Ordinal);
        using var foreign = await AskAsync(app, HttpMethod.Post, "https://evil.example");
        Assert.False(foreign.Headers.Contains("Access-Control-Allow-Origin"));

        // Nobody without the option.
        using var off = await AskAsync(_app, HttpMethod.Options, "https://chat.example");
        Assert.Equal(HttpStatusCode.MethodNotAllowed, off.StatusCode);
        await using var all = await GatewayApp.StartAsync(("Gateway:CorsOrigins", "*"));
        using var any = await AskAsync(all, HttpMethod.Post, "https://evil.example");
        Assert.Equal("*", any.Headers.GetValues("Access-Control-Allow-Origin").Single());

        static Task<HttpResponseMessage> AskAsync(GatewayApp app, HttpMethod method, string origin)
        {
            var request = new HttpRequestMessage(method, Completions) { Headers = { { "Origin", origin } } };
            if (method == HttpMethod.Options)
            {
                request.Headers.Add("Access-Control-Request-Method", "POST");
                request.Headers.Add("Access-Control-Request-Headers", "content-type");
            }
            else
            {
                request.Content = new StringContent("{\"prompt\":\"x\"}", Encoding.UTF8, "application/json");
            }
            return app.Client.SendAsync(request, Token);
        }
    }

    private static ByteArrayContent Packed(string encoding, string text)
    {
        using var bytes = new MemoryStream();
        using (Stream packing = encoding.ToLowerInvariant() switch
        {
            "gzip" => new GZipStream(bytes, CompressionMode.Compress),
            "deflate" => new ZLibStream(bytes, CompressionMode.Compress),
            _ => new BrotliStream(bytes, CompressionMode.Compress),
        })
        {
            packing.Write(Encoding.UTF8.GetBytes(text));
        }
        return new ByteArrayContent(bytes.ToArray()) { Headers = { ContentType = new MediaTypeHeaderValue("application/json"), ContentEncoding = { encoding } } };
    }
}
