using System.Text;
using System.Text.Json.Nodes;

namespace Grid.Gateway.Tests.EndToEnd;

/// <summary>What benchmarks and evaluations send, field by field as their documentation and sources have it, is answered; and streams are read
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
}
