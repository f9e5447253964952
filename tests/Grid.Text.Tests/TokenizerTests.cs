using Grid.Text.Tokenization;

namespace Grid.Text.Tests;

public class TokenizerTests
{
    private static readonly Tokenizer Tokenizer = SmallTokenizer.Load();

    [Fact]
    public void Words_are_merged_in_the_order_of_ranks()
    {
        Assert.Equal(["hello", " world"], Texts(Tokenizer.Encode("hello world", parseSpecialTokens: true)));
    }

    [Fact]
    public void Special_tokens_are_parsed_only_where_asked()
    {
        Assert.Equal(
            [SmallTokenizer.Start, .. Tokenizer.Encode("hello", true), SmallTokenizer.End],
            Tokenizer.Encode("<|im_start|>hello<|im_end|>", parseSpecialTokens: true));
        int[] plain = Tokenizer.Encode("<|im_start|>hello<|im_end|>", parseSpecialTokens: false);
        Assert.DoesNotContain(plain, Tokenizer.IsSpecial);
        Assert.Equal("<|im_start|>hello<|im_end|>", Tokenizer.Decode(plain, skipSpecialTokens: true));
    }

    [Fact]
    public void Added_tokens_that_are_not_special_are_always_found()
    {
        Assert.Equal([SmallTokenizer.Think], Tokenizer.Encode("<think>", parseSpecialTokens: false));
        Assert.False(Tokenizer.IsSpecial(SmallTokenizer.Think));
        Assert.Equal("<think>", Tokenizer.Decode([SmallTokenizer.Think], skipSpecialTokens: true));
    }

    [Fact]
    public void What_is_encoded_decodes_to_itself_in_normal_form()
    {
        var random = new Random(3);
        for (int round = 0; round < 3000; round++)
        {
            string text = SmallTokenizer.RandomText(random, random.Next(0, 20));
            int[] ids = Tokenizer.Encode(text, parseSpecialTokens: random.Next(2) == 0);
            Assert.Equal(CanonicalComposition.Normalize(text), Tokenizer.Decode(ids, skipSpecialTokens: false));
        }
    }

    [Fact]
    public void Lone_surrogates_count_as_replacement_characters()
    {
        // Not theory data: attributes are stored as UTF-8 and would lose the surrogates.
        (string Text, string Meant)[] cases =
        [
            ("\uD83D", "\uFFFD"), ("a\uDE42b", "a\uFFFDb"), ("\uDE42\uD83D", "\uFFFD\uFFFD"), ("\uD83D\uD83D\uDE42", "\uFFFD🙂"),
        ];
        foreach ((string text, string meant) in cases)
        {
            Assert.Equal(Tokenizer.Encode(meant, true), Tokenizer.Encode(text, true));
            Assert.Equal(meant, Tokenizer.Decode(Tokenizer.Encode(text, true), true));
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(60)]
    [InlineData(127)]
    public void Short_and_long_words_merge_alike(int longest)
    {
        var random = new Random(longest);
        (int, int, int)[] merges = [.. Enumerable.Range(0, 200).Select(i => (Symbol(i), Symbol(i), 12 + i)).DistinctBy(m => (m.Item1, m.Item2))];
        int Symbol(int made) => random.Next(12 + made);
        var merger = new BytePairMerger(merges);
        for (int round = 0; round < 2000; round++)
        {
            int[] bytes = [.. Enumerable.Range(0, random.Next(longest + 1)).Select(_ => random.Next(12))];
            var expected = new List<int>();
            merger.MergeLong(bytes, expected);
            var actual = new List<int>();
            merger.Merge(bytes, actual);
            Assert.Equal(expected, actual);
        }
    }

    [Fact]
    public void The_long_s_ends_a_contraction_as_s_does()
    {
        // The tokenizers library splits 'ſax so; split elsewhere, ſ and a would merge.
        Assert.Equal([.. Tokenizer.Encode("'ſ", true), .. Tokenizer.Encode("ax", true)], Tokenizer.Encode("'ſax", true));
    }

    [Fact]
    public void Tokens_are_found_by_their_text()
    {
        Assert.Equal(SmallTokenizer.End, Tokenizer.FindToken("<|im_end|>"));
        Assert.Equal(Tokenizer.Encode(" world", true)[0], Tokenizer.FindToken(" world"));
        Assert.Null(Tokenizer.FindToken("no such token"));
        Assert.Equal("中"u8.ToArray(), Tokenizer.TokenBytes(Tokenizer.FindToken("中")!.Value).ToArray());
        Assert.Equal(SmallTokenizer.Think + 1, Tokenizer.VocabularySize);
    }

    private static List<string> Texts(int[] ids) => [.. ids.Select(id => Tokenizer.Decode([id], skipSpecialTokens: false))];
}
