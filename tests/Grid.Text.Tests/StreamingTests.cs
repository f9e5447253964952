using System.Text;

namespace Grid.Text.Tests;

public class IncrementalDetokenizerTests
{
    private static readonly Tokenizer Tokenizer = SmallTokenizer.Load();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Streamed_text_is_the_text_of_the_whole_for_any_ids(bool skipSpecial)
    {
        var random = new Random(7);
        for (int round = 0; round < 4000; round++)
        {
            int[] ids = new int[random.Next(1, 24)];
            for (int i = 0; i < ids.Length; i++)
            {
                // Single bytes above ASCII break and complete characters in every way.
                ids[i] = random.Next(3) == 0 ? random.Next(Tokenizer.VocabularySize + 5) : random.Next(0x80, 0x100);
            }

            Assert.Equal(Tokenizer.Decode(ids, skipSpecial), Stream(ids, skipSpecial));
        }
    }

    [Fact]
    public void Half_a_character_is_never_given()
    {
        var random = new Random(8);
        for (int round = 0; round < 2000; round++)
        {
            string text = SmallTokenizer.RandomText(random, random.Next(1, 12));
            text = Tokenizer.Decode(Tokenizer.Encode(text, parseSpecialTokens: false), skipSpecialTokens: false);
            var detokenizer = new IncrementalDetokenizer(Tokenizer, skipSpecialTokens: false);
            var sofar = new StringBuilder();
            foreach (byte value in Encoding.UTF8.GetBytes(text))
            {
                // The ids of single bytes are the bytes: the finest split there is.
                string piece = detokenizer.Append(value);
                Assert.False(piece.Length > 0 && char.IsLowSurrogate(piece[0]));
                Assert.False(piece.Length > 0 && char.IsHighSurrogate(piece[^1]));
                sofar.Append(piece);
                Assert.StartsWith(sofar.ToString(), text, StringComparison.Ordinal);
            }

            Assert.Equal(text, sofar.ToString());
            Assert.Equal("", detokenizer.Flush());
        }
    }

    [Fact]
    public void A_character_that_never_ends_becomes_one_replacement_character()
    {
        var detokenizer = new IncrementalDetokenizer(Tokenizer, skipSpecialTokens: false);
        Assert.Equal("", detokenizer.Append(0xF0));
        Assert.Equal("", detokenizer.Append(0x9F));
        Assert.Equal("\uFFFD", detokenizer.Flush());
        Assert.Equal("", detokenizer.Flush());
    }

    [Fact]
    public void Whole_tokens_allocate_nothing()
    {
        var detokenizer = new IncrementalDetokenizer(Tokenizer, skipSpecialTokens: true);
        int[] ids = Tokenizer.Encode("hello world, the abc", parseSpecialTokens: true);
        void Append()
        {
            foreach (int id in ids)
            {
                detokenizer.Append(id);
            }
        }

        Append();
        Assert.Equal(0, AllocatedBytes.Measure(Append));
    }

    private static string Stream(int[] ids, bool skipSpecial)
    {
        var detokenizer = new IncrementalDetokenizer(Tokenizer, skipSpecial);
        var text = new StringBuilder();
        foreach (int id in ids)
        {
            text.Append(detokenizer.Append(id));
        }

        return text.Append(detokenizer.Flush()).ToString();
    }
}

public class StopStringMatcherTests
{
    [Theory]
    [InlineData("one two three", "two", "one ")]
    [InlineData("abcabd", "abd", "abc")]
    [InlineData("aaab", "aab", "a")]
    [InlineData("xstop", "stop|x", "")]
    [InlineData("abc", "c|abc", "ab")]
    [InlineData("abc", "abc|c", "")]
    [InlineData("abcd", "abcd|bc", "a")]
    [InlineData("nothing", "stop", "nothing")]
    [InlineData("ends with sto", "stop", "ends with sto")]
    [InlineData("a🙂b", "🙂", "a")]
    [InlineData("free", "", "free")]
    public void Text_before_the_earliest_stop_is_shown(string text, string stops, string shown)
    {
        string[] list = stops.Split('|', StringSplitOptions.RemoveEmptyEntries);
        var matcher = new StopStringMatcher(list);
        string actual = matcher.Append(text);
        bool found = list.Any(s => text.Contains(s, StringComparison.Ordinal));
        Assert.Equal(found, matcher.Matched is not null);
        Assert.Equal(shown, found ? actual : actual + matcher.Flush());
    }

    [Fact]
    public void How_the_text_is_cut_never_changes_the_outcome()
    {
        var random = new Random(11);
        for (int round = 0; round < 20000; round++)
        {
            string[] stops = [.. Enumerable.Range(0, random.Next(1, 5)).Select(_ => Word(random, random.Next(1, 6)))];
            string text = Word(random, random.Next(0, 40));
            (string expected, string? stop) = Reference(text, stops);

            var matcher = new StopStringMatcher(stops);
            var shown = new StringBuilder();
            for (int at = 0; at < text.Length;)
            {
                int length = Math.Min(random.Next(0, 5), text.Length - at);
                shown.Append(matcher.Append(text.Substring(at, length)));
                at += length;
            }

            shown.Append(matcher.Flush());
            Assert.Equal(expected, shown.ToString());
            Assert.Equal(stop, matcher.Matched);
        }
    }

    [Fact]
    public void No_more_is_held_back_than_may_become_a_stop()
    {
        var matcher = new StopStringMatcher(["</tool>", "\n\n"]);
        Assert.Equal("a <b", matcher.Append("a <b"));
        Assert.Equal("", matcher.Append("<"));
        Assert.Equal("<", matcher.Append("</too"));
        Assert.Equal("</too\t", matcher.Append("\t"));
        Assert.Equal("x", matcher.Append("x\n"));
        Assert.Equal("", matcher.Append("\n and more"));
        Assert.Equal("\n\n", matcher.Matched);
        Assert.Equal("", matcher.Append("later"));
        Assert.Equal("", matcher.Flush());
    }

    [Theory]
    [InlineData(64)]
    [InlineData(256)]
    [InlineData(1024)]
    public void A_list_of_stops_takes_memory_in_proportion_and_a_sequence_that_looks_for_them_next_to_none(int bytes)
    {
        // Its own beginning again and again: what is held back is as long as it can be.
        string[] stops = [.. Enumerable.Range(0, 4).Select(i => new string('a', bytes - 1) + (char)('b' + i))];
        Assert.InRange(Allocated(() => new StopStringMatcher(stops)), 1, (16 * 4 * bytes) + 1024);
        var matcher = new StopStringMatcher(stops);
        string text = new('a', 8);
        matcher.Append(new string('a', 2 * bytes));
        Assert.InRange(Allocated(() => matcher.Append(text)), 0, 512 + (4 * bytes));
        Assert.Null(matcher.Matched);
    }

    /// <summary>As clients have sent it: a million characters, or several times less.</summary>
    [Theory]
    [InlineData(1_000_000, 1)]
    [InlineData(300_000, 2)]
    [InlineData(342, 1)]
    public void A_stop_that_is_too_long_is_refused_before_anything_is_made_of_it(int characters, int count)
    {
        string[] stops = [.. Enumerable.Range(0, count).Select(_ => new string('一', characters))];
        Assert.InRange(Allocated(() => Assert.Throws<ArgumentException>(() => new StopStringMatcher(stops))), 1, 64 * 1024);
    }

    [Fact]
    public void Memory_for_stops_grows_with_their_length_and_is_shared_by_the_sequences_of_a_request()
    {
        string[] stops = [.. "一二三四".Select(first => first + string.Concat(Enumerable.Range(0, 340).Select(i => (char)(0x4E00 + i))))];
        long first = Allocated(() => new StopStringMatcher(stops));
        long again = Allocated(() => new StopStringMatcher(stops));
        Assert.InRange(first, 1, 16 * stops.Sum(Encoding.UTF8.GetByteCount));
        Assert.InRange(again, 1, 512);
    }

    [Fact]
    public void A_stop_that_cannot_be_is_refused()
    {
        foreach ((string stop, string reason) in new[]
        {
            ("", "stops[1] is empty"), ("a\uD83D", "stops[1] holds a lone surrogate"), (new string('一', 342), "stops[1] makes them too long"),
        })
        {
            var error = Assert.Throws<ArgumentException>(() => new StopStringMatcher(["fine", stop]));
            Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        }
    }

    private static (string Shown, string? Stop) Reference(string text, string[] stops)
    {
        for (int end = 1; end <= text.Length; end++)
        {
            foreach (string stop in stops)
            {
                if (text.AsSpan(0, end).EndsWith(stop, StringComparison.Ordinal))
                {
                    return (text[..(end - stop.Length)], stop);
                }
            }
        }

        return (text, null);
    }

    private static string Word(Random random, int length) =>
        string.Concat(Enumerable.Range(0, length).Select(_ => (char)('a' + random.Next(2))));

    private static long Allocated(Func<object> run)
    {
        new StopStringMatcher(["warm"]).Flush();
        return AllocatedBytes.Measure(() => GC.KeepAlive(run()));
    }
}
