using System.Text.Json;
using System.Text.Json.Nodes;

namespace Grid.Text.Tests;

/// <summary>Against what the Hugging Face tokenizers library said; see Reference/make_tokenizer_cases.js.</summary>
public class TokenizerReferenceTests
{
    [Fact]
    public void Ids_and_texts_are_those_of_the_tokenizers_library()
    {
        Tokenizer? tokenizer = null;
        int cases = 0;
        foreach (string line in File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Reference", "small_tokenizer_cases.jsonl")))
        {
            var item = JsonNode.Parse(line)!.AsObject();
            if (item["tokenizer"] is { } file)
            {
                tokenizer = Tokenizer.Load(JsonSerializer.SerializeToUtf8Bytes(file));
                continue;
            }

            cases++;
            string text = (string)item["text"]!;
            int[] ids = [.. item["ids"]!.AsArray().Select(id => (int)id!)];
            Assert.Equal(ids, tokenizer!.Encode(text, parseSpecialTokens: true));
            Assert.Equal((string)item["decoded"]!, tokenizer.Decode(ids, skipSpecialTokens: false));
            Assert.Equal((string)item["shown"]!, tokenizer.Decode(ids, skipSpecialTokens: true));
        }

        Assert.Equal(1000, cases);
    }
}
