using System.Text;
using System.Text.Json.Nodes;
using Grid.Gateway.Tests.Fakes;

namespace Grid.Gateway.Tests;

/// <summary>/v1/completions answers in OpenAI's form.</summary>
public sealed class CompletionAnswerTests(GatewayFixture fixture) : IClassFixture<GatewayFixture>
{
    private const string Path = "/v1/completions";
    private readonly GatewayApp _app = fixture.Gateway;

    [Fact]
    public async Task Choices_go_prompt_by_prompt()
    {
        var answer = await _app.OkAsync(Path, "{\"prompt\":[\"ab\",\"cde\"],\"n\":2,\"seed\":1,\"max_tokens\":40}");

        Assert.Equal("text_completion", (string)answer["object"]!);
        Assert.StartsWith("cmpl-", (string)answer["id"]!, StringComparison.Ordinal);
        Assert.Equal(["Seed 1: ü😀.", "Seed 2: ü😀.", "Seed 1: ü😀.", "Seed 2: ü😀."],
            answer["choices"]!.AsArray().Select(c => (string)c!["text"]!));
        Assert.Equal([0, 1, 2, 3], answer["choices"]!.AsArray().Select(c => (int)c!["index"]!));
        // Each prompt counts once.
        Assert.Equal((5, 64), ((int)answer["usage"]!["prompt_tokens"]!, (int)answer["usage"]!["completion_tokens"]!));
    }

    [Fact]
    public async Task Logprobs_name_tokens_scores_alternatives_and_offsets()
    {
        var answer = await _app.OkAsync(Path, "{\"prompt\":\"ab\",\"seed\":1,\"max_tokens\":40,\"logprobs\":2}");

        var logprobs = answer["choices"]![0]!["logprobs"]!;
        string[] tokens = logprobs["tokens"]!.AsArray().Select(t => (string)t!).ToArray();
        Assert.Equal(16, tokens.Length);
        Assert.Equal(["S", "e", "e", "d", " ", "1", ":", " ", "bytes:\\xc3", "bytes:\\xbc", "bytes:\\xf0"], tokens[..11]);
        Assert.Equal("<|im_end|>", tokens[15]);
        // The two-byte character is one code point, as is the four-byte one.
        Assert.Equal("[0,1,2,3,4,5,6,7,8,8,9,9,9,9,10,11]", logprobs["text_offset"]!.ToJsonString());
        Assert.Equal(FakeAnswers.Logprob('S', 2), (float)logprobs["token_logprobs"]![0]!);
        Assert.Equal(["S", "T"], logprobs["top_logprobs"]![0]!.AsObject().Select(t => t.Key));
    }

    [Fact]
    public async Task A_token_put_before_the_prompt_counts_and_is_scored_but_is_not_in_the_text()
    {
        await using var app = await GatewayApp.StartAsync();
        app.Grid.Models = [FakeSequenceService.Model with { Text = TinyText.Load(withBegin: true) }];
        var answer = await app.OkAsync(Path, "{\"prompt\":\"aé\",\"seed\":1,\"max_tokens\":3,\"logprobs\":0,\"echo\":true}");

        var choice = answer["choices"]![0]!;
        Assert.Equal("aéSee", (string)choice["text"]!);
        Assert.Equal("<|im_start|>", (string)choice["logprobs"]!["tokens"]![0]!);
        Assert.Equal("[0,0,1,1,2,3,4]", choice["logprobs"]!["text_offset"]!.ToJsonString());
        Assert.Equal(4, (int)answer["usage"]!["prompt_tokens"]!);
        var bare = await app.OkAsync(Path, "{\"prompt\":\"aé\",\"max_tokens\":3,\"add_special_tokens\":false}");
        Assert.Equal(3, (int)bare["usage"]!["prompt_tokens"]!);
    }

    [Fact]
    public async Task Echo_puts_the_prompt_first_with_its_logprobs_the_first_of_them_null()
    {
        var answer = await _app.OkAsync(Path, "{\"prompt\":\"aé\",\"seed\":1,\"max_tokens\":3,\"logprobs\":0,\"echo\":true}");

        var choice = answer["choices"]![0]!;
        Assert.Equal("aéSee", (string)choice["text"]!);
        Assert.Equal("length", (string)choice["finish_reason"]!);
        var logprobs = choice["logprobs"]!;
        Assert.Equal(6, logprobs["tokens"]!.AsArray().Count);
        Assert.Null(logprobs["token_logprobs"]![0]);
        Assert.Null(logprobs["top_logprobs"]![0]);
        Assert.Equal(FakeAnswers.Logprob(0xC3, 1), (float)logprobs["token_logprobs"]![1]!);
        Assert.Equal("[0,1,1,2,3,4]", logprobs["text_offset"]!.ToJsonString());
        Assert.Single(logprobs["top_logprobs"]![1]!.AsObject());
        Assert.Equal(0, _app.Grid.Started.Last().Generation.PromptLogprobsFrom);
    }

    [Fact]
    public async Task Max_tokens_zero_scores_the_prompt_alone()
    {
        var answer = await _app.OkAsync(Path, "{\"prompt\":[97,98],\"max_tokens\":0,\"logprobs\":1,\"echo\":true}");

        Assert.Equal("ab", (string)answer["choices"]![0]!["text"]!);
        Assert.Equal(2, answer["choices"]![0]!["logprobs"]!["tokens"]!.AsArray().Count);
        Assert.Equal(0, (int)answer["usage"]!["completion_tokens"]!);
    }

    [Theory]
    [InlineData("")]
    [InlineData(",\"echo\":true")]
    [InlineData(",\"echo\":true,\"logprobs\":2")]
    [InlineData(",\"logprobs\":1")]
    public async Task A_stream_says_what_the_whole_answer_says(string fields)
    {
        string request = $"\"prompt\":[\"ab\",\"cüd\"],\"seed\":9,\"max_tokens\":40{fields}";
        var whole = await _app.OkAsync(Path, $"{{{request}}}");
        var events = await _app.EventsAsync(Path, $"{{{request},\"stream\":true}}");

        for (int index = 0; index < 2; index++)
        {
            var mine = events.Select(e => e["choices"]![0]!).Where(c => (int)c["index"]! == index).ToList();
            var choice = whole["choices"]![index]!;
            Assert.Equal((string)choice["text"]!, string.Concat(mine.Select(c => (string)c["text"]!)));
            foreach (string? list in new[] { "tokens", "token_logprobs", "top_logprobs", "text_offset" })
            {
                Assert.Equal(Items([choice], list), Items(mine, list));
            }
            Assert.Equal("stop", (string)Assert.Single(mine, c => c["finish_reason"] is not null)["finish_reason"]!);
        }
    }

    private static string Items(IEnumerable<JsonNode> choices, string list)
    {
        var text = new StringBuilder();
        foreach (var item in choices.Where(c => c["logprobs"] is not null).SelectMany(c => c["logprobs"]![list]!.AsArray()))
        {
            text.Append(item?.ToJsonString() ?? "null").Append('\n');
        }
        return text.ToString();
    }
}
