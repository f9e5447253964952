using System.Text.Json.Nodes;

namespace Grid.Text.Tests;

public class AddedTokenTests
{
    [Fact]
    public void The_longest_of_several_added_tokens_at_one_place_wins()
    {
        var tokenizer = With(SmallTokenizer.Added(304, "<a"), SmallTokenizer.Added(305, "<a><b>"), SmallTokenizer.Added(306, "<a>"));
        Assert.Equal([306], tokenizer.Encode("<a>", true));
        Assert.Equal([305], tokenizer.Encode("<a><b>", true));
        Assert.Equal([306, 304], tokenizer.Encode("<a><a", true));
    }

    [Fact]
    public void A_stripping_token_swallows_white_space_around_it()
    {
        var both = SmallTokenizer.Added(304, "<mask>");
        both["lstrip"] = true;
        both["rstrip"] = true;
        var tokenizer = With(both);
        int[] hello = tokenizer.Encode("hello", true);
        Assert.Equal([.. hello, 304, .. hello], tokenizer.Encode("hello \n<mask>\u3000 hello", true));
        Assert.Equal([304, 304], tokenizer.Encode(" <mask>  <mask> ", true));
        // Passed over as ordinary text, it swallows nothing.
        Assert.Equal("hello <mask> ", tokenizer.Decode(tokenizer.Encode("hello <mask> ", false), true));
    }

    [Fact]
    public void A_normalized_token_is_found_in_normalized_text()
    {
        var normalized = SmallTokenizer.Added(304, "caf\u00E9");
        normalized["normalized"] = true;
        var tokenizer = With(normalized, SmallTokenizer.Added(305, "te\u0301"));
        Assert.Equal([304], tokenizer.Encode("cafe\u0301", true));
        Assert.Equal([304], tokenizer.Encode("caf\u00E9", true));
        // One that is not is found in the text as given, and only there.
        Assert.Equal([305], tokenizer.Encode("te\u0301", true));
        Assert.NotEqual([305], tokenizer.Encode("t\u00E9", true));
    }

    [Fact]
    public void A_special_token_passed_over_hides_what_lies_within_it()
    {
        // As in the tokenizers library: matches are found first, and passed over then.
        var tokenizer = With(SmallTokenizer.Added(304, "<|x<think>|>"));
        Assert.DoesNotContain(SmallTokenizer.Think, tokenizer.Encode("<|x<think>|>", false));
        Assert.Equal([304], tokenizer.Encode("<|x<think>|>", true));
    }

    private static Tokenizer With(params JsonObject[] tokens) => SmallTokenizer.Load(file =>
    {
        foreach (var token in tokens)
        {
            file["added_tokens"]!.AsArray().Add((JsonNode)token);
        }
    });
}
