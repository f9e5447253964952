using System.Text;
using System.Text.Json.Nodes;
using Grid.Models;
using Grid.Silo;
using Grid.Silo.Options;

namespace Grid.Gateway.Tests.EndToEnd;

/// <summary>The demo model with files that say less than its own, or otherwise.</summary>
public sealed class ModelFolderTests(NodeFixture demo) : IDisposable
{
    private const int EndOfText = 4093, End = 4095;

    private const string Chat = "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi!\"}],\"temperature\":0,\"max_tokens\":100}";

    private readonly string _folder = Directory.CreateTempSubdirectory("grid-folder-").FullName;
    private readonly StringWriter _output = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(End, EndOfText, "4093 (generation_config.json), 4095 (config.json, tokenizer_config.json, chat template)")]
    [InlineData(EndOfText, null, "4093 (config.json), 4095 (tokenizer_config.json, chat template)")]
    [InlineData(null, null, "4095 (tokenizer_config.json, chat template)")]
    public async Task An_answer_ends_with_its_turn_whichever_file_says_so(int? config, int? generation, string said)
    {
        Copy();
        Change("config.json", file => file["eos_token_id"] = config);
        Change("generation_config.json", file => file["eos_token_id"] = generation);
        await using var node = await StartAsync();
        using var client = new HttpClient { BaseAddress = node.Address };

        var answer = await PostAsync(client, "/v1/chat/completions", Chat);
        Assert.Equal((9, "stop"), ((int)answer["usage"]!["completion_tokens"]!, (string)answer["choices"]![0]!["finish_reason"]!));
        Assert.Equal((await demo.OkAsync("/v1/chat/completions", Chat))["choices"]!.ToJsonString(), answer["choices"]!.ToJsonString());
        Assert.Contains($"an answer ends with {said}", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_raw_text_begins_as_the_tokenizers_class_says_and_an_empty_one_is_its_beginning_alone()
    {
        Copy();
        Change("tokenizer_config.json", file =>
        {
            file["tokenizer_class"] = "LlamaTokenizerFast";
            file["add_bos_token"] = true;
            file["bos_token"] = "<|endoftext|>";
        });
        await using var node = await StartAsync();
        using var client = new HttpClient { BaseAddress = node.Address };
        int[] plain = await PromptIdsAsync(demo.Client, "\"Who are you?\"");

        Assert.NotEqual(EndOfText, plain[0]);
        int[] begun = await PromptIdsAsync(client, "\"Who are you?\""), empty = await PromptIdsAsync(client, "\"\"");
        Assert.Equal([EndOfText, .. plain], begun);
        Assert.Equal([EndOfText], empty);
        var list = (await PostAsync(client, "/generate", "{\"text\":[\"\",\"Who are you?\"],\"sampling_params\":{\"max_new_tokens\":1}}")).AsArray();
        Assert.Equal([1, plain.Length + 1], list.Select(item => (int)item!["meta_info"]!["prompt_tokens"]!));

        const string Sampling = "\"temperature\":0,\"max_tokens\":8";
        foreach (string? prompt in new[] { "\"Who are you?\"", "\"\"", "[\"\",\"Who are you?\"]" })
        {
            string ids = prompt.Replace("\"Who are you?\"", $"[{string.Join(',', plain.Prepend(EndOfText))}]", StringComparison.Ordinal).Replace("\"\"", $"[{EndOfText}]", StringComparison.Ordinal);
            Assert.Equal(
                (await PostAsync(client, "/v1/completions", $"{{\"prompt\":{ids},{Sampling}}}"))["choices"]!.ToJsonString(),
                (await PostAsync(client, "/v1/completions", $"{{\"prompt\":{prompt},{Sampling}}}"))["choices"]!.ToJsonString());
        }

        var echoed = (await PostAsync(client, "/v1/completions", "{\"prompt\":\"\",\"echo\":true,\"logprobs\":0,\"max_tokens\":0}"))["choices"]![0]!;
        Assert.Equal("", (string)echoed["text"]!);
        Assert.Single(echoed["logprobs"]!["tokens"]!.AsArray());
        using var refused = await client.PostAsync("/v1/completions", new StringContent("{\"prompt\":\"\",\"add_special_tokens\":false}", Encoding.UTF8, "application/json"), Token);
        Assert.Equal(400, (int)refused.StatusCode);
    }

    private static async Task<int[]> PromptIdsAsync(HttpClient client, string text)
    {
        var scored = await PostAsync(client, "/generate",
            $"{{\"text\":{text},\"sampling_params\":{{\"max_new_tokens\":1}},\"return_logprob\":true,\"logprob_start_len\":0}}");
        return [.. scored["meta_info"]!["input_token_logprobs"]!.AsArray().Select(token => (int)token![1]!)];
    }

    private static async Task<JsonNode> PostAsync(HttpClient client, string path, string json)
    {
        using var response = await client.PostAsync(path, new StringContent(json, Encoding.UTF8, "application/json"), Token);
        string body = await response.Content.ReadAsStringAsync(Token);
        Assert.True(response.IsSuccessStatusCode, body);
        return JsonNode.Parse(body)!;
    }

    private Task<GridNode> StartAsync() =>
        GridNode.StartAsync(new NodeOptions { Port = 0, ModelPath = _folder, KvCacheMemory = 16L << 20 }, _output, Token);

    private void Copy()
    {
        foreach (string file in Directory.GetFiles(DemoModel.Path))
        {
            File.Copy(file, Path.Combine(_folder, Path.GetFileName(file)));
        }
    }

    private void Change(string file, Action<JsonNode> change)
    {
        string path = Path.Combine(_folder, file);
        var json = JsonNode.Parse(File.ReadAllText(path))!;
        change(json);
        File.WriteAllText(path, json.ToJsonString());
    }
}
