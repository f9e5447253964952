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
    public async Task A_silent_request_is_sampled_as_the_models_makers_say_and_on_generate_from_the_whole_distribution()
    {
        string silent = await CompleteAsync(node.Client, "\"n\":1");
        Assert.Equal(await CompleteAsync(node.Client, Model), silent);
        Assert.NotEqual(await CompleteAsync(node.Client, OpenAi), silent);

        silent = await GenerateAsync("\"n\":1");
        Assert.Equal(await GenerateAsync(OpenAi), silent);
        Assert.NotEqual(await GenerateAsync(Model), silent);
        Assert.Equal(await GenerateAsync("\"temperature\":0.7,\"top_p\":1"), await GenerateAsync("\"temperature\":0.7"));

        var shown = JsonNode.Parse(await node.Client.GetStringAsync("/v1/models", Token))!["data"]![0]!["default_sampling_params"]!;
        Assert.Equal((0.7f, 0.9f, -1), ((float)shown["temperature"]!, (float)shown["top_p"]!, (int)shown["top_k"]!));
    }

    [Fact]
    public async Task A_node_told_so_samples_silent_requests_as_OpenAI_does()
    {
        var options = new NodeOptions { Port = 0, KvCacheMemory = 16L << 20, UseModelSampling = false };
        await using var plain = await GridNode.StartAsync(options, TextWriter.Null, Token);
        using var client = new HttpClient { BaseAddress = plain.Address };

        Assert.Equal(await CompleteAsync(node.Client, OpenAi), await CompleteAsync(client, "\"n\":1"));
    }

    private static async Task<string> CompleteAsync(HttpClient client, string sampling)
    {
        string json = $"{{\"prompt\":\"Once upon a time\",\"seed\":11,\"max_tokens\":48,\"ignore_eos\":true,{sampling}}}";
        using var response = await client.PostAsync("/v1/completions", new StringContent(json, Encoding.UTF8, "application/json"), Token);
        string body = await response.Content.ReadAsStringAsync(Token);
        Assert.True(response.IsSuccessStatusCode, body);
        return JsonNode.Parse(body)!["choices"]!.ToJsonString();
    }

    private async Task<string> GenerateAsync(string sampling) => NodeFixture.Bits(await node.OkAsync("/generate",
        $"{{\"text\":\"Once upon a time\",\"return_logprob\":true,\"sampling_params\":{{\"sampling_seed\":11,\"max_new_tokens\":48,\"ignore_eos\":true,{sampling}}}}}"));
}
