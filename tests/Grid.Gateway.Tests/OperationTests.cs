using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Grid.Gateway.Tests.Fakes;
using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Options;
using Grid.Sequences;

namespace Grid.Gateway.Tests;

/// <summary>Health, models, limits, and errors that are not the request's fault.</summary>
public sealed class OperationTests : IAsyncLifetime
{
    private GatewayApp _app = null!;

    public async ValueTask InitializeAsync() => _app = await GatewayApp.StartAsync();

    public ValueTask DisposeAsync() => _app?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Fact]
    public async Task Ready_means_that_a_worker_serves_and_alive_does_not()
    {
        Assert.Equal(200, (await GetAsync("/livez")).Status);
        Assert.Equal(200, (await GetAsync("/readyz")).Status);
        Assert.Equal(200, (await GetAsync("/health")).Status);

        _app.Grid.Models = [];
        Assert.Equal(200, (await GetAsync("/livez")).Status);
        var (status, body) = await GetAsync("/readyz");
        Assert.Equal(503, status);
        Assert.Contains("worker", (string)JsonNode.Parse(body)!["error"]!["message"]!, StringComparison.Ordinal);
        Assert.Equal(503, (await _app.PostAsync("/generate", "{\"text\":\"x\"}")).Status);
    }

    /// <summary>Probes must not keep a node linked to all others. One that is not ready by its own workers may be by others'.</summary>
    [Fact]
    public async Task Other_nodes_are_asked_by_requests_and_by_probes_only_where_this_one_is_not_ready()
    {
        int opened = 0;
        var (models, grid) = (_app.Grid.Models, _app.Grid.Snapshot);
        _app.Grid.Opened = () =>
        {
            opened++;
            (_app.Grid.Models, _app.Grid.Snapshot) = (models, grid);
        };
        foreach (string path in new[] { "/livez", "/readyz", "/health", "/metrics" })
        {
            Assert.Equal(200, (await GetAsync(path)).Status);
        }

        Assert.Equal(0, opened);
        Show(FakeSequenceService.Worker("own", WorkerState.Stuck));
        Assert.Equal(200, (await GetAsync("/readyz")).Status);
        Assert.Equal(1, opened);
        _app.Grid.Models = [];
        Assert.Equal(200, (await _app.PostAsync("/generate", "{\"text\":\"x\"}")).Status);
        Assert.Equal(2, opened);
        Assert.Equal(200, (await GetAsync("/v1/grid")).Status);
        Assert.Equal(200, (await GetAsync("/v1/models")).Status);
        Assert.Equal(4, opened);
    }

    [Fact]
    public async Task The_grid_shows_its_workers_and_is_not_ready_with_none_but_quarantined_ones()
    {
        Show(FakeSequenceService.Worker("a", WorkerState.Quarantined, "it was wrong."), FakeSequenceService.Worker("b", WorkerState.Stuck));
        var workers = JsonNode.Parse((await GetAsync("/v1/grid")).Body)!["workers"]!.AsArray();
        Assert.Equal(["a quarantined it was wrong.", "b stuck "], workers.Select(worker => $"{worker!["id"]} {worker["state"]} {worker["quarantine"]}"));
        Show(FakeSequenceService.Worker("a", WorkerState.Quarantined, "it was wrong."));
        var (status, body) = await GetAsync("/readyz");
        Assert.Equal(503, status);
        Assert.Contains("quarantine", body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_names_its_node_and_tells_how_the_cluster_s_store_is()
    {
        var grid = JsonNode.Parse((await GetAsync("/v1/grid")).Body)!;
        Assert.Equal(("a-node", GridProgram.Version), ((string?)grid["node"]!["name"], (string?)grid["node"]!["version"]));
        Assert.InRange((long)grid["node"]!["uptime_seconds"]!, 0, 3600);
        Assert.Equal("""{"kind":"redis","state":"well"}""", grid["store"]!.ToJsonString());

        _app.Node.SetAway();
        Assert.Equal("away", (string?)JsonNode.Parse((await GetAsync("/v1/grid")).Body)!["store"]!["state"]);
        Assert.Equal(200, (await GetAsync("/readyz")).Status);
        _app.Node.SetLost("The store has lost it.");
        Assert.Equal("lost", (string?)JsonNode.Parse((await GetAsync("/v1/grid")).Body)!["store"]!["state"]);
        var (status, body) = await GetAsync("/readyz");
        Assert.Equal((503, "The store has lost it."), (status, (string?)JsonNode.Parse(body)!["error"]!["message"]));
    }

    /// <summary>Another gateway serves the model perhaps: nobody is told that there is none.</summary>
    [Fact]
    public async Task A_model_is_not_called_unknown_before_all_nodes_have_said_what_they_serve()
    {
        _app.Grid.KnowsAllModels = false;
        var answers = new[]
        {
            await _app.Client.GetAsync("/v1/models/none", Token),
            await _app.Client.PostAsync("/generate", new StringContent("{\"model\":\"none\",\"text\":\"x\"}", Encoding.UTF8, "application/json"), Token),
        };
        foreach (var answer in answers)
        {
            Assert.Equal((503, "service_unavailable"), await ErrorAsync(answer));
            Assert.Contains("which no node serves", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
            Assert.NotNull(answer.Headers.RetryAfter);
        }

        Assert.Equal(200, (await GetAsync("/v1/models/tiny")).Status);
        Assert.Equal(200, (await _app.PostAsync("/generate", "{\"model\":\"tiny\",\"text\":\"x\"}")).Status);
    }

    [Theory]
    [InlineData("1 quarantined, 1 stuck", WorkerState.Quarantined, WorkerState.Stuck)]
    [InlineData("2 draining", WorkerState.Draining, WorkerState.Draining)]
    [InlineData("1 lost", WorkerState.Lost, WorkerState.Failed)]
    [InlineData("No worker serves a model", WorkerState.Failed)]
    [InlineData("No worker serves a model")]
    [InlineData(null, WorkerState.Lost, WorkerState.Live, WorkerState.Quarantined)]
    internal async Task Ready_takes_a_worker_that_is_live_and_otherwise_says_what_the_others_are(string? reason, params WorkerState[] states)
    {
        Show([.. states.Select((state, i) => FakeSequenceService.Worker($"{i}", state))]);
        foreach (string? path in new[] { "/readyz", "/health" })
        {
            var (status, body) = await GetAsync(path);
            Assert.Equal(reason is null ? 200 : 503, status);
            Assert.Contains(reason ?? "ok", body, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Models_are_listed_and_found_by_name()
    {
        _app.Grid.Models = [FakeSequenceService.Model with { Id = "org/tiny" }];
        var list = JsonNode.Parse((await GetAsync("/v1/models")).Body)!;
        var model = list["data"]!.AsArray().Single()!;
        Assert.Equal(("list", "org/tiny", "model", 1_700_000_000L, 4096),
            ((string)list["object"]!, (string)model["id"]!, (string)model["object"]!, (long)model["created"]!, (int)model["max_model_len"]!));
        Assert.Equal(model.ToJsonString(), JsonNode.Parse((await GetAsync("/v1/models/org/tiny")).Body)!.ToJsonString());
        Assert.Equal((404, "model_not_found"), await ErrorAsync(await _app.Client.GetAsync("/v1/models/none", Token)));
        Assert.Equal("org/tiny", (string)JsonNode.Parse((await GetAsync("/get_model_info")).Body)!["model_path"]!);
    }

    [Fact]
    public async Task The_grid_is_shown_with_its_workers_and_what_waits()
    {
        var status = new WorkerStatus
        {
            Worker = new("silo/cpu"),
            ModelId = "tiny",
            NumericsId = "grid-1-fake",
            TextDigest = "",
            Device = "a CPU",
            Started = DateTimeOffset.UnixEpoch.AddSeconds(9),
            Limits = new() { MaxContextTokens = 1, MaxRunningSequences = 2, MaxWaitingSequences = 3, KvCacheTokens = 4, VocabularySize = 5, MaxModelTokens = 1 },
            Load = default,
            PageTokens = 64,
        };
        var load = new WorkerLoad { Running = 6, Waiting = 7, QueuedTokens = 8, Steps = 9, PromptTokens = 10, CachedPromptTokens = 11, GeneratedTokens = 12, Preemptions = 13, TotalPages = 14, FreePages = 15, CachedPages = 16 };
        _app.Grid.Snapshot = new(
            [new(status, load, WorkerState.Live, 17), new(status, load, WorkerState.Draining, 0), new(status, load, WorkerState.Lost, 0)],
            new Dictionary<string, int> { ["tiny"] = 18 },
            Running: 19);
        var grid = JsonNode.Parse((await GetAsync("/v1/grid")).Body)!;
        Assert.Equal(
            """
            {"id":"silo/cpu","model":"tiny","system_fingerprint":"grid-1-fake","weight_version":"default","device":"a CPU","state":"live","started":9,"limits":{"max_model_len":1,"max_running_requests":2,"max_queued_requests":3,"kv_cache_tokens":4},"load":{"running":6,"waiting":7,"queued_tokens":8,"steps":9,"prompt_tokens":10,"cached_prompt_tokens":11,"generated_tokens":12,"preemptions":13,"paused":false},"pages":{"tokens":64,"total":14,"free":15,"cached":16,"known_here":17}}
            """, grid["workers"]![0]!.ToJsonString());
        Assert.Equal(["live", "draining", "lost"], grid["workers"]!.AsArray().Select(worker => (string)worker!["state"]!));
        Assert.Equal("""{"tiny":18}""", grid["queued"]!.ToJsonString());
        Assert.Equal(19, (int)grid["running"]!);
    }

    [Fact]
    public async Task The_cache_is_flushed_by_POST_alone_with_an_empty_body_and_not_by_a_page_of_others()
    {
        using var posted = await _app.Client.PostAsync("/flush_cache", null, Token);
        Assert.Equal(HttpStatusCode.OK, posted.StatusCode);
        Assert.Equal(1, _app.Grid.Flushes);
        foreach (var (origin, status) in new[] { ("https://evil.example", 403), ("null", 403), (_app.Client.BaseAddress!.GetLeftPart(UriPartial.Authority), 200) })
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/flush_cache") { Headers = { { "Origin", origin } } };
            using var response = await _app.Client.SendAsync(request, Token);
            Assert.Equal(status, (int)response.StatusCode);
        }
        Assert.Equal(2, _app.Grid.Flushes);

        Assert.Equal((405, "method_not_allowed"), await ErrorAsync(await _app.Client.GetAsync("/flush_cache", Token)));
        Assert.Equal((400, "unexpected_body"), await ErrorAsync(await _app.SendAsync("/flush_cache", "{\"a\":1}")));
        Assert.Equal(2, _app.Grid.Flushes);
        _app.Grid.FlushingWorkers = 0;
        Assert.Equal((503, "service_unavailable"), await ErrorAsync(await _app.Client.PostAsync("/flush_cache", null, Token)));
    }

    /// <summary>A page whose name resolves to this machine reaches the gateway from here.</summary>
    [Fact]
    public async Task Host_names_that_nobody_allowed_are_refused_on_this_machine()
    {
        await using var named = await GatewayApp.StartAsync(("Gateway:AllowedHosts", "grid.example, other.example"));
        await using var open = await GatewayApp.StartAsync(("Gateway:AllowedHosts", "*"));
        foreach (var (app, host, allowed) in new[]
        {
            (_app, "evil.example", false), (_app, "localhost", true), (_app, "[::1]:80", true), (_app, "127.0.0.1:1", true),
            (_app, "127.0.0.1.evil.example", false), (named, "Grid.example:8000", true), (named, "evil.example", false), (open, "evil.example", true),
        })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/livez") { Headers = { Host = host } };
            using var response = await app.Client.SendAsync(request, Token);
            Assert.True(allowed == response.IsSuccessStatusCode, host);
            Assert.True(allowed || await ErrorAsync(response) == (403, "host_not_allowed"), host);
        }
    }

    /// <summary>The first body is held by its running answer; it is given back with the answer's end.</summary>
    [Fact(Timeout = 60_000)]
    public async Task Bodies_of_all_requests_under_way_share_a_budget()
    {
        var token = TestContext.Current.CancellationToken;
        await using var small = await GatewayApp.StartAsync(("Gateway:MaxTotalBodyBytes", "4000"));
        string body = $"{{\"text\":\"{new string('x', 2500)}\",\"stream\":true}}";
        small.Grid.Script = _ => FakeAnswers.Endless();
        using (var first = new LiveStream(small, "/generate", body))
        {
            await first.NextAsync(_ => true);
            using var refused = await small.SendAsync("/generate", body);
            Assert.NotNull(refused.Headers.RetryAfter);
            Assert.Equal((429, "overloaded"), await ErrorAsync(refused));
            Assert.Equal((413, "request_too_large"), await ErrorAsync(await small.SendAsync("/generate", new string(' ', 3500))));

            // Large bodies do not keep small ones out: these go beyond what large ones may take.
            var streams = Enumerable.Range(0, 4).Select(_ => new LiveStream(small, "/generate", $"{{\"text\":\"{new string('x', 200)}\",\"stream\":true}}")).ToArray();
            foreach (var stream in streams)
            {
                await stream.NextAsync(_ => true);
            }
            foreach (var stream in streams)
            {
                stream.Dispose();
            }
        }
        small.Grid.Script = null;
        await Until.HoldsAsync(
            async () =>
            {
                using var answered = await small.SendAsync("/generate", body);
                return answered.IsSuccessStatusCode;
            },
            "What left was not let go of.");
    }

    [Fact]
    public async Task Wrong_paths_methods_and_content_types_get_the_error_object()
    {
        Assert.Equal((404, "unknown_url"), await ErrorAsync(await _app.Client.GetAsync("/v2/poems", Token)));
        using var get = await _app.Client.GetAsync("/generate", Token);
        Assert.Equal("POST", get.Content.Headers.Allow.Single());
        Assert.Equal((405, "method_not_allowed"), await ErrorAsync(get));
        Assert.Equal((415, "unsupported_media_type"), await ErrorAsync(await _app.SendAsync("/generate", "{\"text\":\"x\"}"u8.ToArray(), "text/plain")));
        Assert.Equal((415, "unsupported_media_type"), await ErrorAsync(await _app.SendAsync("/generate", "{\"text\":\"x\"}"u8.ToArray(), "application/json; charset=utf-16")));
        using var none = await _app.Client.PostAsync("/generate", null, Token);
        Assert.Equal((415, "unsupported_media_type"), await ErrorAsync(none));
    }

    [Fact]
    public async Task A_body_above_the_limit_is_refused_with_and_without_a_declared_length()
    {
        await using var small = await GatewayApp.StartAsync(("Gateway:MaxRequestBodyBytes", "2000"));
        byte[] body = Encoding.UTF8.GetBytes($"{{\"text\":\"{new string('x', 3000)}\"}}");
        Assert.Equal((413, "request_too_large"), await ErrorAsync(await small.SendAsync("/generate", body)));

        using var chunked = new HttpRequestMessage(HttpMethod.Post, "/generate") { Content = new ByteArrayContent(body) };
        chunked.Content.Headers.ContentType = new("application/json");
        chunked.Headers.TransferEncodingChunked = true;
        Assert.Equal((413, "request_too_large"), await ErrorAsync(await small.Client.SendAsync(chunked, Token)));
        Assert.Empty(small.Grid.Started);
        await small.OkAsync("/generate", "{\"text\":\"x\"}");
    }

    [Theory]
    [InlineData("Gateway:MaxJsonDepth", "1", "MaxJsonDepth", "1")]
    [InlineData("Gateway:MaxRequestBodyBytes", "-5", "MaxRequestBodyBytes", "-5")]
    [InlineData("Gateway:MaxRequestBodyBites", "5000", "MaxRequestBodyBites", "")]
    [InlineData("Gateway:MaxSequencesPerRequest", "many", "MaxSequencesPerRequest", "many")]
    public async Task A_bad_option_fails_the_start_by_name(string key, string value, string named, string shown)
    {
        var failure = await Assert.ThrowsAsync<StartException>(() => GatewayApp.StartAsync((key, value)));
        Assert.Equal(StartException.Usage, failure.ExitCode);
        Assert.Contains(named, failure.Message, StringComparison.Ordinal);
        Assert.Contains(shown, failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(RefusalKind.Overloaded, 429, "overloaded", true)]
    [InlineData(RefusalKind.Unavailable, 503, "service_unavailable", true)]
    [InlineData(RefusalKind.ModelNotFound, 404, "model_not_found", false)]
    [InlineData(RefusalKind.Invalid, 400, "invalid_value", false)]
    internal async Task The_grid_s_refusals_keep_their_meaning(RefusalKind kind, int status, string code, bool retry)
    {
        _app.Grid.Script = _ => throw new RefusedException(Refusal.Invalid("MinNewTokens", 7, "be another") with { Kind = kind });
        foreach (string? stream in new[] { "false", "true" })
        {
            using var response = await _app.SendAsync("/v1/completions", $"{{\"prompt\":\"x\",\"stream\":{stream}}}");
            Assert.Equal(retry, response.Headers.RetryAfter is not null);
            Assert.Equal((status, code), await ErrorAsync(response));
        }
    }

    [Fact(Timeout = 60_000)]
    public async Task When_one_of_many_is_refused_the_others_are_cancelled()
    {
        var token = TestContext.Current.CancellationToken;
        _app.Grid.Script = spec => spec.PromptText == "last"
            ? throw new RefusedException(new() { Kind = RefusalKind.Overloaded, Rule = "It is full." })
            : FakeAnswers.Endless();
        Assert.Equal((429, "overloaded"), await ErrorAsync(await _app.SendAsync("/generate", "{\"text\":[\"a\",\"b\",\"last\"]}")));
        Assert.Equal(2, _app.Grid.Sequences.Count);
        await Task.WhenAll(_app.Grid.Sequences.Select(sequence => sequence.Disposed)).WaitAsync(token);
    }

    [Fact]
    public async Task An_unexpected_failure_gives_an_id_and_nothing_of_its_inside()
    {
        _app.Grid.Script = _ => throw new InvalidTimeZoneException("inner workings");
        using var response = await _app.SendAsync("/generate", "{\"text\":\"x\"}");
        string id = response.Headers.GetValues("X-Request-Id").Single();
        string body = await response.Content.ReadAsStringAsync(Token);
        Assert.Equal(500, (int)response.StatusCode);
        Assert.Contains(id, body, StringComparison.Ordinal);
        Assert.DoesNotContain("inner", body, StringComparison.Ordinal);
        Assert.Contains(_app.Logs.Lines, line => line.Contains(id, StringComparison.Ordinal) && line.Contains("inner workings", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_sequence_that_fails_fails_a_whole_answer()
    {
        _app.Grid.Script = _ => FakeAnswers.Of(new SequenceUpdate { Text = "a" }, new SequenceUpdate { FinishReason = "error", Error = "logits are not finite" });
        var (status, body) = await _app.PostAsync("/v1/completions", "{\"prompt\":\"x\"}");
        Assert.Equal((500, "logits are not finite", "server_error"), (status, (string)body["error"]!["message"]!, (string)body["error"]!["type"]!));

        // One that was aborted answers with what it has, but not with scores that it has not.
        _app.Grid.Script = _ => FakeAnswers.Of(new SequenceUpdate { Text = "a" }, new SequenceUpdate { FinishReason = "abort" });
        (status, body) = await _app.PostAsync("/v1/completions", "{\"prompt\":\"x\"}");
        Assert.Equal((200, "a", "abort"), (status, (string)body["choices"]![0]!["text"]!, (string)body["choices"]![0]!["finish_reason"]!));
        (status, _) = await _app.PostAsync("/v1/completions", "{\"prompt\":\"xy\",\"echo\":true,\"logprobs\":1,\"max_tokens\":0}");
        Assert.Equal(503, status);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private async Task<(int Status, string Body)> GetAsync(string path)
    {
        using var response = await _app.Client.GetAsync(path, Token);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(Token));
    }

    private static async Task<(int Status, string Code)> ErrorAsync(HttpResponseMessage response)
    {
        var body = JsonNode.Parse(await response.Content.ReadAsStringAsync(Token))!;
        return ((int)response.StatusCode, (string)body["error"]!["code"]!);
    }

    private void Show(params WorkerSnapshot[] workers) => _app.Grid.Snapshot = new(workers, new Dictionary<string, int>(), Running: 0);
}
