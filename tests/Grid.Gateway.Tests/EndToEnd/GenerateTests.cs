using System.Text.Json.Nodes;

namespace Grid.Gateway.Tests.EndToEnd;

/// <summary>/generate on the real grid: order, bits, cache, and what a client's leaving does.</summary>
public sealed class GenerateTests(NodeFixture node)
{
    private const string Prompts = "[\"The dog\",\"Once upon a time\",\"<|im_start|>user\\nTell me a story.<|im_end|>\\n<|im_start|>assistant\\n\",\"1 2 3\",\"Ann\"]";
    private const string Request = "{\"text\":" + Prompts + ",\"sampling_params\":{\"sampling_seed\":11,\"max_new_tokens\":24,\"temperature\":0.8,\"top_p\":0.9},"
        + "\"return_logprob\":true,\"logprob_start_len\":0,\"top_logprobs_num\":3";

    [Fact]
    public async Task Lists_come_in_order_and_every_bit_is_the_same_in_every_run_streamed_or_not_alone_or_together()
    {
        var first = (await node.OkAsync("/generate", Request + "}")).AsArray();
        var second = (await node.OkAsync("/generate", Request + "}")).AsArray();
        var streamed = await node.EventsAsync("/generate", Request + ",\"stream\":true}");

        var prompts = JsonNode.Parse(Prompts)!.AsArray();
        Assert.Equal(prompts.Count, first.Count);
        for (int i = 0; i < prompts.Count; i++)
        {
            var alone = await node.OkAsync("/generate", Request.Replace(Prompts, prompts[i]!.ToJsonString(), StringComparison.Ordinal) + "}");
            string bits = NodeFixture.Bits(first[i]!);
            Assert.Equal(bits, NodeFixture.Bits(second[i]!));
            Assert.Equal(bits, NodeFixture.Bits(alone));
            Assert.Equal(bits, NodeFixture.Bits(streamed.Last(e => (int)e["index"]! == i)));
            Assert.Equal((int)first[i]!["meta_info"]!["completion_tokens"]!, first[i]!["output_ids"]!.AsArray().Count);
            Assert.Equal((int)first[i]!["meta_info"]!["prompt_tokens"]!, first[i]!["meta_info"]!["input_token_logprobs"]!.AsArray().Count);
        }
    }

    [Fact]
    public async Task Answers_of_one_prompt_are_the_answers_of_its_seeds()
    {
        const string Prompt = "{\"text\":\"The king\",\"return_logprob\":true,\"sampling_params\":{\"max_new_tokens\":16,";
        var three = (await node.OkAsync("/generate", Prompt + "\"sampling_seed\":41,\"n\":3}}")).AsArray();
        for (int i = 0; i < 3; i++)
        {
            var one = await node.OkAsync("/generate", Prompt + $"\"sampling_seed\":{41 + i}}}}}");
            Assert.Equal(NodeFixture.Bits(one), NodeFixture.Bits(three[i]!));
        }
    }

    [Fact]
    public async Task An_output_scored_again_as_a_prompt_has_the_logprobs_it_had()
    {
        var said = await node.OkAsync("/generate", "{\"text\":\"Once upon a time\",\"sampling_params\":{\"sampling_seed\":3,\"max_new_tokens\":40},\"return_logprob\":true,\"logprob_start_len\":0}");
        int[] prompt = [.. said["meta_info"]!["input_token_logprobs"]!.AsArray().Select(t => (int)t![1]!)];
        int[] output = [.. said["output_ids"]!.AsArray().Select(id => (int)id!)];
        var scored = await node.OkAsync("/generate",
            $"{{\"input_ids\":[{string.Join(',', prompt.Concat(output))}],\"sampling_params\":{{\"max_new_tokens\":0}},\"return_logprob\":true,\"logprob_start_len\":0}}");

        Assert.Equal(
            said["meta_info"]!["output_token_logprobs"]!.AsArray().Select(t => t!.ToJsonString()),
            scored["meta_info"]!["input_token_logprobs"]!.AsArray().Skip(prompt.Length).Select(t => t!.ToJsonString()));
    }

    [Fact]
    public async Task A_cached_prompt_changes_the_count_of_cached_tokens_and_no_bit()
    {
        string prompt = string.Concat(Enumerable.Repeat("A story about a fox and a hen in a wood. ", 12));
        string request = $"{{\"text\":\"{prompt}\",\"sampling_params\":{{\"sampling_seed\":9,\"max_new_tokens\":12}},\"return_logprob\":true}}";
        await FlushAsync();
        var cold = await node.OkAsync("/generate", request);
        var warm = await node.OkAsync("/generate", request);

        Assert.True((int)warm["meta_info"]!["cached_tokens"]! > 0);
        Assert.Equal(NodeFixture.Bits(cold), NodeFixture.Bits(warm));
        await FlushAsync();
        Assert.Equal(NodeFixture.Bits(cold), NodeFixture.Bits(await node.OkAsync("/generate", request)));
    }

    [Fact]
    public async Task A_stop_string_ends_the_text_before_it_and_is_named()
    {
        var item = await node.OkAsync("/generate", "{\"text\":\"<|im_start|>user\\nTell me a story.<|im_end|>\\n<|im_start|>assistant\\n\",\"sampling_params\":{\"sampling_seed\":1,\"temperature\":0,\"stop\":[\"zzz\",\". \"]}}");
        Assert.Equal("{\"type\":\"stop\",\"matched\":\". \"}", item["meta_info"]!["finish_reason"]!.ToJsonString());
        Assert.DoesNotContain(". ", (string)item["text"]!, StringComparison.Ordinal);
        Assert.NotEmpty((string)item["text"]!);
    }

    private async Task FlushAsync()
    {
        using var response = await node.Client.PostAsync("/flush_cache", null, TestContext.Current.CancellationToken);
        Assert.Equal(200, (int)response.StatusCode);
    }
}
