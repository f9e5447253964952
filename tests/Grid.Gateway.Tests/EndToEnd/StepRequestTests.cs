using System.Text;
using System.Text.Json.Nodes;
using Grid.Gateway.Tests.Fakes;
using Grid.Silo;
using Grid.Silo.Options;

namespace Grid.Gateway.Tests.EndToEnd;

/// <summary>A trainer's whole step in one request, with the options that a node has by default.</summary>
public sealed class StepRequestTests : IAsyncLifetime
{
    private const int Prompts = 256, Choices = 16, Sequences = Prompts * Choices;

    private readonly HttpClient _client = new() { Timeout = TimeSpan.FromMinutes(2) };
    private GridNode _node = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _node = await GridNode.StartAsync(new NodeOptions { Port = 0, KvCacheMemory = 256L << 20, SkipServerWarmup = true }, TextWriter.Null, Token);
        _client.BaseAddress = _node.Address;
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _node.DisposeAsync();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task All_sequences_of_a_step_are_answered_each_as_if_it_were_alone(bool stream)
    {
        string text = await TextAsync("/generate", Step(tokens: 2, stream ? "\"stream\":true" : "\"stream\":false"));
        JsonNode[] answers;
        if (stream)
        {
            Assert.EndsWith("data: [DONE]\n\n", text, StringComparison.Ordinal);
            var ends = GatewayApp.ParseEvents(text).Where(e => e["meta_info"]!["finish_reason"] is not null).OrderBy(e => (int)e["index"]!).ToArray();
            Assert.Equal(Enumerable.Range(0, Sequences), ends.Select(e => (int)e["index"]!));
            answers = ends;
        }
        else
        {
            answers = [.. JsonNode.Parse(text)!.AsArray().Select(answer => answer!)];
            Assert.Equal(Sequences, answers.Length);
        }
        for (int index = 0; index < Sequences; index += (Sequences / 32) + 1)
        {
            Assert.Equal(NodeFixture.Bits(await AloneAsync(index, tokens: 2)), NodeFixture.Bits(answers[index]));
        }
        Assert.All(answers, answer => Assert.Equal((2, "length"), (Ids(answer).Length, (string?)answer["meta_info"]!["finish_reason"]!["type"])));
    }

    /// <summary>A step that is cut short: operators see how far it is, others are answered meanwhile, a prefix ends all of it, and what was drawn goes
    /// on under other weights.</summary>
    [Fact]
    public async Task A_step_is_seen_leaves_others_their_turn_and_ends_as_partial_rollouts_that_go_on_under_other_weights()
    {
        var step = TextAsync("/generate", Step(tokens: 1000, "\"rid\":\"step-1/\""));
        JsonNode? seen = null;
        await Until.HoldsAsync(
            async () =>
            {
                seen = JsonNode.Parse(await _client.GetStringAsync("/v1/grid", Token))!["requests"]!.AsArray().SingleOrDefault();
                return seen is not null && (int)seen["running"]! > 1 && (long)seen["generated_tokens"]! > 100;
            }, "It was not seen to run.");
        Assert.Equal(("step-1/_0_0", Sequences, 0), ((string?)seen!["rid"], (int)seen["sequences"]!, (int)seen["ended"]!));
        Assert.Equal(Sequences, (int)seen["running"]! + (int)seen["waiting"]!);

        var other = JsonNode.Parse(await TextAsync("/v1/completions", """{"prompt":"Hello","max_tokens":4,"ignore_eos":true,"user":"other"}"""))!;
        Assert.Equal(4, (int)other["usage"]!["completion_tokens"]!);
        Assert.False(step.IsCompleted);

        Assert.Equal("", await TextAsync("/abort_request", """{"rid":"step-2","prefix":true}"""));
        Assert.False(step.IsCompleted);
        Assert.Equal("", await TextAsync("/abort_request", """{"rid":"step-1","prefix":true}"""));
        var answers = JsonNode.Parse(await step)!.AsArray().Select(answer => answer!).ToArray();
        Assert.Equal(Sequences, answers.Length);
        string version = (string)JsonNode.Parse(await _client.GetStringAsync("/get_weight_version", Token))!["weight_version"]!;
        Assert.All(answers, answer =>
        {
            var meta = answer["meta_info"]!;
            Assert.Equal(("abort", version), ((string?)meta["finish_reason"]!["type"], (string?)meta["weight_version"]));
            Assert.Equal(Ids(answer), meta["output_token_logprobs"]!.AsArray().Select(token => (int)token![1]!));
        });
        int partial = Array.FindIndex(answers, answer => Ids(answer).Length > 4);
        int[] drawn = Ids(answers[partial]);
        Assert.Equal(Ids(await AloneAsync(partial, drawn.Length)), drawn);
        Assert.Empty(JsonNode.Parse(await _client.GetStringAsync("/v1/grid", Token))!["requests"]!.AsArray());

        await TextAsync("/update_weights_from_disk", """{"load_format":"dummy","dummy_seed":2,"weight_version":"2"}""");
        int[] prompt = Prompt(partial / Choices);
        string goesOn = $$$"""{"input_ids":[{{{string.Join(',', [.. prompt, .. drawn])}}}],"sampling_params":{"max_new_tokens":4,"ignore_eos":true,"sampling_seed":9}}""";
        var rest = JsonNode.Parse(await TextAsync("/generate", goesOn))!;
        Assert.Equal((prompt.Length + drawn.Length, 4), ((int)rest["meta_info"]!["prompt_tokens"]!, Ids(rest).Length));
        Assert.Equal("2", (string?)rest["meta_info"]!["weight_version"]);
        Assert.NotEqual((string?)answers[partial]["meta_info"]!["system_fingerprint"], (string?)rest["meta_info"]!["system_fingerprint"]);
    }

    private static int[] Prompt(int index) => [1 + (index % 200), 3 + (index / 200), 7];

    private static int[] Ids(JsonNode answer) => [.. answer["output_ids"]!.AsArray().Select(id => (int)id!)];

    private static string Step(int tokens, string more) => Request(string.Join(',', Enumerable.Range(0, Prompts).Select(p => $"[{string.Join(',', Prompt(p))}]")), tokens, 7, Choices, more);

    private static string Request(string prompts, int tokens, int seed, int choices, string more) =>
        $$$"""{"input_ids":[{{{prompts}}}],"return_logprob":true,{{{more}}},"sampling_params":{"n":{{{choices}}},"max_new_tokens":{{{tokens}}},"sampling_seed":{{{seed}}},"ignore_eos":true}}""";

    private async Task<JsonNode> AloneAsync(int index, int tokens) =>
        JsonNode.Parse(await TextAsync("/generate", Request($"[{string.Join(',', Prompt(index / Choices))}]", tokens, 7 + (index % Choices), 1, "\"stream\":false")))!.AsArray().Single()!;

    private async Task<string> TextAsync(string path, string json)
    {
        using var response = await _client.PostAsync(path, new StringContent(json, Encoding.UTF8, "application/json"), Token);
        string text = await response.Content.ReadAsStringAsync(Token);
        Assert.True(response.IsSuccessStatusCode, text);
        return text;
    }
}
