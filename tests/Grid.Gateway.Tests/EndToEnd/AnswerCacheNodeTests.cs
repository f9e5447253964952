using System.Text;
using System.Text.Json.Nodes;
using Grid.Gateway.Tests.Fakes;
using Grid.Models;
using Grid.Silo;
using Grid.Silo.Options;

namespace Grid.Gateway.Tests.EndToEnd;

/// <summary>The answer cache before a real model: what is computed again, as a prefill, has the bits that are remembered.</summary>
public sealed class AnswerCacheNodeTests : IAsyncLifetime
{
    private static readonly string[] s_requests =
    [
        """{"text":"Once upon a time there","sampling_params":{"max_new_tokens":40,"temperature":0},"return_logprob":true,"logprob_start_len":0,"top_logprobs_num":5}""",
        """{"text":["Once upon a time","A small dog"],"sampling_params":{"max_new_tokens":30,"temperature":0.8,"top_p":0.9,"sampling_seed":4,"n":2,"frequency_penalty":0.5},"return_logprob":true,"receipt":true}""",
        """{"text":"One day","sampling_params":{"max_new_tokens":60,"temperature":1.2,"top_k":40,"sampling_seed":5,"stop":["the","."],"min_new_tokens":7,"no_stop_trim":true}}""",
        """{"text":"She was","sampling_params":{"max_new_tokens":0},"return_logprob":true,"logprob_start_len":0,"cross_check":false}""",
    ];

    private readonly HttpClient _client = new() { Timeout = TimeSpan.FromSeconds(60) };
    private GridNode _node = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var options = new NodeOptions { Port = 0, KvCacheMemory = 64L << 20 };
        (options.Gateway.AnswerCache, options.Gateway.AnswerCacheAudit) = (AnswerCacheKind.Memory, 1);
        _node = await GridNode.StartAsync(options, TextWriter.Null, Token);
        _client.BaseAddress = _node.Address;
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _node.DisposeAsync();
    }

    [Fact]
    public async Task Equal_requests_are_one_sequence_and_what_is_remembered_is_computed_again_bit_for_bit()
    {
        const string Json = """{"text":"There was a","sampling_params":{"max_new_tokens":100,"temperature":0,"ignore_eos":true},"return_logprob":true}""";
        var crowd = await Task.WhenAll(Enumerable.Range(0, 32).Select(_ => PostAsync(Json)));
        Assert.Single(crowd.Select(one => NodeFixture.Bits(one)).Distinct());
        Assert.Equal(1, await CountAsync("misses_total"));

        int sequences = 0;
        foreach (string request in s_requests)
        {
            string body = request.Contains("sampling_seed", StringComparison.Ordinal) ? request : request.Replace("\"max_new_tokens\"", "\"sampling_seed\":1,\"max_new_tokens\"", StringComparison.Ordinal);
            var computed = Items(await PostAsync(body));
            var remembered = Items(await PostAsync(body));
            Assert.All(computed, item => Assert.Null(item["meta_info"]!["remembered"]));
            Assert.All(remembered, item => Assert.True((bool?)item["meta_info"]!["remembered"]));
            Assert.Equal(computed.Select(NodeFixture.Bits), remembered.Select(NodeFixture.Bits));
            Assert.Equal(computed.Select(item => item["meta_info"]!["receipt"]?.ToJsonString()), remembered.Select(item => item["meta_info"]!["receipt"]?.ToJsonString()));
            sequences += computed.Length;
        }
        // Some of the crowd may have come after its end.
        double hits = await CountAsync("hits_total");
        Assert.InRange(hits, sequences, sequences + 31);
        await Until.HoldsAsync(async () => await CountAsync("audited_total") == hits, "Not all were computed again.");
        Assert.Equal(0, await CountAsync("differing_total"));

        // Other weights' answers are others; the first ones' are remembered when they are back.
        var before = Items(await PostAsync(s_requests[2]))[0];
        await PostAsync($$"""{"model_path":"{{DemoModel.Path}}","load_format":"dummy","dummy_seed":3}""", "/update_weights_from_disk");
        var other = Items(await PostAsync(s_requests[2]))[0];
        Assert.Null(other["meta_info"]!["remembered"]);
        Assert.NotEqual(Fingerprint(before), Fingerprint(other));
        Assert.NotEqual(NodeFixture.Bits(before), NodeFixture.Bits(other));
        await PostAsync($$"""{"model_path":"{{DemoModel.Path}}"}""", "/update_weights_from_disk");
        var after = Items(await PostAsync(s_requests[2]))[0];
        Assert.True((bool?)after["meta_info"]!["remembered"]);
        Assert.Equal((Fingerprint(before), NodeFixture.Bits(before)), (Fingerprint(after), NodeFixture.Bits(after)));

        static string? Fingerprint(JsonNode item) => (string?)item["meta_info"]!["system_fingerprint"];
    }

    private static JsonNode[] Items(JsonNode answer) => answer is JsonArray array ? [.. array.Select(item => item!)] : [answer];

    private async Task<double> CountAsync(string name)
    {
        string page = await _client.GetStringAsync("/metrics", Token);
        return page.Split('\n').FirstOrDefault(line => line.StartsWith($"grid:answer_cache_{name}", StringComparison.Ordinal)) is { } line
            ? double.Parse(line[(line.LastIndexOf(' ') + 1)..], System.Globalization.CultureInfo.InvariantCulture) : 0;
    }

    private async Task<JsonNode> PostAsync(string json, string path = "/generate")
    {
        using var response = await _client.PostAsync(path, new StringContent(json, Encoding.UTF8, "application/json"), Token);
        string text = await response.Content.ReadAsStringAsync(Token);
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonNode.Parse(text)!;
    }
}
