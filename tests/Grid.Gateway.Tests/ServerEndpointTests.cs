using System.Net;
using System.Text.Json.Nodes;
using Grid.Gateway.Tests.Fakes;
using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Sequences;

namespace Grid.Gateway.Tests;

/// <summary>What launch scripts, routers and benchmarks ask a server about itself, and text to ids and back.</summary>
public sealed class ServerEndpointTests : IAsyncLifetime
{
    private GatewayApp _app = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _app = await GatewayApp.StartAsync();

    public ValueTask DisposeAsync() => _app?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Fact]
    public async Task Two_names_give_the_same()
    {
        Assert.Equal(await GetAsync("/get_model_info"), await GetAsync("/model_info"));
        foreach (string path in (string[])["/server_info", "/get_server_info"])
        {
            var info = JsonNode.Parse(await GetAsync(path))!;
            Assert.Equal(("tiny", "ready", 4096), ((string)info["model_path"]!, (string)info["status"]!, (int)info["context_length"]!));
            Assert.Single(info["internal_states"]!.AsArray());
        }
        Assert.Matches("^{\"version\":\"[0-9]", await GetAsync("/version"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("?include=core")]
    [InlineData("?include=all&format=json")]
    public async Task Loads_are_each_workers_and_all_together(string query)
    {
        _app.Grid.Snapshot = new GridSnapshot([Worker("a", 1, 2, 30), Worker("b", 3, 0, 50), FakeSequenceService.Worker("gone", WorkerState.Lost)],
            new Dictionary<string, int> { ["tiny"] = 4 }, Running: 0);
        var json = JsonNode.Parse(await GetAsync("/v1/loads" + query))!;
        Assert.Equal([(1, 2, 480, 1600L), (3, 0, 800, 1600L)], json["loads"]!.AsArray().Select(load =>
            ((int)load!["num_running_reqs"]!, (int)load["num_waiting_reqs"]!, (int)load["num_used_tokens"]!, (long)load["max_total_num_tokens"]!)));
        var all = json["aggregate"]!;
        Assert.Equal((4, 6, 10, 1280), ((int)all["total_running_reqs"]!, (int)all["total_waiting_reqs"]!, (int)all["total_reqs"]!, (int)all["total_used_tokens"]!));
        Assert.Equal((2, 0.4), ((int)json["dp_rank_count"]!, (double)all["avg_token_usage"]!));
        using var wrong = await _app.Client.GetAsync("/v1/loads?include=spec", Token);
        Assert.Equal(HttpStatusCode.BadRequest, wrong.StatusCode);

        static WorkerSnapshot Worker(string id, int running, int waiting, int used)
        {
            var worker = FakeSequenceService.Worker(id, WorkerState.Live);
            var load = new WorkerLoad { Running = running, Waiting = waiting, TotalPages = 100, FreePages = 80 - used, CachedPages = 20 };
            return worker with
            {
                Load = load,
                Status = worker.Status with { Limits = worker.Status.Limits with { KvCacheTokens = 1600 }, PageTokens = 16 },
            };
        }
    }

    [Fact]
    public async Task Health_by_generating_takes_a_token()
    {
        Assert.Equal("ok\n", await GetAsync("/health_generate"));
        var spec = _app.Grid.Started.Single();
        Assert.Equal(("tiny", 1), (spec.Model, spec.Generation.MaxNewTokens));
        Assert.Equal([0], spec.PromptIds!);
        _app.Grid.Script = _ => FakeAnswers.Of(new SequenceUpdate { FinishReason = "error", Error = "logits are not finite" });
        await AssertSickAsync("logits are not finite");
        _app.Grid.Admission = _ => throw new RefusedException(new Refusal { Kind = RefusalKind.Overloaded, Rule = "Too much." });
        using var full = await _app.Client.GetAsync("/health_generate", Token);
        Assert.Equal(HttpStatusCode.TooManyRequests, full.StatusCode);
        _app.Grid.Models = [];
        await AssertSickAsync("No worker serves");

        async Task AssertSickAsync(string part)
        {
            using var sick = await _app.Client.GetAsync("/health_generate", Token);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, sick.StatusCode);
            Assert.Contains(part, await sick.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_text_and_a_chat_become_the_ids_that_would_be_computed()
    {
        _app.Grid.Models = [FakeSequenceService.Model with { Text = TinyText.Load(withBegin: true) }];
        Assert.Equal("{\"count\":3,\"max_model_len\":4096,\"tokens\":[256,104,105]}", (await _app.OkAsync("/tokenize", "{\"prompt\":\"hi\"}")).ToJsonString());
        var plain = await _app.OkAsync("/tokenize", "{\"model\":\"tiny\",\"prompt\":\"hi\",\"add_special_tokens\":false,\"return_token_strs\":true}");
        Assert.Equal("{\"count\":2,\"max_model_len\":4096,\"tokens\":[104,105],\"token_strs\":[\"h\",\"i\"]}", plain.ToJsonString());
        var list = await _app.OkAsync("/tokenize", "{\"prompt\":[\"h\",\"\"]}");
        Assert.Equal("{\"count\":[2,1],\"max_model_len\":4096,\"tokens\":[[256,104],[256]]}", list.ToJsonString());

        var chat = await _app.OkAsync("/tokenize", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"add_generation_prompt\":false}");
        await _app.OkAsync("/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"add_generation_prompt\":false}");
        Assert.Equal(_app.Grid.Sequences.Single().PromptIds, chat["tokens"]!.AsArray().Select(id => (int)id!));
    }

    [Fact]
    public async Task Ids_become_text_with_special_tokens_and_without()
    {
        _app.Grid.Snapshot = new GridSnapshot([FakeSequenceService.Worker("a", WorkerState.Live) is var worker
            ? worker with { Status = worker.Status with { Limits = worker.Status.Limits with { VocabularySize = 260 } } } : default!], new Dictionary<string, int>(), 0);
        var both = await _app.OkAsync("/detokenize", "{\"tokens\":[104,105,257]}");
        Assert.Equal(("hi<|im_end|>", "hi"), ((string)both["prompt"]!, (string)both["text"]!));
        Assert.Equal("<|im_end|>", (string?)(await _app.OkAsync("/detokenize", "{\"tokens\":[257],\"skip_special_tokens\":false}"))["text"]);
        Assert.Equal("{\"prompt\":[\"h\",\"\"],\"text\":[\"h\",\"\"]}", (await _app.OkAsync("/detokenize", "{\"tokens\":[[104],[259]]}")).ToJsonString());
        foreach (var (json, param) in new[] { ("{\"tokens\":[1,260]}", "tokens[1]"), ("{\"tokens\":[[1],[-1]]}", "tokens[1][0]"), ("{\"tokens\":7}", "tokens"), ("{}", "tokens"), ("{\"tokens\":[1],\"token\":[2]}", "token") })
        {
            var (status, body) = await _app.PostAsync("/detokenize", json);
            Assert.Equal((400, param), (status, (string?)body["error"]!["param"]));
        }
    }

    [Theory]
    [InlineData("{}", "messages", "missing_required_parameter")]
    [InlineData("{\"prompt\":7}", "prompt", "invalid_type")]
    [InlineData("{\"prompt\":\"x\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", "messages", "unknown_parameter")]
    [InlineData("{\"prompt\":\"x\",\"tools\":[{}]}", "tools", "unsupported_parameter")]
    [InlineData("{\"prompt\":\"x\",\"model\":\"gpt-9\"}", "model", "model_not_found")]
    public async Task What_cannot_be_cut_into_tokens_is_refused_by_name(string json, string param, string code)
    {
        var (_, body) = await _app.PostAsync("/tokenize", json);
        Assert.Equal((param, code), ((string?)body["error"]!["param"], (string?)body["error"]!["code"]));
    }

    private Task<string> GetAsync(string path) => _app.Client.GetStringAsync(path, Token);
}
