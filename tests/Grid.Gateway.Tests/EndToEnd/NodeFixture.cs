using System.Text;
using System.Text.Json.Nodes;
using Grid.Gateway.Tests.Fakes;
using Grid.Silo;
using Grid.Silo.Options;

[assembly: AssemblyFixture(typeof(Grid.Gateway.Tests.EndToEnd.NodeFixture))]

namespace Grid.Gateway.Tests.EndToEnd;

/// <summary>A real node with the demo model on a free port, from HTTP to arithmetic.</summary>
public sealed class NodeFixture : IAsyncLifetime
{
    public GridNode Node { get; private set; } = null!;

    public HttpClient Client { get; } = new() { Timeout = TimeSpan.FromSeconds(60) };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var options = new NodeOptions { Port = 0, KvCacheMemory = 256L << 20 };
        Node = await GridNode.StartAsync(options, TextWriter.Null, Token);
        Client.BaseAddress = Node.Address;
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        if (Node is not null)
        {
            await Node.DisposeAsync();
        }
    }

    public async Task<(int Status, JsonNode Body)> PostAsync(string path, string json)
    {
        using var response = await Client.PostAsync(path, new StringContent(json, Encoding.UTF8, "application/json"), Token);
        return ((int)response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync(Token))!);
    }

    public async Task<JsonNode> OkAsync(string path, string json)
    {
        var (status, body) = await PostAsync(path, json);
        Assert.True(status == 200, body.ToJsonString());
        return body;
    }

    public async Task<List<JsonNode>> EventsAsync(string path, string json)
    {
        using var response = await Client.PostAsync(path, new StringContent(json, Encoding.UTF8, "application/json"), Token);
        return GatewayApp.ParseEvents(await response.Content.ReadAsStringAsync(Token));
    }

    /// <summary>What of a /generate item is the same in every run: text, ids, reasons, logprobs as printed.</summary>
    public static string Bits(JsonNode item)
    {
        var meta = item["meta_info"]!;
        return string.Join('\n', ((string)item["text"]!), item["output_ids"]!.ToJsonString(), meta["finish_reason"]!.ToJsonString(),
            meta["sampling_seed"]!.ToJsonString(), meta["input_token_logprobs"]?.ToJsonString(), meta["output_token_logprobs"]?.ToJsonString(),
            meta["input_top_logprobs"]?.ToJsonString(), meta["output_top_logprobs"]?.ToJsonString());
    }
}
