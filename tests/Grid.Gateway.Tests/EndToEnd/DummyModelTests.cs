using System.Text;
using System.Text.Json.Nodes;
using Grid.Gateway.Tests.Fakes;
using Grid.Models;
using Grid.Options;
using Grid.Silo;
using Grid.Silo.Options;

namespace Grid.Gateway.Tests.EndToEnd;

/// <summary>A node whose model is nothing but a config.json: generated weights and, unless that is switched off, a generated vocabulary.</summary>
public sealed class DummyModelTests : IAsyncLifetime
{
    private const string Config = """
        {
          "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_act": "silu", "vocab_size": 1000,
          "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
          "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 512, "rms_norm_eps": 1e-06,
          "rope_theta": 10000.0, "tie_word_embeddings": true
        }
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("grid-dummy-").FullName;
    private readonly HttpClient _client = new() { Timeout = TimeSpan.FromSeconds(60) };
    private readonly StringWriter _output = new();
    private GridNode _node = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "config.json"), Config, Token);
        _node = await StartAsync(_folder, _output, skipTokenizer: true);
        _client.BaseAddress = _node.Address;
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        if (_node is not null)
        {
            await _node.DisposeAsync();
        }

        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Token_ids_go_in_and_token_ids_come_out()
    {
        const string Request = """{"input_ids":[1,2,3],"return_logprob":true,"sampling_params":{"max_new_tokens":24,"temperature":0,"ignore_eos":true}}""";
        var answer = (await PostAsync("/generate", Request)).Body;

        int[] ids = answer["output_ids"]!.AsArray().Select(id => (int)id!).ToArray();
        Assert.Equal(24, ids.Length);
        Assert.All(ids, id => Assert.InRange(id, 0, 999));
        Assert.True(ids.Distinct().Count() > 4, "one token for ever is no generation");
        Assert.False(answer.AsObject().ContainsKey("text"));
        Assert.Equal(24, answer["meta_info"]!["output_token_logprobs"]!.AsArray().Count);
        Assert.Equal(answer["output_ids"]!.ToJsonString(), (await PostAsync("/generate", Request)).Body["output_ids"]!.ToJsonString());

        var events = await EventsAsync("/generate", Request.Insert(1, "\"stream\":true,"));
        Assert.Equal(answer["output_ids"]!.ToJsonString(), events[^1]["output_ids"]!.ToJsonString());
        Assert.All(events, one => Assert.False(one.AsObject().ContainsKey("text")));
    }

    [Theory]
    [InlineData("/v1/chat/completions", """{"messages":[{"role":"user","content":"hi"}]}""", "model")]
    [InlineData("/v1/completions", """{"prompt":"hi"}""", "model")]
    [InlineData("/v1/completions", """{"prompt":[1,2]}""", "model")]
    [InlineData("/generate", """{"text":"hi"}""", "text")]
    [InlineData("/generate", """{"input_ids":[1],"sampling_params":{"stop":"x"}}""", "sampling_params.stop")]
    [InlineData("/generate", """{"input_ids":[1],"return_logprob":true,"return_text_in_logprobs":true}""", "return_text_in_logprobs")]
    public async Task What_needs_text_is_refused(string path, string json, string parameter)
    {
        var (status, body) = await PostAsync(path, json);

        Assert.Equal((400, "no_tokenizer", parameter), (status, (string?)body["error"]!["code"], (string?)body["error"]!["param"]));
        Assert.Contains("without", (string)body["error"]!["message"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_start_says_what_is_served()
    {
        Assert.Contains("dummy weights", _output.ToString(), StringComparison.Ordinal);
        Assert.Contains("no tokenizer", _output.ToString(), StringComparison.Ordinal);
        Assert.Null((await GetAsync("/get_model_info"))["tokenizer_path"]);
    }

    /// <summary>As SGLang's determinism test asks: text for any id, and answers in text.</summary>
    [Fact]
    public async Task A_generated_vocabulary_takes_and_gives_text()
    {
        var output = new StringWriter();
        using var client = new HttpClient();
        await using var node = await StartAsync(_folder, output);
        Assert.Contains("a generated vocabulary", output.ToString(), StringComparison.Ordinal);
        client.BaseAddress = node.Address;
        foreach (var (path, json) in new[]
        {
            ("/generate", """{"text":"Tell me about Richard Feynman: ","sampling_params":{"max_new_tokens":8,"ignore_eos":true}}"""),
            ("/generate", """{"input_ids":[0,255,256,999],"sampling_params":{"max_new_tokens":8,"ignore_eos":true}}"""),
            ("/v1/completions", """{"prompt":"Once","max_tokens":8,"ignore_eos":true}"""),
            ("/v1/chat/completions", """{"messages":[{"role":"user","content":"Hi"}],"max_tokens":8,"ignore_eos":true}"""),
        })
        {
            using var answer = await client.PostAsync(path, Json(json), Token);
            var body = JsonNode.Parse(await answer.Content.ReadAsStringAsync(Token))!;
            string? text = (string?)body["text"] ?? (string?)body["choices"]?[0]!["text"] ?? (string?)body["choices"]?[0]!["message"]!["content"];
            Assert.False(string.IsNullOrEmpty(text), body.ToJsonString());
        }
    }

    /// <summary>Its modes radix_cache and p_vs_d: ids up to 50,000 go in and text comes out, and what was drawn has the logprobs that it has
    /// as a prompt.</summary>
    [Fact]
    public async Task SGLangs_determinism_test_finds_what_it_reads()
    {
        string folder = Directory.CreateDirectory(Path.Combine(_folder, "wide")).FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "config.json"), Config.Replace("\"vocab_size\": 1000", "\"vocab_size\": 60000", StringComparison.Ordinal), Token);
        using var client = new HttpClient();
        await using var node = await StartAsync(folder, TextWriter.Null);
        client.BaseAddress = node.Address;
        var random = new Random(42);
        string ids = string.Join(',', Enumerable.Range(0, 64).Select(_ => random.Next(100, 50_001)));
        const string Sampling = "\"temperature\":0.0,\"frequency_penalty\":0.0,\"presence_penalty\":0.0,\"sampling_seed\":42";
        var first = await OkAsync($"{{\"input_ids\":[{ids}],\"sampling_params\":{{{Sampling},\"max_new_tokens\":2}},\"return_logprob\":true,\"stream\":false}}");
        Assert.False(string.IsNullOrEmpty((string?)first["text"]));
        Assert.Equal(2, first["meta_info"]!["output_token_logprobs"]!.AsArray().Count);

        const string Extra = "\"return_logprob\":true,\"stream\":false,\"logprob_start_len\":0,\"return_text_in_logprobs\":true";
        var drawn = await OkAsync($"{{\"text\":[\"Tell me about Richard Feynman: \",\"Generate 1000 random numbers.\"],\"sampling_params\":{{{Sampling},\"max_new_tokens\":20}},{Extra}}}");
        var all = drawn.AsArray().Select(one => one!["meta_info"]!["input_token_logprobs"]!.AsArray().Concat(one["meta_info"]!["output_token_logprobs"]!.AsArray()).ToArray()).ToArray();
        Assert.All(all.SelectMany(one => one), triple => Assert.NotNull((string?)triple![2]));
        using (await client.PostAsync("/flush_cache", null, Token))
        {
        }
        string known = string.Join(',', all.Select(one => $"[{string.Join(',', one.Select(triple => (int)triple![1]!))}]"));
        var read = await OkAsync($"{{\"input_ids\":[{known}],\"sampling_params\":{{{Sampling},\"max_new_tokens\":1}},{Extra}}}");
        Assert.Equal(
            all.Select(one => string.Join(';', one.Select(triple => triple!.ToJsonString()))),
            read.AsArray().Select(one => string.Join(';', one!["meta_info"]!["input_token_logprobs"]!.AsArray().Select(triple => triple!.ToJsonString()))));

        async Task<JsonNode> OkAsync(string json)
        {
            using var answer = await client.PostAsync("/generate", Json(json), Token);
            string text = await answer.Content.ReadAsStringAsync(Token);
            Assert.True(answer.IsSuccessStatusCode, text);
            return JsonNode.Parse(text)!;
        }
    }

    [Fact]
    public async Task With_a_tokenizer_beside_the_config_text_is_served_too()
    {
        using var client = new HttpClient();
        await using var node = await StartAsync(DemoModel.Path, TextWriter.Null);
        using var answer = await client.PostAsync(
            new Uri(node.Address, "/generate"), Json("""{"text":"Once","sampling_params":{"max_new_tokens":4,"ignore_eos":true}}"""), Token);

        var body = JsonNode.Parse(await answer.Content.ReadAsStringAsync(Token))!;
        Assert.Equal(4, body["output_ids"]!.AsArray().Count);
        Assert.NotNull((string?)body["text"]);
    }

    [Fact]
    public async Task A_name_that_neither_is_a_folder_nor_ships_is_refused_with_those_that_do()
    {
        var error = await Assert.ThrowsAsync<StartException>(() => StartAsync("Qwen3-9B", TextWriter.Null));

        Assert.Contains("'Qwen3-9B'", error.Message, StringComparison.Ordinal);
        Assert.Contains("Qwen/Qwen3-8B", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_real_model_without_a_tokenizer_is_served_only_when_asked_for()
    {
        string folder = Path.Combine(_folder, "textless");
        Directory.CreateDirectory(folder);
        foreach (string file in (string[])["config.json", "model.safetensors"])
        {
            File.Copy(Path.Combine(DemoModel.Path, file), Path.Combine(folder, file));
        }

        var options = new NodeOptions { Port = 0, ModelPath = folder, KvCacheMemory = 64L << 20 };
        var error = await Assert.ThrowsAsync<StartException>(() => GridNode.StartAsync(options, TextWriter.Null, Token));
        Assert.Contains("--skip-tokenizer-init", error.Message, StringComparison.Ordinal);

        options.SkipTokenizerInit = true;
        await using var node = await GridNode.StartAsync(options, TextWriter.Null, Token);
        Assert.Empty(node.Workers[0].Model.Text.Files);
    }

    private static Task<GridNode> StartAsync(string path, TextWriter output, bool skipTokenizer = false) => GridNode.StartAsync(
        new NodeOptions { Port = 0, ModelPath = path, LoadFormat = LoadFormat.Dummy, KvCacheMemory = 64L << 20, SkipTokenizerInit = skipTokenizer },
        output, Token);

    private static StringContent Json(string json) => new(json, Encoding.UTF8, "application/json");

    private async Task<JsonNode> GetAsync(string path) => JsonNode.Parse(await _client.GetStringAsync(path, Token))!;

    private async Task<(int Status, JsonNode Body)> PostAsync(string path, string json)
    {
        using var response = await _client.PostAsync(path, Json(json), Token);
        return ((int)response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync(Token))!);
    }

    private async Task<List<JsonNode>> EventsAsync(string path, string json)
    {
        using var response = await _client.PostAsync(path, Json(json), Token);
        return GatewayApp.ParseEvents(await response.Content.ReadAsStringAsync(Token));
    }
}
