using System.Text;

namespace Grid.Text.Tests.RealModels;

/// <summary>Against what the Hugging Face tokenizers library said of 10,000 texts with real vocabularies.</summary>
public class RealVocabularyTests
{
    public static TheoryData<string> Names => RealModel.Names;

    [Theory]
    [MemberData(nameof(Names))]
    public void Ids_and_texts_are_those_of_the_tokenizers_library(string model)
    {
        var tokenizer = RealModel.Get(model).Tokenizer;
        var wrong = new List<string>();
        foreach ((string text, string line) in Reference.Texts.Zip(Reference.Lines($"{model}.ids.gz")))
        {
            string[] expected = line.Split(' ');
            int[] ids = tokenizer.Encode(text, parseSpecialTokens: true);
            int[] plain = tokenizer.Encode(text, parseSpecialTokens: false);
            string decoded = tokenizer.Decode(ids, skipSpecialTokens: false), shown = tokenizer.Decode(ids, skipSpecialTokens: true);
            string[] actual =
            [
                Reference.Digest(ids),
                plain.AsSpan().SequenceEqual(ids) ? "-" : Reference.Digest(plain),
                decoded == text ? "-" : Reference.Digest(decoded),
                shown == decoded ? "-" : Reference.Digest(shown),
            ];
            if (!actual.SequenceEqual(expected))
            {
                wrong.Add($"{System.Text.Json.JsonSerializer.Serialize(text)}: [{string.Join(' ', ids)}], {string.Join(' ', actual)} for {line}");
            }
        }

        Assert.Equal(10_000, Reference.Texts.Length);
        Assert.True(wrong.Count == 0, $"{wrong.Count} texts differ:\n{string.Join('\n', wrong.Take(40))}");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Streamed_text_is_the_whole_text_and_never_holds_half_a_character(string model)
    {
        var tokenizer = RealModel.Get(model).Tokenizer;
        foreach (string text in Reference.Texts)
        {
            int[] ids = tokenizer.Encode(text, parseSpecialTokens: true);
            string whole = tokenizer.Decode(ids, skipSpecialTokens: false);
            var detokenizer = new IncrementalDetokenizer(tokenizer, skipSpecialTokens: false);
            var streamed = new StringBuilder();
            foreach (int id in ids)
            {
                string piece = detokenizer.Append(id);
                // The text is valid UTF-8, so whatever is cut off is half a character and must wait.
                Assert.False(piece.Length > 0 && (char.IsLowSurrogate(piece[0]) || char.IsHighSurrogate(piece[^1])));
                streamed.Append(piece);
                Assert.True(whole.AsSpan(0, streamed.Length).SequenceEqual(streamed.ToString()), text);
            }

            Assert.Equal("", detokenizer.Flush());
            Assert.Equal(whole, streamed.ToString());
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_text_streamed_from_any_token_on_is_that_of_the_rest(string model)
    {
        var tokenizer = RealModel.Get(model).Tokenizer;
        foreach (string text in Reference.Texts.Where((text, index) => index % 23 == 0 && text.Length < 120))
        {
            int[] ids = tokenizer.Encode(text, parseSpecialTokens: false);
            for (int from = 0; from < ids.Length; from++)
            {
                var detokenizer = new IncrementalDetokenizer(tokenizer, skipSpecialTokens: true);
                string streamed = string.Concat(ids[from..].Select(detokenizer.Append)) + detokenizer.Flush();
                Assert.Equal(tokenizer.Decode(ids.AsSpan(from), skipSpecialTokens: true), streamed);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_special_token_in_a_users_text_is_not_special(string model)
    {
        var tokenizer = RealModel.Get(model).Tokenizer;
        for (int id = 0; id < tokenizer.VocabularySize; id++)
        {
            if (tokenizer.IsSpecial(id))
            {
                string token = tokenizer.Decode([id], skipSpecialTokens: false);
                Assert.Equal([id], tokenizer.Encode(token, parseSpecialTokens: true));
                Assert.DoesNotContain(tokenizer.Encode($"a{token}b", parseSpecialTokens: false), tokenizer.IsSpecial);
            }
        }
    }

    [Theory]
    [InlineData(RealModel.Qwen3, new int[0])]
    [InlineData(RealModel.Llama31, new[] { 128000 })]
    [InlineData(RealModel.MistralNemo, new[] { 1 })]
    public void A_raw_text_begins_as_the_post_processor_says(string model, int[] beginning)
    {
        var tokenizer = RealModel.Get(model).Tokenizer;
        int[] text = tokenizer.Encode("Hello", parseSpecialTokens: true);
        Assert.Equal([.. beginning, .. text], tokenizer.Encode("Hello", parseSpecialTokens: true, addSpecialTokens: true));
        Assert.Equal(beginning, tokenizer.Encode("", parseSpecialTokens: true, addSpecialTokens: true));
    }
}
