using System.Text.Json.Nodes;

namespace Grid.Gateway.Tests.EndToEnd;

/// <summary>Receipts of a real model: its arithmetic says yes to what it gave, and no to anything else.</summary>
public sealed class VerifyTests(NodeFixture node)
{
    private const int Tokens = 70; // Over the end of a page.

    [Theory]
    [InlineData("\"temperature\":0,\"sampling_seed\":4")]
    [InlineData("\"temperature\":0.8,\"top_p\":0.95,\"sampling_seed\":5")]
    [InlineData("\"temperature\":1.1,\"top_k\":50,\"sampling_seed\":6,\"repetition_penalty\":1.2,\"frequency_penalty\":0.4,\"min_new_tokens\":66")]
    [InlineData("\"temperature\":0.9,\"sampling_seed\":7,\"ignore_eos\":true,\"logit_bias\":{\"100\":2.5,\"200\":-3}")]
    public async Task What_it_gave_is_verified_and_what_it_did_not_is_refused_where_it_differs(string sampling)
    {
        string request = $"{{\"text\":\"Once upon a time there\",\"sampling_params\":{{\"max_new_tokens\":{Tokens},{sampling}}},\"receipt\":true}}";
        var answer = await node.OkAsync("/generate", request);
        var receipt = answer["meta_info"]!["receipt"]!;
        int count = receipt["tokens"]!.AsArray().Count;
        Assert.Equal(answer["output_ids"]!.ToJsonString(), receipt["tokens"]!.ToJsonString());
        Assert.Equal((string?)answer["meta_info"]!["system_fingerprint"], (string?)receipt["system_fingerprint"]);

        // Made beside others, it is the same text.
        var crowd = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => node.OkAsync("/generate", i == 2 ? request : request.Replace("Once", $"{i} times", StringComparison.Ordinal))));
        Assert.Equal(receipt.ToJsonString(), crowd[2]["meta_info"]!["receipt"]!.ToJsonString());

        var body = await VerifyAsync(receipt);
        Assert.True((bool)body["verified"]!, body.ToJsonString());
        foreach (int place in new[] { 0, 1, count / 2, count - 1 })
        {
            var changed = receipt.DeepClone();
            changed["tokens"]![place] = ((int)changed["tokens"]![place]! + 1) % 4000;
            Assert.Equal(("token", place), Difference(await VerifyAsync(changed)));
            changed = receipt.DeepClone();
            changed["chain"]![place] = new string('0', 64);
            Assert.Equal(("chain", place), Difference(await VerifyAsync(changed)));
        }

        // Another request's logits: its receipt with this one's tokens. The first is drawn from the same prompt's, and so on as long as the tokens are the same.
        var others = (await node.OkAsync("/generate", request.Replace("there", "here", StringComparison.Ordinal)))["meta_info"]!["receipt"]!;
        others["chain"] = receipt["chain"]!.DeepClone();
        Assert.Equal(0, Difference(await VerifyAsync(others)).Position);
    }

    /// <summary>Answered on an H200, token after token: every bit of all logits of every position is what this machine computes, many positions in
    /// a step.</summary>
    [Fact]
    public async Task What_a_GPU_gave_is_verified_here()
    {
        var receipt = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "Receipts", "h200-demo.json"), TestContext.Current.CancellationToken))!;
        Assert.Equal(1000, receipt["tokens"]!.AsArray().Count);
        var body = await VerifyAsync(receipt);
        Assert.True((bool)body["verified"]!, body.ToJsonString());
        receipt["chain"]![600] = receipt["chain"]![599]!.DeepClone();
        Assert.Equal(("chain", 600), Difference(await VerifyAsync(receipt)));
    }

    [Fact]
    public async Task A_stream_s_receipt_is_kept_replayed_on_a_named_worker_and_checked_without_the_request_in_it()
    {
        const string Request = "{\"prompt\":\"The king said\",\"max_tokens\":30,\"seed\":9,\"temperature\":0.7,\"stop\":[\"qqq\"],\"stream\":true,\"receipt\":true}";
        using var response = await node.Client.PostAsync("/v1/completions", new StringContent(Request, null, "application/json"), TestContext.Current.CancellationToken);
        var events = Fakes.GatewayApp.ParseEvents(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        var receipt = Assert.Single(events.Select(e => e["choices"]?[0]?["receipt"]).OfType<JsonNode>());
        string id = response.Headers.GetValues("X-Sequence-Id").Single();
        Assert.Equal(receipt.ToJsonString(), JsonNode.Parse(await node.Client.GetStringAsync($"/v1/sequences/{id}/receipt", TestContext.Current.CancellationToken))!.ToJsonString());
        var grid = JsonNode.Parse(await node.Client.GetStringAsync("/v1/grid", TestContext.Current.CancellationToken))!;
        string worker = (string)grid["workers"]![0]!["id"]!;
        var replay = await node.OkAsync($"/v1/sequences/{id}/replay", new JsonObject { ["worker"] = worker }.ToJsonString());
        Assert.Equal(("grid.replay", true), ((string?)replay["object"], (bool)replay["verified"]!));
        var (status, error) = await node.PostAsync($"/v1/sequences/{id}/replay", "{\"worker\":\"nobody\"}");
        Assert.Equal((400, "worker"), (status, (string?)error["error"]!["param"]));

        var request = receipt["request"]!.DeepClone();
        receipt.AsObject().Remove("request");
        Assert.True((bool)(await node.OkAsync("/v1/verify", new JsonObject { ["receipt"] = receipt.DeepClone(), ["request"] = request.DeepClone() }.ToJsonString()))["verified"]!);
        receipt["tokens"]![2] = 999_999;
        (status, error) = await node.PostAsync("/v1/verify", new JsonObject { ["receipt"] = receipt.DeepClone(), ["request"] = request }.ToJsonString());
        Assert.Equal((400, "receipt.tokens[2]"), (status, (string?)error["error"]!["param"]));
    }

    private Task<JsonNode> VerifyAsync(JsonNode receipt) => node.OkAsync("/v1/verify", new JsonObject { ["receipt"] = receipt.DeepClone() }.ToJsonString());

    private static (string? Field, int? Position) Difference(JsonNode body) => ((string?)body["difference"]?["field"], (int?)body["difference"]?["position"]);
}
