using System.Text;
using System.Text.Json.Nodes;
using Grid.Gateway.Tests.Fakes;

namespace Grid.Gateway.Tests.EndToEnd;

/// <summary>Bad requests and leaving clients on the real grid. Alone: it watches how many sequences run.</summary>
[Collection(nameof(RobustnessTests))]
[CollectionDefinition(nameof(RobustnessTests), DisableParallelization = true)]
public sealed class RobustnessTests(NodeFixture node)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/generate", "{\"input_ids\":[1,99999]}", "input_ids[1]", "invalid_value")]
    [InlineData("/generate", "{\"input_ids\":[[1],[2,99999]]}", "input_ids[1][1]", "invalid_value")]
    [InlineData("/v1/completions", "{\"prompt\":[99999]}", "prompt[0]", "invalid_value")]
    [InlineData("/v1/completions", "{\"prompt\":\"x\",\"stop_token_ids\":[1,99999]}", "stop_token_ids[1]", "invalid_value")]
    [InlineData("/v1/completions", "{\"prompt\":\"x\",\"logit_bias\":{\"99999\":1}}", "logit_bias", "invalid_value")]
    [InlineData("/v1/completions", "{\"prompt\":\"x\",\"max_tokens\":99999}", "max_tokens", "context_length_exceeded")]
    [InlineData("/generate", "{\"text\":\"x\",\"sampling_params\":{\"max_new_tokens\":99999}}", "sampling_params.max_new_tokens", "context_length_exceeded")]
    [InlineData("/generate", "{\"text\":\"x\",\"return_logprob\":true,\"logprob_start_len\":99999}", "logprob_start_len", "invalid_value")]
    public async Task What_only_the_grid_can_know_is_refused_in_the_request_s_own_words(string path, string json, string param, string code)
    {
        var (status, body) = await node.PostAsync(path, json);
        Assert.Equal((400, param, code), (status, (string?)body["error"]!["param"], (string?)body["error"]!["code"]));
        Assert.Contains("99999", (string)body["error"]!["message"]!, StringComparison.Ordinal);
        Assert.DoesNotContain("PromptIds", (string)body["error"]!["message"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_prompt_longer_than_the_context_is_refused()
    {
        string words = string.Concat(Enumerable.Repeat("fox ", 5000));
        foreach (var (path, json, param) in new[]
        {
            ("/v1/completions", $"{{\"prompt\":\"{words}\"}}", "prompt"),
            ("/v1/chat/completions", $"{{\"messages\":[{{\"role\":\"user\",\"content\":\"{words}\"}}]}}", "messages"),
            ("/generate", $"{{\"text\":[\"x\",\"{words}\"]}}", "text[1]"),
        })
        {
            var (status, body) = await node.PostAsync(path, json);
            Assert.Equal((400, param, "context_length_exceeded"), (status, (string?)body["error"]!["param"], (string?)body["error"]!["code"]));
        }
    }

    [Fact]
    public async Task Running_sequences_keep_their_bits_in_a_storm_of_bad_requests()
    {
        const string Request = "{\"text\":[\"The dog\",\"Once\",\"A fox\",\"Ann\"],\"sampling_params\":{\"sampling_seed\":5,\"max_new_tokens\":150,\"ignore_eos\":true},"
            + "\"return_logprob\":true,\"logprob_start_len\":0,\"top_logprobs_num\":2}";
        string[] calm = (await node.OkAsync("/generate", Request)).AsArray().Select(item => NodeFixture.Bits(item!)).ToArray();

        var stormed = node.OkAsync("/generate", Request);
        var storm = BadInputTests.Refused().Select(row => row.Data).Select(async row =>
        {
            using var response = await node.Client.PostAsync(row.Item1, new StringContent(row.Item2, Encoding.UTF8, "application/json"), Token);
            // Fields that are right for this model may be wrong for the fake one and the other way round; none fails.
            Assert.InRange((int)response.StatusCode, 200, 499);
        });
        await Task.WhenAll(storm);
        var items = await stormed;

        Assert.Equal(calm, items.AsArray().Select(item => NodeFixture.Bits(item!)));
    }

    [Fact(Timeout = 60_000)]
    public async Task A_client_that_hangs_up_cancels_its_sequences_on_the_device()
    {
        var token = TestContext.Current.CancellationToken;
        await IdleAsync();
        long before = node.Node.Workers[0].Load.GeneratedTokens;
        foreach (var (path, json) in new[]
        {
            ("/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"ignore_eos\":true,\"stream\":true,\"n\":4}"),
            ("/generate", "{\"text\":[\"a\",\"b\",\"c\",\"d\"],\"sampling_params\":{\"ignore_eos\":true,\"max_new_tokens\":2000},\"stream\":true}"),
        })
        {
            using (var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(json, Encoding.UTF8, "application/json") })
            using (var response = await node.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, token))
            {
                await using var body = await response.Content.ReadAsStreamAsync(token);
                Assert.NotEqual(0, await body.ReadAsync(new byte[64], token));
                Assert.True(node.Node.Workers[0].OpenAttempts > 0);
            }
            await IdleAsync();
        }
        // Eight sequences to the context's end would be above 16,000 tokens.
        Assert.InRange(node.Node.Workers[0].Load.GeneratedTokens - before, 1, 8000);
    }

    [Fact]
    public async Task A_healthy_node_says_so()
    {
        Assert.Equal("ok\n", await node.Client.GetStringAsync("/readyz", Token));
        var models = JsonNode.Parse(await node.Client.GetStringAsync("/v1/models", Token))!;
        Assert.Equal("demo", (string)models["data"]![0]!["id"]!);
        Assert.StartsWith("grid-", (string)models["data"]![0]!["system_fingerprint"]!, StringComparison.Ordinal);
    }

    /// <summary>Waits until nothing runs on the device.</summary>
    private Task IdleAsync() => Until.HoldsAsync(
        () => node.Node.Workers[0].Load is { Running: 0, Waiting: 0 } && node.Node.Workers[0].OpenAttempts == 0, "The device did not come to rest.");
}
