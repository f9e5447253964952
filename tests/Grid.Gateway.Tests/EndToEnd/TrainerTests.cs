using System.Text;
using System.Text.Json.Nodes;
using Grid.Gateway.Tests.Fakes;
using Grid.Grains.Messages;
using Grid.Silo;
using Grid.Silo.Options;

namespace Grid.Gateway.Tests.EndToEnd;

/// <summary>What trainers do with a server: they hold it, end what it does, and have it go on.</summary>
public sealed class TrainerTests(TrainerTests.SmallNode small) : IClassFixture<TrainerTests.SmallNode>
{
    private const int Length = 300;

    private static readonly string s_story = $$$"""{"text":"Once","rid":"story","return_logprob":true,"sampling_params":{"max_new_tokens":{{{Length}}},"ignore_eos":true,"sampling_seed":7}}""";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private WorkerLoad Load => small.Node.Workers[0].Load;

    [Theory]
    [InlineData("""{"mode":"in_place"}""")]
    [InlineData("""{"mode":"retract"}""")]
    public async Task A_paused_node_holds_its_sequences_and_goes_on_with_the_same_bits(string mode)
    {
        string alone = NodeFixture.Bits(await OkAsync("/generate", s_story));
        var running = await BeginAsync(s_story, running: 1, waiting: 0);
        Assert.Equal("ok", (string?)(await OkAsync("/pause_generation", mode))["status"]);
        await OkAsync("/flush_cache", "");
        var comes = OkAsync("/generate", s_story); // Is taken, and waits.
        await UntilAsync(() => Load.Running + Load.Waiting == 2);
        await UntilAsync(async () => (bool)JsonNode.Parse(await small.Client.GetStringAsync("/v1/grid", Token))!["workers"]![0]!["load"]!["paused"]!);
        long steps = Load.Steps;
        Assert.False(running.IsCompleted);
        Assert.False(comes.IsCompleted);
        Assert.Equal(steps, Load.Steps);
        await OkAsync("/continue_generation", "{}");
        Assert.Equal(alone, NodeFixture.Bits(await running));
        Assert.Equal(alone, NodeFixture.Bits(await comes));
    }

    /// <summary>As trainers interrupt a rollout: what was drawn comes back, with its logprobs.</summary>
    [Theory]
    [InlineData("/pause_generation", "", true)]
    [InlineData("/abort_request", """{"abort_all":true}""", true)]
    [InlineData("/abort_request", """{"rid":"story"}""", false)]
    public async Task What_is_aborted_comes_back_as_far_as_it_came(string path, string json, bool all)
    {
        var whole = await OkAsync("/generate", s_story);
        string other = s_story.Replace("story", "storyteller", StringComparison.Ordinal);
        Task<JsonNode>[] others = [await BeginAsync(other, running: 1, waiting: 0)];
        var running = await BeginAsync(s_story, running: 2, waiting: 0);
        others = [.. others, await BeginAsync(other, running: 2, waiting: 1)];
        await OkAsync(path, json);
        var cut = await running;
        Assert.Equal("abort", (string?)cut["meta_info"]!["finish_reason"]!["type"]);
        int[] drawn = Ids(cut);
        Assert.InRange(drawn.Length, 1, Length - 1);
        Assert.Equal(Ids(whole)[..drawn.Length], drawn);
        Assert.Equal(drawn.Length, cut["meta_info"]!["output_token_logprobs"]!.AsArray().Count);
        foreach (var answer in await Task.WhenAll(others))
        {
            Assert.Equal(all ? "abort" : "length", (string?)answer["meta_info"]!["finish_reason"]!["type"]);
        }
        await OkAsync("/continue_generation", "");
        Assert.Equal(NodeFixture.Bits(whole), NodeFixture.Bits(await OkAsync("/generate", s_story)));
    }

    private static int[] Ids(JsonNode answer) => [.. answer["output_ids"]!.AsArray().Select(id => (int)id!)];

    private static Task UntilAsync(Func<bool> holds) => Until.HoldsAsync(holds, "The node did not come to what was waited for.");

    private static Task UntilAsync(Func<Task<bool>> holds) => Until.HoldsAsync(holds, "The node did not come to what was waited for.");

    /// <summary>Asks for one more answer, and waits until so many run and wait, and those that run have tokens.</summary>
    private async Task<Task<JsonNode>> BeginAsync(string json, int running, int waiting)
    {
        var answer = OkAsync("/generate", json);
        await UntilAsync(() => Load.Running == running && Load.Waiting == waiting);
        long tokens = Load.GeneratedTokens;
        await UntilAsync(() => Load.GeneratedTokens >= tokens + (2 * running));
        return answer;
    }

    private async Task<JsonNode> OkAsync(string path, string json)
    {
        using var response = await small.Client.PostAsync(path, json.Length == 0 ? null : new StringContent(json, Encoding.UTF8, "application/json"), Token);
        string text = await response.Content.ReadAsStringAsync(Token);
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonNode.Parse(text.Length == 0 ? "{}" : text)!;
    }

    /// <summary>A node with room for two.</summary>
    public sealed class SmallNode : IAsyncLifetime
    {
        public GridNode Node { get; private set; } = null!;

        public HttpClient Client { get; } = new() { Timeout = TimeSpan.FromSeconds(60) };

        public async ValueTask InitializeAsync()
        {
            Node = await GridNode.StartAsync(
                new NodeOptions { Port = 0, KvCacheMemory = 64L << 20, SkipServerWarmup = true, MaxRunningRequests = 2 }, TextWriter.Null, Token);
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
    }
}
