using System.Text;
using System.Text.Json.Nodes;

namespace Grid.Gateway.Tests.EndToEnd;

/// <summary>What benchmarks, evaluations and trainers send, field by field as their documentation and sources have it, is answered; and streams are read
/// as they read them, line by line.</summary>
public sealed class RequestShapeTests(NodeFixture node)
{
    public static TheoryData<string, string, string> Shapes() => new()
    {
        { "sglang.bench_serving, native", "/generate", """{"text":"Once","sampling_params":{"temperature":0.0,"max_new_tokens":8,"ignore_eos":true},"stream":true,"lora_path":"","return_logprob":false,"return_routed_experts":false,"logprob_start_len":-1}""" },
        { "sglang.bench_serving, ids", "/generate", """{"input_ids":[300,301],"sampling_params":{"temperature":0.0,"max_new_tokens":8,"ignore_eos":true},"stream":true,"lora_path":null,"return_logprob":true,"logprob_start_len":-1,"image_data":[]}""" },
        { "sglang.bench_serving, completions", "/v1/completions", """{"model":"demo","prompt":"Once","temperature":0.0,"best_of":1,"max_tokens":8,"stream":true,"ignore_eos":true}""" },
        { "sglang.bench_serving, chat", "/v1/chat/completions", """{"model":"demo","messages":[{"role":"user","content":"Once"}],"temperature":0.0,"max_completion_tokens":8,"stream":true,"ignore_eos":true,"stream_options":{"include_usage":true}}""" },
        { "vllm bench serve, completions", "/v1/completions", """{"model":"demo","prompt":"Once","temperature":0.0,"repetition_penalty":1.0,"max_tokens":8,"logprobs":null,"stream":true,"stream_options":{"include_usage":true},"ignore_eos":true}""" },
        { "vllm bench serve, chat", "/v1/chat/completions", """{"model":"demo","messages":[{"role":"user","content":[{"type":"text","text":"Once"}]}],"temperature":0.0,"max_completion_tokens":8,"stream":true,"stream_options":{"include_usage":true},"ignore_eos":true}""" },
        { "llmperf", "/v1/chat/completions", """{"model":"demo","messages":[{"role":"system","content":""},{"role":"user","content":"Once"}],"stream":true,"max_tokens":8}""" },
        { "guidellm, completions", "/v1/completions", """{"model":"demo","prompt":"Once","stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true},"max_tokens":8,"stop":null,"ignore_eos":true}""" },
        { "guidellm, chat", "/v1/chat/completions", """{"model":"demo","messages":[{"role":"user","content":[{"type":"text","text":"Once"}]}],"stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true},"max_completion_tokens":8,"stop":null,"ignore_eos":true}""" },
        { "lm-eval, local-completions, likelihood", "/v1/completions", """{"model":"demo","prompt":[[300,301,302],[303,304]],"temperature":0,"max_tokens":1,"logprobs":1,"seed":1234,"echo":true}""" },
        { "lm-eval, local-completions, text", "/v1/completions", """{"model":"demo","prompt":["Once","Twice"],"max_tokens":8,"temperature":0,"stop":["\n\n"],"seed":1234}""" },
        { "lm-eval, local-chat-completions", "/v1/chat/completions", """{"model":"demo","messages":[{"role":"user","content":"Once","type":"text"}],"max_tokens":8,"temperature":0,"stop":["\n\n"],"seed":1234}""" },
        { "slime, a rollout", "/generate", """{"input_ids":[300,301],"sampling_params":{"temperature":1.0,"top_p":1.0,"top_k":-1,"max_new_tokens":8,"stop":null,"stop_token_ids":null,"skip_special_tokens":false,"no_stop_trim":true,"spaces_between_special_tokens":false},"return_logprob":true}""" },
        { "slime, a text", "/generate", """{"text":"Once","sampling_params":{"temperature":0.8,"top_p":1.0,"top_k":-1,"max_new_tokens":8,"stop":["<end>"],"stop_token_ids":[5],"skip_special_tokens":false,"no_stop_trim":true,"spaces_between_special_tokens":false},"return_logprob":true}""" },
        { "verl, its HTTP engine", "/generate", """{"input_ids":[[300,301]],"sampling_params":{"n":1,"max_new_tokens":8,"presence_penalty":0.0,"frequency_penalty":0.0,"repetition_penalty":1.0,"temperature":1.0,"top_k":-1,"top_p":1,"ignore_eos":false},"return_logprob":true,"image_data":null}""" },
        { "verl, an agent's turn", "/generate", """{"rid":"a1","input_ids":[300,301],"sampling_params":{"max_new_tokens":8,"temperature":1.0,"top_p":1.0,"top_k":-1,"repetition_penalty":1.0,"skip_special_tokens":false,"spaces_between_special_tokens":true},"return_logprob":true,"logprob_start_len":-1,"top_logprobs_num":0}""" },
        { "AReaL, a rollout", "/generate", """{"input_ids":[300,301],"image_data":[],"sampling_params":{"top_p":1.0,"top_k":1000000,"max_new_tokens":8,"temperature":1.0,"stop_token_ids":[5,6],"ignore_eos":false,"skip_special_tokens":true,"frequency_penalty":0.0},"return_logprob":true,"stream":false}""" },
        { "vLLM's clients of token ids", "/v1/completions", """{"model":"demo","prompt":[300,301],"max_tokens":8,"temperature":1.0,"logprobs":1,"return_token_ids":true,"return_tokens_as_token_ids":true,"skip_special_tokens":false}""" },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public async Task Is_answered(string who, string path, string json)
    {
        var token = TestContext.Current.CancellationToken;
        string model = (string)JsonNode.Parse(await node.Client.GetStringAsync("/v1/models", token))!["data"]![0]!["id"]!;
        using var response = await node.Client.PostAsync(path, new StringContent(json.Replace("\"demo\"", $"\"{model}\"", StringComparison.Ordinal), Encoding.UTF8, "application/json"), token);
        string text = await response.Content.ReadAsStringAsync(token);
        Assert.True(response.IsSuccessStatusCode, $"{who}: {text}");
        if (!json.Contains("\"stream\":true", StringComparison.Ordinal))
        {
            if (path == "/generate")
            {
                // Trainers read ids and logprobs from the triples, and why it ended.
                var item = JsonNode.Parse(text)! is JsonArray list ? list[0]! : JsonNode.Parse(text)!;
                var triples = item["meta_info"]!["output_token_logprobs"]!.AsArray();
                Assert.Equal(item["output_ids"]!.AsArray().Select(id => (int)id!), triples.Select(triple => (int)triple![1]!));
                Assert.All(triples, triple => Assert.InRange((double)triple![0]!, -100, 0));
                Assert.True((string?)item["meta_info"]!["finish_reason"]!["type"] is "stop" or "length");
                return;
            }
            Assert.All(JsonNode.Parse(text)!["choices"]!.AsArray(), choice => Assert.NotNull(choice!["finish_reason"]));
            return;
        }
        string[] lines = [.. text.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0)];
        Assert.All(lines, line => Assert.StartsWith("data: ", line, StringComparison.Ordinal));
        Assert.Equal("data: [DONE]", lines[^1]);
        var events = lines[..^1].Select(line => JsonNode.Parse(line[6..])!).ToArray();
        Assert.All(events, e => Assert.Null(e["error"]));
        // Tokens are counted by the usage, the last event's or each one's.
        if (json.Contains("include_usage", StringComparison.Ordinal))
        {
            Assert.Equal(8, (int)events[^1]["usage"]!["completion_tokens"]!);
        }
        if (json.Contains("continuous_usage_stats", StringComparison.Ordinal))
        {
            Assert.All(events, e => Assert.NotNull(e["usage"]));
        }
        if (path == "/generate")
        {
            Assert.Equal(8, (int)events[^1]["meta_info"]!["completion_tokens"]!);
        }
    }

    /// <summary>What a trainer computes on is what was drawn: the text has all tokens, and the ids come with it.</summary>
    [Theory]
    [InlineData("/v1/chat/completions", """{"messages":[{"role":"user","content":"Hi!"}],"temperature":0,"max_tokens":100""", "delta")]
    [InlineData("/v1/completions", """{"prompt":"<|im_start|>user\nHi!<|im_end|>\n<|im_start|>assistant\n","temperature":0,"max_tokens":100""", null)]
    public async Task A_trainer_has_all_tokens_in_the_text_and_beside_it(string path, string json, string? delta)
    {
        const string Fields = ""","logprobs":true,"skip_special_tokens":false,"no_stop_trim":true,"return_token_ids":true,"return_tokens_as_token_ids":true}""";
        string body = json + (delta is null ? Fields.Replace("true,\"skip", "1,\"skip", StringComparison.Ordinal) : Fields);
        var answer = await node.OkAsync(path, body);
        var choice = answer["choices"]![0]!;
        string text = (string?)choice["text"] ?? (string)choice["message"]!["content"]!;
        int[] ids = [.. choice["token_ids"]!.AsArray().Select(id => (int)id!)];
        Assert.Equal("stop", (string?)choice["finish_reason"]);
        Assert.EndsWith("<|im_end|>", text, StringComparison.Ordinal);
        Assert.Equal(text, (string?)(await node.OkAsync("/detokenize", $$"""{"tokens":{{choice["token_ids"]!.ToJsonString()}},"skip_special_tokens":false}"""))["text"]);
        Assert.Equal((int)answer["usage"]!["completion_tokens"]!, ids.Length);
        string prompt = (choice["prompt_token_ids"] ?? answer["prompt_token_ids"])!.ToJsonString();
        Assert.Equal((int)answer["usage"]!["prompt_tokens"]!, prompt.Split(',').Length);
        var names = delta is null ? choice["logprobs"]!["tokens"]!.AsArray() : [.. choice["logprobs"]!["content"]!.AsArray().Select(token => token!["token"]!.DeepClone())];
        Assert.Equal(ids.Select(id => $"token_id:{id}"), names.Select(name => (string)name!));

        var whole = await node.EventsAsync(path, body.Insert(1, "\"stream\":true,"));
        var events = whole.Select(one => one["choices"]![0]!).ToArray();
        Assert.Equal(text, string.Concat(events.Select(one => (string?)(delta is null ? one["text"] : one[delta]!["content"]))));
        Assert.Equal(ids, events.SelectMany(one => one["token_ids"]?.AsArray() ?? []).Select(id => (int)id!));
        Assert.Equal(prompt, Assert.Single((delta is null ? events : [.. whole]).Select(one => one["prompt_token_ids"]).OfType<JsonNode>()).ToJsonString());
    }
}
