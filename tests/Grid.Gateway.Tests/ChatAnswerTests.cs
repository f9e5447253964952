using System.Text.Json.Nodes;
using Grid.Gateway.Tests.Fakes;

namespace Grid.Gateway.Tests;

/// <summary>/v1/chat/completions answers in OpenAI's form, whole and as a stream.</summary>
public sealed class ChatAnswerTests(GatewayFixture fixture) : IClassFixture<GatewayFixture>
{
    private const string Path = "/v1/chat/completions";
    private const string Messages = "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]";
    private readonly GatewayApp _app = fixture.Gateway;

    [Fact]
    public async Task A_whole_answer_has_OpenAI_s_fields()
    {
        var answer = await _app.OkAsync(Path, $"{{{Messages},\"seed\":7}}");

        Assert.StartsWith("chatcmpl-", (string)answer["id"]!, StringComparison.Ordinal);
        Assert.Equal("chat.completion", (string)answer["object"]!);
        Assert.True((long)answer["created"]! > 1_600_000_000);
        Assert.Equal("tiny", (string)answer["model"]!);
        Assert.Equal("grid-1-fake", (string)answer["system_fingerprint"]!);
        Assert.Equal(7, (long)answer["seed"]!);
        var choice = answer["choices"]!.AsArray().Single()!;
        Assert.Equal(["role", "content", "refusal"], choice["message"]!.AsObject().Select(field => field.Key));
        Assert.Equal(("assistant", "Seed 7: ü😀."), ((string)choice["message"]!["role"]!, (string)choice["message"]!["content"]!));
        Assert.Equal("stop", (string)choice["finish_reason"]!);
        Assert.Equal(TinyText.End, (int)choice["stop_reason"]!);
        Assert.Null(choice["logprobs"]);
        int prompt = "<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n".Replace("<|im_start|>", "s", StringComparison.Ordinal)
            .Replace("<|im_end|>", "e", StringComparison.Ordinal).Length;
        Assert.Equal(
            $"{{\"prompt_tokens\":{prompt},\"completion_tokens\":16,\"total_tokens\":{prompt + 16},\"prompt_tokens_details\":{{\"cached_tokens\":{prompt / 2}}}}}",
            Plain(answer["usage"]!));
    }

    [Fact]
    public async Task Logprobs_come_with_text_bytes_and_alternatives_for_every_token()
    {
        var answer = await _app.OkAsync(Path, $"{{{Messages},\"seed\":7,\"logprobs\":true,\"top_logprobs\":3}}");

        var content = answer["choices"]![0]!["logprobs"]!["content"]!.AsArray();
        Assert.Equal(16, content.Count);
        Assert.Equal("S", (string)content[0]!["token"]!);
        Assert.Equal("[83]", content[0]!["bytes"]!.ToJsonString());
        // The first byte of a character of two: no text of its own, but its bytes.
        Assert.Equal("\uFFFD", (string)content[8]!["token"]!);
        Assert.Equal("[195]", content[8]!["bytes"]!.ToJsonString());
        Assert.Equal("<|im_end|>", (string)content[15]!["token"]!);
        Assert.All(content, token => Assert.Equal(3, token!["top_logprobs"]!.AsArray().Count));
        int position = (int)answer["usage"]!["prompt_tokens"]!;
        Assert.Equal(FakeAnswers.Logprob('S', position), (float)content[0]!["logprob"]!);

        answer = await _app.OkAsync(Path, $"{{{Messages},\"logprobs\":true}}");
        Assert.Equal("[]", answer["choices"]![0]!["logprobs"]!["content"]![0]!["top_logprobs"]!.ToJsonString());
    }

    [Fact]
    public async Task A_stream_says_what_the_whole_answer_says()
    {
        string request = $"{Messages},\"seed\":7,\"n\":3,\"logprobs\":true,\"top_logprobs\":2";
        var whole = await _app.OkAsync(Path, $"{{{request}}}");
        var events = await _app.EventsAsync(Path, $"{{{request},\"stream\":true}}");

        Assert.All(events, e => Assert.Equal("chat.completion.chunk", (string)e["object"]!));
        Assert.Single(events.Select(e => (string)e["id"]!).Distinct());
        Assert.All(events, e => Assert.Equal(7, (long)e["seed"]!));
        Assert.All(events, e => Assert.False(e.AsObject().ContainsKey("usage")));
        for (int index = 0; index < 3; index++)
        {
            var mine = events.Select(e => e["choices"]![0]!).Where(c => (int)c["index"]! == index).ToList();
            Assert.Equal("assistant", (string)mine[0]["delta"]!["role"]!);
            Assert.All(mine.Skip(1), c => Assert.False(c["delta"]!.AsObject().ContainsKey("role")));
            var choice = whole["choices"]![index]!;
            Assert.Equal((string)choice["message"]!["content"]!, string.Concat(mine.Select(c => (string?)c["delta"]!["content"])));
            var logprobs = mine.Where(c => c["logprobs"] is not null).SelectMany(c => c["logprobs"]!["content"]!.AsArray());
            Assert.Equal(
                choice["logprobs"]!["content"]!.AsArray().Select(t => t!.ToJsonString()), logprobs.Select(t => t!.ToJsonString()));
            Assert.Equal("stop", (string)Assert.Single(mine, c => c["finish_reason"] is not null)["finish_reason"]!);
            Assert.NotNull(mine[^1]["finish_reason"]);
            Assert.Equal("{}", mine[^1]["delta"]!.ToJsonString());
        }
    }

    [Fact]
    public async Task Usage_ends_a_stream_when_asked_for()
    {
        var events = await _app.EventsAsync(Path, $"{{{Messages},\"stream\":true,\"stream_options\":{{\"include_usage\":true}}}}");

        Assert.All(events.SkipLast(1), e => Assert.True(e.AsObject().ContainsKey("usage") && e["usage"] is null));
        Assert.Empty(events[^1]["choices"]!.AsArray());
        Assert.True((int)events[^1]["usage"]!["completion_tokens"]! > 0);
    }

    [Fact]
    public async Task Prompt_logprobs_have_vLLM_s_form()
    {
        var answer = await _app.OkAsync(Path, $"{{{Messages},\"prompt_logprobs\":1,\"max_tokens\":0}}");

        var scores = answer["prompt_logprobs"]!.AsArray();
        Assert.Equal((int)answer["usage"]!["prompt_tokens"]!, scores.Count);
        Assert.Null(scores[0]);
        Assert.Equal("{\"logprob\":" + FakeAnswers.Logprob('u', 1).ToString("R") + ",\"rank\":1,\"decoded_token\":\"u\"}",
            Plain(scores[1]!["117"]!));
        // Nothing was asked for beyond the prompt, and nothing is given.
        Assert.Equal(0, (int)answer["usage"]!["completion_tokens"]!);
        Assert.Equal(("", "length"), ((string)answer["choices"]![0]!["message"]!["content"]!, (string)answer["choices"]![0]!["finish_reason"]!));
        Assert.Null(answer["choices"]![0]!["logprobs"]);
    }

    private static string Plain(JsonNode node) => node.ToJsonString(new()
    {
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });
}
