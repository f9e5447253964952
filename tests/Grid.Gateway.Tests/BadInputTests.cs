using System.Text.Json.Nodes;
using Grid.Gateway.Tests.Fakes;

namespace Grid.Gateway.Tests;

/// <summary>Every bad input gets the error object with the status, field and code it deserves, and starts nothing.</summary>
public sealed class BadInputTests(GatewayFixture app) : IClassFixture<GatewayFixture>
{
    private const string Chat = "/v1/chat/completions";
    private const string Completions = "/v1/completions";
    private const string Generate = "/generate";

    public static TheoryData<string, string, string?, string> Refused()
    {
        var data = new TheoryData<string, string, string?, string>();
        void Add(string path, string json, string? param, string code) => data.Add(path, json, param, code);

        // The body itself.
        foreach (string? path in new[] { Chat, Completions, Generate })
        {
            Add(path, "", null, "invalid_json");
            Add(path, "{", null, "invalid_json");
            Add(path, "{} {}", null, "invalid_json");
            Add(path, "[]", null, "invalid_type");
            Add(path, "\"text\"", null, "invalid_type");
            Add(path, "{\"n\":NaN}", null, "invalid_json");
            Add(path, "{\"n\":1,}", null, "invalid_json");
            Add(path, new string('[', 100) + new string(']', 100), null, "invalid_json");
            Add(path, "{\"surprise\":" + string.Concat(Enumerable.Repeat("{\"a\":", 40)) + "1" + new string('}', 40) + "}", null, "invalid_json");
            Add(path, "{\"stream\":true,\"stream\":false}", "stream", "duplicate_parameter");
            Add(path, "{\"\\ud800\":1}", null, "invalid_json");
        }

        // Sampling fields: the same table for all three, where they live.
        foreach (var (prefix, wrap) in new (string, Func<string, (string, string)>)[]
        {
            ("", field => (Chat, $"{{\"messages\":[{{\"role\":\"user\",\"content\":\"x\"}}],{field}}}")),
            ("", field => (Completions, $"{{\"prompt\":\"x\",{field}}}")),
            ("sampling_params.", field => (Generate, $"{{\"text\":\"x\",\"sampling_params\":{{{field}}}}}")),
        })
        {
            foreach (var (field, value, param, code) in BadSampling())
            {
                var (path, json) = wrap($"\"{field}\":{value}");
                Add(path, json, prefix + param, code);
            }
        }

        // Fields of both OpenAI endpoints.
        foreach (var (field, value, param, code) in BadOpenAi())
        {
            Add(Chat, $"{{\"messages\":[{{\"role\":\"user\",\"content\":\"x\"}}],\"{field}\":{value}}}", param, code);
            Add(Completions, $"{{\"prompt\":\"x\",\"{field}\":{value}}}", param, code);
        }
        foreach (var (json, param, code) in BadChats())
        {
            Add(Chat, json, param, code);
        }
        foreach (var (json, param, code) in BadCompletions())
        {
            Add(Completions, json, param, code);
        }
        foreach (var (json, param, code) in BadGenerates())
        {
            Add(Generate, json, param, code);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task Is_refused_by_name(string path, string json, string? param, string code)
    {
        var (status, body) = await app.Gateway.PostAsync(path, json);

        Assert.True(status == 400, $"{status} {body.ToJsonString()}");
        AssertError(body, param, code);
        // What was found out only with the prompt's tokens at hand was cancelled.
        await Task.WhenAll(app.Gateway.Grid.Sequences.Select(sequence => sequence.Disposed));
    }

    [Theory]
    [InlineData(new byte[] { 0x7B, 0x22, 0x70, 0x72, 0x6F, 0x6D, 0x70, 0x74, 0x22, 0x3A, 0x22, 0xFF, 0x22, 0x7D })] // {"prompt":"\xFF"}
    [InlineData(new byte[] { 0x7B, 0x22, 0xC3, 0x28, 0x22, 0x3A, 0x31, 0x7D })] // {"\xC3(":1}
    [InlineData(new byte[] { 0x7B, 0x22, 0x61, 0x22, 0x3A, 0x22, 0xED, 0xA0, 0x80, 0x22, 0x7D })] // a surrogate in UTF-8
    public async Task Bytes_that_are_not_UTF8_are_refused(byte[] body)
    {
        foreach (string? path in new[] { Chat, Completions, Generate })
        {
            using var response = await app.Gateway.SendAsync(path, body);
            Assert.Equal(400, (int)response.StatusCode);
            var error = JsonNode.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!;
            AssertError(error, null, "invalid_json");
            Assert.Contains("UTF-8", (string)error["error"]!["message"]!, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_message_names_field_value_and_rule_and_shortens_the_value()
    {
        var (_, body) = await app.Gateway.PostAsync(Completions, "{\"prompt\":\"x\",\"temperature\":3.5}");
        Assert.Equal("'temperature' is 3.5; it must be a number from 0 to 2.", (string)body["error"]!["message"]!);

        (_, body) = await app.Gateway.PostAsync(Completions, $"{{\"prompt\":\"x\",\"n\":\"{new string('é', 5000)}\"}}");
        string message = (string)body["error"]!["message"]!;
        Assert.InRange(message.Length, 20, 200);
        Assert.DoesNotContain('\uFFFD', message);
    }

    private static IEnumerable<(string Field, string Value, string Param, string Code)> BadSampling()
    {
        yield return ("temperature", "-0.1", "temperature", "invalid_value");
        yield return ("temperature", "1e999", "temperature", "invalid_value");
        yield return ("temperature", "\"hot\"", "temperature", "invalid_type");
        yield return ("temperature", "true", "temperature", "invalid_type");
        yield return ("temperature", "[1]", "temperature", "invalid_type");
        yield return ("top_p", "0", "top_p", "invalid_value");
        yield return ("top_p", "1e-60", "top_p", "invalid_value");
        yield return ("top_p", "1.0001", "top_p", "invalid_value");
        yield return ("top_k", "-2", "top_k", "invalid_value");
        yield return ("top_k", "1.5", "top_k", "invalid_value");
        yield return ("top_k", "99999999999", "top_k", "invalid_value");
        yield return ("min_p", "-1", "min_p", "invalid_value");
        yield return ("min_p", "1.5", "min_p", "invalid_value");
        yield return ("presence_penalty", "2.1", "presence_penalty", "invalid_value");
        yield return ("frequency_penalty", "-2.1", "frequency_penalty", "invalid_value");
        yield return ("repetition_penalty", "0", "repetition_penalty", "invalid_value");
        yield return ("repetition_penalty", "{\"a\":1}", "repetition_penalty", "invalid_type");
        yield return ("n", "0", "n", "invalid_value");
        yield return ("n", "129", "n", "invalid_value");
        yield return ("n", "\"2\"", "n", "invalid_type");
        yield return ("stop", "5", "stop", "invalid_type");
        yield return ("stop", "[\"a\",7]", "stop[1]", "invalid_type");
        yield return ("stop", "[\"\"]", "stop[0]", "invalid_value");
        yield return ("stop", "\"\\udc00\"", "stop", "invalid_value");
        yield return ("stop", "[" + string.Join(',', Enumerable.Repeat("\"a\"", 17)) + "]", "stop", "invalid_value");
        yield return ("stop", $"\"{new string('a', 1025)}\"", "stop", "invalid_value");
        yield return ("stop", $"[\"a\",\"{new string('一', 342)}\"]", "stop[1]", "invalid_value");
        yield return ("stop", "[" + string.Join(',', Enumerable.Repeat($"\"{new string('a', 1000)}\"", 5)) + "]", "stop", "invalid_value");
        yield return ("stop_token_ids", "[-1]", "stop_token_ids[0]", "invalid_value");
        yield return ("stop_token_ids", "7", "stop_token_ids", "invalid_type");
        yield return ("stop_token_ids", "[\"a\"]", "stop_token_ids[0]", "invalid_type");
        yield return ("ignore_eos", "1", "ignore_eos", "invalid_type");
        yield return ("logit_bias", "{\"x\":1}", "logit_bias", "invalid_value");
        yield return ("logit_bias", "{\"-1\":1}", "logit_bias", "invalid_value");
        yield return ("logit_bias", "{\"5\":101}", "logit_bias.5", "invalid_value");
        yield return ("logit_bias", "{\"5\":null}", "logit_bias.5", "invalid_type");
        yield return ("logit_bias", "{\"5\":1,\"05\":2}", "logit_bias.05", "duplicate_parameter");
        yield return ("logit_bias", "{" + string.Join(',', Enumerable.Range(0, 1025).Select(i => $"\"{i}\":1")) + "}", "logit_bias", "invalid_value");
        yield return ("logit_bias", "[1]", "logit_bias", "invalid_type");
        yield return ("surprise", "1", "surprise", "unknown_parameter");
        yield return ("stop_regex", "\"\\ud800\"", "stop_regex", "unsupported_parameter");
        yield return ("Temperature", "1", "Temperature", "unknown_parameter");
        yield return ("top_k", "4.00000000000000000000000000000000000000000000000000001", "top_k", "invalid_value");
        yield return ("skip_special_tokens", "1", "skip_special_tokens", "invalid_type");
        yield return ("no_stop_trim", "\"yes\"", "no_stop_trim", "invalid_type");
        yield return ("regex", "\"a+\"", "regex", "unsupported_parameter");
    }

    private static IEnumerable<(string Field, string Value, string Param, string Code)> BadOpenAi()
    {
        yield return ("temperature", "2.1", "temperature", "invalid_value");
        yield return ("model", "7", "model", "invalid_type");
        yield return ("stream", "\"yes\"", "stream", "invalid_type");
        yield return ("stream_options", "{\"include_usage\":true}", "stream_options", "invalid_value");
        yield return ("stream_options", "true", "stream_options", "invalid_type");
        yield return ("max_tokens", "0", "max_tokens", "invalid_value");
        yield return ("max_tokens", "-1", "max_tokens", "invalid_value");
        yield return ("max_tokens", "1e-60", "max_tokens", "invalid_value");
        yield return ("max_tokens", "2147483648", "max_tokens", "invalid_value");
        yield return ("min_tokens", "-1", "min_tokens", "invalid_value");
        yield return ("max_tokens", "4,\"min_tokens\":5", "min_tokens", "invalid_value");
        yield return ("seed", "1.5", "seed", "invalid_value");
        yield return ("seed", "\"7\"", "seed", "invalid_type");
        yield return ("seed", "18446744073709551616", "seed", "invalid_value");
        yield return ("seed", "-9223372036854775809", "seed", "invalid_value");
        yield return ("prompt_logprobs", "21", "prompt_logprobs", "invalid_value");
        yield return ("prompt_logprobs", "1,\"stream\":true", "prompt_logprobs", "invalid_value");
        yield return ("user", "7", "user", "invalid_type");
        yield return ("user", $"\"{new string('u', 129)}\"", "user", "invalid_value");
        yield return ("metadata", "[1]", "metadata", "invalid_type");
        yield return ("metadata", "{\"a\":1}", "metadata.a", "invalid_type");
        yield return ("metadata", "{\"a\":\"1\",\"a\":\"2\"}", "metadata.a", "duplicate_parameter");
        yield return ("metadata", $"{{\"{new string('k', 65)}\":\"v\"}}", "metadata", "invalid_value");
        yield return ("metadata", $"{{\"k\":\"{new string('v', 513)}\"}}", "metadata.k", "invalid_value");
        yield return ("metadata", "{" + string.Join(',', Enumerable.Range(0, 17).Select(i => $"\"{i}\":\"\"")) + "}", "metadata", "invalid_value");
        yield return ("guided_json", "{\"type\":\"object\"}", "guided_json", "unsupported_parameter");
        yield return ("best_of", "2", "best_of", "unsupported_parameter");
        yield return ("suffix", "\"s\"", "suffix", "unsupported_parameter");
    }

    private static IEnumerable<(string Json, string Param, string Code)> BadChats()
    {
        (string, string, string) Messages(string messages, string param, string code) => ($"{{\"messages\":{messages}}}", param, code);
        (string, string, string) With(string field, string param, string code) =>
            ($"{{\"messages\":[{{\"role\":\"user\",\"content\":\"x\"}}],{field}}}", param, code);

        yield return ("{}", "messages", "missing_required_parameter");
        yield return Messages("null", "messages", "missing_required_parameter");
        yield return Messages("[]", "messages", "invalid_value");
        yield return Messages("\"hi\"", "messages", "invalid_type");
        yield return Messages("[\"hi\"]", "messages[0]", "invalid_type");
        yield return Messages("[{}]", "messages[0].role", "missing_required_parameter");
        yield return Messages("[{\"role\":\"user\"}]", "messages[0].content", "missing_required_parameter");
        yield return Messages("[{\"role\":\"user\",\"content\":null}]", "messages[0].content", "missing_required_parameter");
        yield return Messages("[{\"role\":\"king\",\"content\":\"x\"}]", "messages[0].role", "invalid_value");
        yield return Messages("[{\"role\":7,\"content\":\"x\"}]", "messages[0].role", "invalid_type");
        yield return Messages("[{\"role\":\"tool\",\"content\":\"x\",\"tool_call_id\":\"1\"}]", "messages[0].role", "unsupported_parameter");
        yield return Messages("[{\"role\":\"user\",\"content\":7}]", "messages[0].content", "invalid_type");
        yield return Messages("[{\"role\":\"user\",\"content\":[]}]", "messages[0].content", "invalid_value");
        yield return Messages("[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"x\"}}]}]", "messages[0].content[0].type", "unsupported_parameter");
        yield return Messages("[{\"role\":\"user\",\"content\":[{\"type\":\"poem\"}]}]", "messages[0].content[0].type", "invalid_value");
        yield return Messages("[{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}]", "messages[0].content[0].text", "missing_required_parameter");
        yield return Messages("[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"x\",\"z\":1}]}]", "messages[0].content[0].z", "unknown_parameter");
        yield return Messages("[{\"role\":\"user\",\"content\":\"x\",\"mood\":1}]", "messages[0].mood", "unknown_parameter");
        yield return Messages("[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"user\",\"role\":\"user\",\"content\":\"x\"}]", "messages[1].role", "duplicate_parameter");
        yield return Messages("[{\"role\":\"assistant\",\"content\":\"x\",\"tool_calls\":[{}]}]", "messages[0].tool_calls", "unsupported_parameter");
        yield return Messages("[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{}]}]", "messages[0].tool_calls", "unsupported_parameter");
        yield return Messages("[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[]}]", "messages[0].content", "missing_required_parameter");
        yield return Messages("[{\"role\":\"assistant\",\"content\":\"x\",\"refusal\":\"no\"}]", "messages[0].refusal", "unsupported_parameter");
        yield return Messages("[{\"role\":\"user\",\"content\":\"x\",\"type\":\"image\"}]", "messages[0].type", "unsupported_parameter");
        yield return Messages("[{\"role\":\"user\",\"content\":\"\\ud83d\"}]", "messages[0].content", "invalid_value");
        yield return Messages("[" + string.Join(',', Enumerable.Repeat("{}", 4097)) + "]", "messages", "invalid_value");
        yield return Messages("[{\"role\":\"user\",\"content\":[" + string.Join(',', Enumerable.Repeat("{}", 4097)) + "]}]", "messages[0].content", "invalid_value");
        yield return With("\"response_format\":{\"type\":\"\\ud800\"}", "response_format", "unsupported_parameter");
        yield return With($"\"chat_template_kwargs\":{{\"a\":\"{new string('a', 65536)}\"}}", "chat_template_kwargs", "invalid_value");
        yield return With("\"chat_template_kwargs\":{\"a\":[{\"b\":\"\\ud800\"}]}", "chat_template_kwargs.a[0].b", "invalid_value");
        yield return With("\"chat_template_kwargs\":{\"a\":{\"\\ud800\":1}}", null!, "invalid_json");
        yield return With("\"prompt\":\"x\"", "prompt", "unknown_parameter");
        yield return With("\"tools\":[{\"type\":\"function\"}]", "tools", "unsupported_parameter");
        yield return With("\"tool_choice\":\"auto\"", "tool_choice", "unsupported_parameter");
        yield return With("\"response_format\":{\"type\":\"json_schema\"}", "response_format", "unsupported_parameter");
        yield return With("\"response_format\":{\"type\":\"json_object\"}", "response_format", "unsupported_parameter");
        yield return With("\"audio\":{\"voice\":\"v\"}", "audio", "unsupported_parameter");
        yield return With("\"modalities\":[\"text\",\"audio\"]", "modalities", "unsupported_parameter");
        yield return With("\"store\":true", "store", "unsupported_parameter");
        yield return With("\"reasoning_effort\":\"low\"", "reasoning_effort", "unsupported_parameter");
        yield return With("\"add_special_tokens\":true", "add_special_tokens", "unsupported_parameter");
        yield return With("\"chat_template_kwargs\":{\"tools\":[]}", "chat_template_kwargs.tools", "invalid_value");
        yield return With("\"echo\":true", "echo", "unsupported_parameter");
        yield return With("\"logprobs\":5", "logprobs", "invalid_type");
        yield return With("\"top_logprobs\":3", "top_logprobs", "invalid_value");
        yield return With("\"logprobs\":true,\"top_logprobs\":21", "top_logprobs", "invalid_value");
        yield return With("\"logprobs\":true,\"top_logprobs\":-1", "top_logprobs", "invalid_value");
        yield return With("\"max_completion_tokens\":0", "max_completion_tokens", "invalid_value");
        yield return With("\"max_completion_tokens\":5,\"max_tokens\":6", "max_tokens", "invalid_value");
        yield return With("\"max_completion_tokens\":4090", "max_completion_tokens", "context_length_exceeded");
        yield return With("\"chat_template_kwargs\":7", "chat_template_kwargs", "invalid_type");
        yield return With("\"chat_template_kwargs\":{\"messages\":[]}", "chat_template_kwargs.messages", "invalid_value");
        yield return With("\"chat_template_kwargs\":{\"a\":{\"b\":1,\"b\":2}}", "chat_template_kwargs", "invalid_value");
        yield return With("\"stream\":true,\"stream_options\":{\"speed\":1}", "stream_options.speed", "unknown_parameter");
        yield return With("\"add_generation_prompt\":\"\"", "add_generation_prompt", "invalid_type");
        yield return With("\"include_reasoning\":false", "include_reasoning", "unsupported_parameter");
        yield return With("\"stream\":true,\"stream_options\":{\"include_usage\":1}", "stream_options.include_usage", "invalid_type");
    }

    private static IEnumerable<(string Json, string Param, string Code)> BadCompletions()
    {
        (string, string, string) Prompt(string prompt, string param, string code) => ($"{{\"prompt\":{prompt}}}", param, code);

        yield return ("{}", "prompt", "missing_required_parameter");
        yield return Prompt("\"\"", "prompt", "invalid_value");
        yield return Prompt("[]", "prompt", "invalid_value");
        yield return Prompt("[[]]", "prompt[0]", "invalid_value");
        yield return Prompt("7", "prompt", "invalid_type");
        yield return Prompt("[true]", "prompt[0]", "invalid_type");
        yield return Prompt("[\"a\",\"\"]", "prompt[1]", "invalid_value");
        yield return Prompt("[\"a\",5]", "prompt[1]", "invalid_type");
        yield return Prompt("[5,\"a\"]", "prompt[1]", "invalid_type");
        yield return Prompt("[[1],2]", "prompt[1]", "invalid_type");
        yield return Prompt("[[1,-2]]", "prompt[0][1]", "invalid_value");
        yield return Prompt("[1.5]", "prompt[0]", "invalid_value");
        yield return Prompt("[3000000000]", "prompt[0]", "invalid_value");
        yield return Prompt("[3,258]", "prompt[1]", "invalid_value");
        yield return Prompt("[" + string.Join(',', Enumerable.Repeat("1", 4096)) + "]", "prompt", "context_length_exceeded");
        yield return Prompt("[[1],[1,2,258]]", "prompt[1][2]", "invalid_value");
        yield return Prompt("[1,2,3],\"max_tokens\":4094", "max_tokens", "context_length_exceeded");
        yield return Prompt("[" + string.Join(',', Enumerable.Repeat("\"a\"", 33)) + "],\"n\":128", "n", "invalid_value");
        yield return Prompt("[" + string.Join(',', Enumerable.Repeat("\"a\"", 4097)) + "]", "prompt", "invalid_value");
        yield return Prompt("[" + string.Join(',', Enumerable.Repeat("[1]", 4097)) + "]", "prompt", "invalid_value");
        yield return Prompt($"[\"x\",\"{new string('a', 200_000)}\"]", "prompt[1]", "context_length_exceeded");
        yield return Prompt("\"x\",\"logprobs\":21", "logprobs", "invalid_value");
        yield return Prompt("\"x\",\"logprobs\":true", "logprobs", "invalid_type");
        yield return Prompt("\"x\",\"add_special_tokens\":1", "add_special_tokens", "invalid_type");
        yield return Prompt("\"x\",\"echo\":\"yes\"", "echo", "invalid_type");
        yield return Prompt("\"x\",\"messages\":[{}]", "messages", "unknown_parameter");
        yield return Prompt("\"x\",\"response_format\":{\"type\":\"json_object\"}", "response_format", "unsupported_parameter");
    }

    private static IEnumerable<(string Json, string Param, string Code)> BadGenerates()
    {
        yield return ("{}", "text", "missing_required_parameter");
        yield return ("{\"text\":\"x\",\"input_ids\":[1]}", "input_ids", "invalid_value");
        yield return ("{\"text\":\"\"}", "text", "invalid_value");
        yield return ("{\"text\":[]}", "text", "invalid_value");
        yield return ("{\"text\":[1]}", "text[0]", "invalid_type");
        yield return ("{\"input_ids\":\"x\"}", "input_ids", "invalid_type");
        yield return ("{\"input_ids\":[]}", "input_ids", "invalid_value");
        yield return ("{\"input_ids\":[[1],[]]}", "input_ids[1]", "invalid_value");
        yield return ("{\"input_ids\":[[1],[\"a\"]]}", "input_ids[1][0]", "invalid_type");
        yield return ("{\"input_ids\":[1,258]}", "input_ids[1]", "invalid_value");
        yield return ("{\"text\":\"x\",\"sampling_params\":[{}]}", "sampling_params", "invalid_type");
        yield return ("{\"text\":[\"x\",\"y\"],\"sampling_params\":[{}]}", "sampling_params", "invalid_value");
        yield return ("{\"text\":[\"x\",\"y\"],\"sampling_params\":[{},{\"top_p\":2}]}", "sampling_params[1].top_p", "invalid_value");
        yield return ("{\"text\":[\"x\",\"y\"],\"sampling_params\":[{},{\"n\":2}]}", "sampling_params[1].n", "invalid_value");
        yield return ("{\"text\":\"x\",\"sampling_params\":{\"max_new_tokens\":-1}}", "sampling_params.max_new_tokens", "invalid_value");
        yield return ("{\"text\":\"x\",\"sampling_params\":{\"max_new_tokens\":3,\"min_new_tokens\":4}}", "sampling_params.min_new_tokens", "invalid_value");
        yield return ("{\"text\":\"x\",\"sampling_params\":{\"sampling_seed\":0.5}}", "sampling_params.sampling_seed", "invalid_value");
        yield return ("{\"text\":\"x\",\"sampling_params\":{\"max_tokens\":5}}", "sampling_params.max_tokens", "unknown_parameter");
        yield return ("{\"text\":\"x\",\"sampling_params\":{\"json_schema\":\"{}\"}}", "sampling_params.json_schema", "unsupported_parameter");
        yield return ("{\"text\":\"x\",\"sampling_params\":{\"max_new_tokens\":4096}}", "sampling_params.max_new_tokens", "context_length_exceeded");
        yield return ("{\"text\":\"x\",\"temperature\":0}", "temperature", "unknown_parameter");
        yield return ("{\"text\":\"x\",\"return_logprob\":\"yes\"}", "return_logprob", "invalid_type");
        yield return ("{\"text\":\"x\",\"logprob_start_len\":-2}", "logprob_start_len", "invalid_value");
        yield return ("{\"text\":\"x\",\"top_logprobs_num\":21}", "top_logprobs_num", "invalid_value");
        yield return ("{\"text\":\"x\",\"return_text_in_logprobs\":0}", "return_text_in_logprobs", "invalid_type");
        yield return ("{\"text\":\"x\",\"stream\":1}", "stream", "invalid_type");
        yield return ("{\"text\":\"x\",\"rid\":7}", "rid", "invalid_type");
        yield return ("{\"text\":[\"x\",\"y\"],\"rid\":[\"a\"]}", "rid", "invalid_value");
        yield return ($"{{\"text\":\"x\",\"rid\":\"{new string('r', 129)}\"}}", "rid", "invalid_value");
        yield return ($"{{\"text\":[\"x\",\"y\"],\"rid\":[\"a\",\"{new string('r', 129)}\"]}}", "rid[1]", "invalid_value");
        yield return ("{" + string.Join(',', Enumerable.Range(0, 1025).Select(i => $"\"{i}\":1")) + "}", "", "invalid_value");
        yield return ("{\"text\":\"x\",\"image_data\":\"x\"}", "image_data", "unsupported_parameter");
        yield return ("{\"text\":\"x\",\"lora_path\":\"x\"}", "lora_path", "unsupported_parameter");
        yield return ("{\"text\":\"x\",\"return_hidden_states\":true}", "return_hidden_states", "unsupported_parameter");
    }

    [Theory]
    [InlineData("{\"prompt\":\"x\",\"max_token\":5}", "'max_token' is not a field of this request; did you mean 'max_tokens'?")]
    [InlineData("{\"prompt\":\"x\",\"sufix\":\"s\"}", "'sufix' is not a field of this request; did you mean 'suffix'?")]
    [InlineData("{\"prompt\":\"x\",\"stream\":true,\"stream_options\":{\"includeusage\":true}}", "'stream_options.includeusage' is not a field of this request; did you mean 'include_usage'?")]
    [InlineData("{\"prompt\":\"x\",\"surprise\":5}", "'surprise' is not a field of this request; remove it.")]
    public async Task An_unknown_name_is_refused_with_the_one_that_it_may_have_meant(string json, string message)
    {
        var (_, body) = await app.Gateway.PostAsync(Completions, json);
        Assert.Equal(message, (string)body["error"]!["message"]!);
    }

    private static void AssertError(JsonNode body, string? param, string code)
    {
        var error = body["error"]!.AsObject();
        Assert.Equal(["message", "type", "param", "code"], error.Select(field => field.Key));
        Assert.Equal("invalid_request_error", (string?)error["type"]);
        Assert.True(param == (string?)error["param"] && code == (string?)error["code"], error.ToJsonString());
        Assert.NotEmpty((string)error["message"]!);
    }
}
