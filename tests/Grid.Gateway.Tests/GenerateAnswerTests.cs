using System.Text.Json.Nodes;
using Grid.Gateway.Tests.Fakes;

namespace Grid.Gateway.Tests;

/// <summary>/generate answers as SGLang does.</summary>
public sealed class GenerateAnswerTests(GatewayFixture fixture) : IClassFixture<GatewayFixture>
{
    private readonly GatewayApp _app = fixture.Gateway;

    [Fact]
    public async Task One_prompt_gives_an_object_and_a_list_of_one_a_list()
    {
        var one = await _app.OkAsync("/generate", "{\"text\":\"ab\",\"sampling_params\":{\"sampling_seed\":3},\"rid\":\"me\"}");
        var list = await _app.OkAsync("/generate", "{\"text\":[\"ab\"],\"sampling_params\":{\"sampling_seed\":3},\"rid\":\"me\"}");

        Assert.Equal("Seed 3: ü😀.", (string)one["text"]!);
        Assert.Equal([83, 101], one["output_ids"]!.AsArray().Take(2).Select(id => (int)id!));
        Assert.Equal(16, one["output_ids"]!.AsArray().Count);
        var meta = one["meta_info"]!;
        Assert.Equal("me", (string)meta["id"]!);
        Assert.Equal("{\"type\":\"stop\",\"matched\":257}", meta["finish_reason"]!.ToJsonString());
        Assert.Equal((2, 16, 1), ((int)meta["prompt_tokens"]!, (int)meta["completion_tokens"]!, (int)meta["cached_tokens"]!));
        Assert.Equal("grid-1-fake", (string)meta["system_fingerprint"]!);
        Assert.True((double)meta["e2e_latency"]! >= 0);
        Assert.False(meta.AsObject().ContainsKey("output_token_logprobs"));
        Assert.Equal("me_0", (string)list.AsArray().Single()!["meta_info"]!["id"]!);
    }

    [Fact]
    public async Task Answers_come_in_the_order_of_the_request()
    {
        var prompts = Enumerable.Range(0, 40).Select(i => $"\"{new string('a', i + 1)}\"");
        var items = await _app.OkAsync("/generate", $"{{\"text\":[{string.Join(',', prompts)}],\"sampling_params\":{{\"n\":2,\"sampling_seed\":5,\"max_new_tokens\":6}}}}");

        Assert.Equal(Enumerable.Range(0, 80).Select(i => (i / 2) + 1), items.AsArray().Select(i => (int)i!["meta_info"]!["prompt_tokens"]!));
        Assert.Equal(Enumerable.Range(0, 80).Select(i => $"Seed {5 + (i % 2)}"), items.AsArray().Select(i => (string)i!["text"]!));
        Assert.Equal("{\"type\":\"length\",\"length\":6}", items[0]!["meta_info"]!["finish_reason"]!.ToJsonString());
    }

    [Fact]
    public async Task Logprobs_are_triples_and_the_first_input_one_is_null_wherever_it_starts()
    {
        const string Request = "{\"text\":\"abcd\",\"sampling_params\":{\"sampling_seed\":3,\"max_new_tokens\":2},\"return_logprob\":true,\"top_logprobs_num\":2";
        var all = (await _app.OkAsync("/generate", Request + ",\"logprob_start_len\":0}"))["meta_info"]!;
        var some = (await _app.OkAsync("/generate", Request + ",\"logprob_start_len\":2,\"return_text_in_logprobs\":true}"))["meta_info"]!;
        var output = (await _app.OkAsync("/generate", Request + "}"))["meta_info"]!;

        string P(int id, int position) => FakeAnswers.Logprob(id, position).ToString("R");
        Assert.Equal($"[[null,97,null],[{P(98, 1)},98,null],[{P(99, 2)},99,null],[{P(100, 3)},100,null]]", all["input_token_logprobs"]!.ToJsonString());
        Assert.Equal($"[[null,99,\"c\"],[{P(100, 3)},100,\"d\"]]", some["input_token_logprobs"]!.ToJsonString());
        Assert.Equal("[]", output["input_token_logprobs"]!.ToJsonString());
        Assert.Equal($"[[{P('S', 4)},83,null],[{P('e', 5)},101,null]]", output["output_token_logprobs"]!.ToJsonString());
        Assert.Equal(4, all["input_top_logprobs"]!.AsArray().Count);
        Assert.Null(all["input_top_logprobs"]![0]);
        Assert.Equal(2, all["output_top_logprobs"]![1]!.AsArray().Count);
    }

    [Fact]
    public async Task A_start_beyond_the_prompt_is_refused()
    {
        var (status, body) = await _app.PostAsync("/generate", "{\"text\":\"abcd\",\"return_logprob\":true,\"logprob_start_len\":4}");
        Assert.Equal((400, "logprob_start_len"), (status, (string)body["error"]!["param"]!));
        await _app.Grid.Sequences.Last().Disposed;
    }

    [Fact]
    public async Task Max_new_tokens_zero_scores_the_prompt_alone()
    {
        var item = await _app.OkAsync("/generate", "{\"text\":\"abc\",\"return_logprob\":true,\"logprob_start_len\":0,\"sampling_params\":{\"max_new_tokens\":0}}");
        Assert.Equal(("", "[]"), ((string)item["text"]!, item["output_ids"]!.ToJsonString()));
        Assert.Equal(3, item["meta_info"]!["input_token_logprobs"]!.AsArray().Count);
        Assert.Equal("{\"type\":\"length\",\"length\":0}", item["meta_info"]!["finish_reason"]!.ToJsonString());
    }

    [Fact]
    public async Task A_stream_is_cumulative_and_ends_where_the_whole_answer_does()
    {
        const string Request = "{\"text\":[\"ab\",\"cd\"],\"sampling_params\":{\"sampling_seed\":3},\"return_logprob\":true,\"logprob_start_len\":0";
        var whole = await _app.OkAsync("/generate", Request + "}");
        var events = await _app.EventsAsync("/generate", Request + ",\"stream\":true}");

        for (int index = 0; index < 2; index++)
        {
            var mine = events.Where(e => (int)e["index"]! == index).ToList();
            for (int i = 1; i < mine.Count; i++)
            {
                Assert.StartsWith((string)mine[i - 1]["text"]!, (string)mine[i]["text"]!, StringComparison.Ordinal);
                Assert.True(mine[i - 1]["output_ids"]!.AsArray().Count < mine[i]["output_ids"]!.AsArray().Count);
            }
            Assert.All(mine.SkipLast(1), e => Assert.Null(e["meta_info"]!["finish_reason"]));
            Assert.Equal(Stable(whole[index]!), Stable(mine[^1]));
        }

        var single = await _app.EventsAsync("/generate", "{\"text\":\"ab\",\"stream\":true}");
        Assert.All(single, e => Assert.False(e.AsObject().ContainsKey("index")));
    }

    /// <summary>An item without what differs from run to run: its id, its time, its index.</summary>
    private static string Stable(JsonNode item)
    {
        var copy = item.DeepClone().AsObject();
        copy.Remove("index");
        copy["meta_info"]!.AsObject().Remove("id");
        copy["meta_info"]!.AsObject().Remove("e2e_latency");
        return copy.ToJsonString();
    }
}
