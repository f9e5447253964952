using System.Text.Json.Nodes;

namespace Grid.Text.Tests;

/// <summary>Against what transformers said of the demo model; see the reference folder of the model tests.</summary>
public class DemoModelTests
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Reference", "Demo");

    private static readonly TextModel Model = TextModel.Load(
        Directory.GetFiles(Folder, "tokenizer*.json").ToDictionary(path => Path.GetFileName(path), File.ReadAllBytes));

    [Fact]
    public void Ids_are_those_of_the_tokenizers_library()
    {
        var cases = Cases("tokenizer_cases.jsonl");
        Assert.NotEmpty(cases);
        foreach (var item in cases)
        {
            string text = (string)item["text"]!;
            Assert.Equal(Ids(item["ids"]), Model.Tokenizer.Encode(text, parseSpecialTokens: true));
            Assert.Equal(Ids(item["plain_ids"]), Model.Tokenizer.Encode(text, parseSpecialTokens: false));
            Assert.Equal(text, Model.Tokenizer.Decode(Ids(item["ids"]), skipSpecialTokens: false));
        }
    }

    [Fact]
    public void Chats_are_rendered_as_by_transformers()
    {
        var cases = Cases("chat_cases.jsonl");
        Assert.NotEmpty(cases);
        foreach (var item in cases)
        {
            string text = Model.ChatTemplate!.Render(item["messages"]!.AsArray(), (bool)item["add_generation_prompt"]!);
            Assert.Equal((string)item["text"]!, text);
            Assert.Equal(Ids(item["ids"]), Model.Tokenizer.Encode(text, parseSpecialTokens: true));
        }
    }

    [Fact]
    public void The_token_that_ends_an_answer_is_known()
    {
        Assert.Equal("<|im_end|>", Model.EosToken);
        Assert.True(Model.Tokenizer.IsSpecial(Model.Tokenizer.FindToken("<|im_end|>")!.Value));
        Assert.Null(Model.BosToken);
    }

    private static JsonObject[] Cases(string file) =>
        [.. File.ReadLines(Path.Combine(Folder, file)).Select(line => JsonNode.Parse(line)!.AsObject())];

    private static int[] Ids(JsonNode? ids) => [.. ids!.AsArray().Select(id => (int)id!)];
}
