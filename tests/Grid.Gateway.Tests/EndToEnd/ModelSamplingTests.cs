using System.Text;
using System.Text.Json.Nodes;
using Grid.Silo;
using Grid.Silo.Options;

namespace Grid.Gateway.Tests.EndToEnd;

/// <summary>The demo model's generation_config.json (temperature 0.7, top_p 0.9), from the folder to the bits.</summary>
public sealed class ModelSamplingTests(NodeFixture node)
{
    private const string OpenAi = "\"temperature\":1,\"top_p\":1,\"top_k\":-1";
    private const string Model = "\"temperature\":0.7,\"top_p\":0.9";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_silent_request_is_sampled_as_the_models_makers_say()
    {
        var silent = await GenerateAsync(node.Client, "");
        Assert.Equal(await GenerateAsync(node.Client, Model), silent);
        Assert.NotEqual(await GenerateAsync(node.Client, OpenAi), silent);

        Assert.Equal(await CompleteAsync(Model), await CompleteAsync("\"n\":1"));
        Assert.NotEqual(await CompleteAsync(OpenAi), await CompleteAsync("\"n\":1"));

        var shown = JsonNode.Parse(await node.Client.GetStringAsync("/v1/models", Token))!["data"]![0]!["default_sampling_params"]!;
        Assert.Equal((0.7f, 0.9f, -1), ((float)shown["temperature"]!, (float)shown["top_p"]!, (int)shown["top_k"]!));
    }

    [Fact]
    public async Task A_node_told_so_samples_silent_requests_as_OpenAI_does()
    {
        var options = new NodeOptions { Port = 0, KvCacheMemory = 16L << 20, UseModelSampling = false };
        await using var plain = await GridNode.StartAsync(options, TextWriter.Null, Token);
        using var client = new HttpClient { BaseAddress = plain.Address };

        Assert.Equal(await GenerateAsync(node.Client, OpenAi), await GenerateAsync(client, ""));
    }

    private async Task<string> CompleteAsync(string sampling) => (await node.OkAsync(
        "/v1/completions", $"{{\"prompt\":\"Once upon a time\",\"seed\":11,\"max_tokens\":48,\"ignore_eos\":true,{sampling}}}"))["choices"]!.ToJsonString();

    private static async Task<string> GenerateAsync(HttpClient client, string sampling)
    {
        var more = sampling.Length == 0 ? "" : "," + sampling;
        var json = $"{{\"text\":\"Once upon a time\",\"return_logprob\":true,\"sampling_params\":{{\"sampling_seed\":11,\"max_new_tokens\":48,\"ignore_eos\":true{more}}}}}";
        using var response = await client.PostAsync("/generate", new StringContent(json, Encoding.UTF8, "application/json"), Token);
        var body = await response.Content.ReadAsStringAsync(Token);
        Assert.True(response.IsSuccessStatusCode, body);
        return NodeFixture.Bits(JsonNode.Parse(body)!);
    }
}
