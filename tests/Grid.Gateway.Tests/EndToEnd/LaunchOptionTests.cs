using System.Text;
using System.Text.Json.Nodes;
using Grid.Options;
using Grid.Silo;
using Grid.Silo.Options;

namespace Grid.Gateway.Tests.EndToEnd;

/// <summary>Options that other launchers have, on a real node.</summary>
public sealed class LaunchOptionTests(NodeFixture node)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_node_keeps_to_its_context_length_seed_and_missing_prefix_cache_with_the_same_bits()
    {
        var options = new NodeOptions { Port = 0, KvCacheMemory = 16L << 20, ContextLength = 200, DisableRadixCache = true, SkipServerWarmup = true };
        options.Gateway.RandomSeed = 42;
        options.Launch.AttentionBackend = "fa3";
        var output = new StringWriter();
        await using var told = await GridNode.StartAsync(options, output, Token);
        using var client = new HttpClient { BaseAddress = told.Address };
        Assert.Contains("--attention-backend fa3: one contract, one attention", output.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("Warm-up", output.ToString(), StringComparison.Ordinal);

        string ids = string.Join(',', Enumerable.Range(300, 150));
        string Json(string more) => $"{{\"input_ids\":[{ids}],\"return_logprob\":true,\"sampling_params\":{{\"max_new_tokens\":50,\"ignore_eos\":true{more}}}}}";
        var expected = await node.OkAsync("/generate", Json(",\"sampling_seed\":42"));
        for (int i = 0; i < 2; i++)
        {
            var (status, answer) = await PostAsync(client, Json(""));
            Assert.Equal(200, status);
            Assert.Equal(NodeFixture.Bits(expected), NodeFixture.Bits(answer));
            Assert.Equal(0, (int)answer["meta_info"]!["cached_tokens"]!);
        }

        var (refused, error) = await PostAsync(client, Json("").Replace("50", "51", StringComparison.Ordinal));
        Assert.Equal((400, "context_length_exceeded"), (refused, (string)error["error"]!["code"]!));
        Assert.Equal(200, (int)JsonNode.Parse(await client.GetStringAsync("/v1/models", Token))!["data"]![0]!["max_model_len"]!);
    }

    /// <summary>What an evaluation of likelihoods asks for: windows as long as the context, and no output.</summary>
    [Fact]
    public async Task A_prompt_as_long_as_the_context_is_scored_with_the_same_bits()
    {
        await using var told = await GridNode.StartAsync(
            new NodeOptions { Port = 0, KvCacheMemory = 16L << 20, ContextLength = 200, SkipServerWarmup = true }, TextWriter.Null, Token);
        using var client = new HttpClient { BaseAddress = told.Address };
        string Json(int tokens, string more) => $"{{\"prompt\":[{string.Join(',', Enumerable.Range(300, tokens))}],\"echo\":true,\"temperature\":0,{more}}}";
        const string Score = "\"max_tokens\":0,\"logprobs\":1";
        var expected = await node.OkAsync("/v1/completions", Json(200, Score));
        var (status, answer) = await PostAsync(client, Json(200, Score), "/v1/completions");
        Assert.True(status == 200, answer.ToJsonString());
        Assert.Equal(expected["choices"]!.ToJsonString(), answer["choices"]!.ToJsonString());
        Assert.Equal(200, answer["choices"]![0]!["logprobs"]!["token_logprobs"]!.AsArray().Count);
        // And all of the model's positions, not only of what an option leaves of them.
        int positions = (int)JsonNode.Parse(await node.Client.GetStringAsync("/v1/models", Token))!["data"]![0]!["max_model_len"]!;
        var whole = await node.OkAsync("/v1/completions", Json(positions, Score));
        Assert.Equal(positions, whole["choices"]![0]!["logprobs"]!["token_logprobs"]!.AsArray().Count);
        foreach (string json in new[] { Json(201, Score), Json(200, "\"max_tokens\":1,\"logprobs\":1"), Json(200, "\"max_tokens\":2") })
        {
            (status, answer) = await PostAsync(client, json, "/v1/completions");
            Assert.Equal((400, "context_length_exceeded"), (status, (string)answer["error"]!["code"]!));
        }
    }

    [Fact]
    public async Task A_context_longer_than_the_models_is_refused_before_anything_is_loaded()
    {
        var output = new StringWriter();
        var refused = await Assert.ThrowsAsync<StartException>(() => GridNode.StartAsync(new NodeOptions { Port = 0, ContextLength = 1 << 20 }, output, Token));
        Assert.StartsWith("--context-length is 1048576; it must be at most ", refused.Message, StringComparison.Ordinal);
        Assert.Equal(StartException.Usage, refused.ExitCode);
        Assert.DoesNotContain("Loading", output.ToString(), StringComparison.Ordinal);
    }

    private static async Task<(int Status, JsonNode Body)> PostAsync(HttpClient client, string json, string path = "/generate")
    {
        using var response = await client.PostAsync(path, new StringContent(json, Encoding.UTF8, "application/json"), Token);
        return ((int)response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync(Token))!);
    }
}
