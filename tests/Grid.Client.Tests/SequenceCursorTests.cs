using Grid.Grains;
using Grid.Grains.Messages;

namespace Grid.Client.Tests;

/// <summary>What of a run's updates its reader has already.</summary>
public sealed class SequenceCursorTests
{
    private static readonly SequenceUpdate s_update = new()
    {
        Text = "abc",
        Tokens = [Token(7), Token(8)],
        PromptTokens = [Token(1), Token(2)],
        PromptFirstIndex = 3,
        FinishReason = "stop",
    };

    [Fact]
    public void An_update_is_cut_where_its_reader_left_off()
    {
        var cursor = new SequenceCursor(tokens: 1, characters: 2, promptTokens: 1);
        Assert.True(cursor.IsBehind);
        var (known, news) = cursor.Take(s_update);
        Assert.Equal(("ab", 3, (string?)null), (known!.Text, known.PromptFirstIndex, known.FinishReason));
        Assert.Equal([7], Ids(known.Tokens));
        Assert.Equal([1], Ids(known.PromptTokens));
        Assert.Equal(("c", 4, "stop"), (news!.Text, news.PromptFirstIndex, news.FinishReason));
        Assert.Equal([8], Ids(news.Tokens));
        Assert.Equal([2], Ids(news.PromptTokens));
        Assert.False(cursor.IsBehind);
        Assert.Equal(2, cursor.Tokens);
    }

    [Fact]
    public void What_is_wholly_new_or_wholly_known_is_not_cut()
    {
        var cursor = new SequenceCursor();
        var update = s_update with { FinishReason = null };
        Assert.Equal((null, update), cursor.Take(update));
        Assert.Equal((null, null), cursor.Take(new SequenceUpdate()));
        cursor.Restart();
        Assert.Equal((update, null), cursor.Take(update));
        Assert.Equal((null, update), cursor.Take(update));
    }

    [Fact]
    public void A_run_that_ends_before_its_reader_is_behind()
    {
        var cursor = new SequenceCursor(tokens: 3, characters: 3);
        cursor.Take(s_update);
        Assert.True(cursor.IsBehind);
    }

    private static int[] Ids(ScoredToken[] tokens) => [.. tokens.Select(token => token.TokenId)];

    private static ScoredToken Token(int id) => new(id, 0, []);
}
