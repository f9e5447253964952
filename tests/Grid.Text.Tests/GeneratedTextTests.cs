using System.Text.Json.Nodes;

namespace Grid.Text.Tests;

/// <summary>Any text goes in, and every id comes out as a text of its own.</summary>
public class GeneratedTextTests
{
    [Theory]
    [InlineData(256)]
    [InlineData(1000)]
    [InlineData(151_936)]
    public void Every_id_has_a_text_of_its_own_and_every_text_has_ids(int size)
    {
        var text = TextModel.Load(GeneratedText.Files(size));
        Assert.Equal(size, text.Tokenizer.VocabularySize);
        var seen = new HashSet<string>();
        for (int id = 0; id < size; id++)
        {
            Assert.True(seen.Add(Convert.ToHexString(text.Tokenizer.TokenBytes(id).Span)), $"{id}");
            if (id >= GeneratedText.MinVocabularySize)
            {
                Assert.Equal([id], text.Tokenizer.Encode(text.Tokenizer.Decode([id], skipSpecialTokens: true), parseSpecialTokens: true));
            }
        }

        foreach (string said in (string[])["Tell me about Richard Feynman: ", "ü 😀\r\n\0", " zz top"])
        {
            int[] ids = text.Tokenizer.Encode(said, parseSpecialTokens: true);
            Assert.All(ids, id => Assert.InRange(id, 0, size - 1));
            Assert.Equal(said, text.Tokenizer.Decode(ids, skipSpecialTokens: true));
        }

        Assert.Equal("user: hi\nassistant:", text.ChatTemplate!.Render([new JsonObject { ["role"] = "user", ["content"] = "hi" }], addGenerationPrompt: true));
        Assert.Null(text.FindEndOfTurn());
    }

    [Fact]
    public void A_vocabulary_without_all_bytes_is_refused() => Assert.Throws<ArgumentOutOfRangeException>(() => GeneratedText.Files(255));
}
