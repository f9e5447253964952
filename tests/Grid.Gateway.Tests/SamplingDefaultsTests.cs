using System.Text.Json.Nodes;
using Grid.Gateway.Tests.Fakes;
using Grid.Grains.Messages;
using Grid.Numerics;

namespace Grid.Gateway.Tests;

/// <summary>Where a request is silent, the model's sampling defaults hold, and on /generate the API's; where it speaks, it is obeyed.</summary>
public sealed class SamplingDefaultsTests : IAsyncLifetime
{
    private static readonly SamplingParameters s_defaults = new()
    {
        Temperature = 0.6f,
        TopP = 0.95f,
        TopK = 20,
        MinP = 0.05f,
        RepetitionPenalty = 1.1f,
    };

    private GatewayApp _app = null!;

    public async ValueTask InitializeAsync()
    {
        _app = await GatewayApp.StartAsync();
        _app.Grid.Models = [FakeSequenceService.Model with { Sampling = s_defaults }];
    }

    public ValueTask DisposeAsync() => _app?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Fact]
    public async Task A_silent_request_gets_the_models_defaults_and_on_generate_those_of_the_API()
    {
        await AskEverywhereAsync("");
        await _app.OkAsync("/generate", "{\"text\":[\"x\",\"y\"]}");

        Assert.Equal(5, _app.Grid.Started.Count);
        Assert.All(_app.Grid.Started.Take(2), spec => Assert.Equal(s_defaults, Sampling(spec)));
        Assert.All(_app.Grid.Started.Skip(2), spec => Assert.Equal(new SamplingParameters(), Sampling(spec)));
    }

    [Fact]
    public async Task A_null_is_silence()
    {
        await AskEverywhereAsync("\"temperature\":null,\"top_p\":null,\"top_k\":null,\"min_p\":null,\"repetition_penalty\":null");

        AssertSampling(defaults => defaults);
    }

    [Fact]
    public async Task A_request_that_speaks_wins_field_by_field()
    {
        await AskEverywhereAsync("\"temperature\":0.25,\"top_k\":7");
        AssertSampling(defaults => defaults with { Temperature = 0.25f, TopK = 7 });

        await AskEverywhereAsync("\"top_p\":0.5,\"min_p\":0.125,\"repetition_penalty\":1.25");
        AssertSampling(defaults => defaults with { TopP = 0.5f, MinP = 0.125f, RepetitionPenalty = 1.25f });
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(0)]
    public async Task A_request_can_switch_everything_off(int topK)
    {
        await AskEverywhereAsync($"\"temperature\":1,\"top_p\":1,\"top_k\":{topK},\"min_p\":0,\"repetition_penalty\":1");
        Assert.All(Take(), spec => Assert.Equal(new SamplingParameters(), Sampling(spec)));

        await AskEverywhereAsync("\"temperature\":0");
        Assert.All(Take(), spec => Assert.Equal(0f, spec.Generation.Sampling.Temperature));
    }

    [Fact]
    public async Task The_defaults_are_shown_with_the_model()
    {
        const string Expected = "{\"temperature\":0.6,\"top_p\":0.95,\"top_k\":20,\"min_p\":0.05,\"repetition_penalty\":1.1}";
        Assert.Equal(Expected, Shown((await GetAsync("/v1/models"))["data"]![0]!));
        Assert.Equal(Expected, Shown(await GetAsync("/v1/models/tiny")));
        Assert.Equal(Expected, Shown(await GetAsync("/get_model_info")));

        _app.Grid.Models = [FakeSequenceService.Model];
        Assert.Equal("{\"temperature\":1,\"top_p\":1,\"top_k\":-1,\"min_p\":0,\"repetition_penalty\":1}", Shown(await GetAsync("/get_model_info")));
    }

    private static string Shown(JsonNode model) => model["default_sampling_params"]!.ToJsonString();

    /// <summary>Without the seed, which is drawn.</summary>
    private static SamplingParameters Sampling(SequenceSpec spec) => spec.Generation.Sampling with { Seed = 0, LogitBias = [] };

    /// <summary>What each endpoint asked for, chat, completions, /generate.</summary>
    private void AssertSampling(Func<SamplingParameters, SamplingParameters> said) =>
        Assert.Equal([said(s_defaults), said(s_defaults), said(new SamplingParameters())], Take().Select(Sampling));

    private SequenceSpec[] Take()
    {
        var specs = _app.Grid.Started.ToArray();
        _app.Grid.Started.Clear();
        Assert.Equal(3, specs.Length);
        return specs;
    }

    private async Task AskEverywhereAsync(string sampling)
    {
        string more = sampling.Length == 0 ? "" : "," + sampling;
        await _app.OkAsync("/v1/chat/completions", $"{{\"messages\":[{{\"role\":\"user\",\"content\":\"x\"}}]{more}}}");
        await _app.OkAsync("/v1/completions", $"{{\"prompt\":\"x\"{more}}}");
        await _app.OkAsync("/generate", $"{{\"text\":\"x\",\"sampling_params\":{{{sampling}}}}}");
    }

    private async Task<JsonNode> GetAsync(string path) =>
        JsonNode.Parse(await _app.Client.GetStringAsync(path, TestContext.Current.CancellationToken))!;
}
