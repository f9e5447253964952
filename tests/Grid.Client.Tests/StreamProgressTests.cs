using Grid.Grains.Messages;
using Grid.Numerics;

namespace Grid.Client.Tests;

/// <summary>A stream of several attempts, each beginning at the beginning, reads like a stream of one.</summary>
public sealed class StreamProgressTests
{
    private const string Text = "One day a bear met a fox.";
    private static readonly int[] s_prompt = [4, 5, 6];

    private static readonly SequenceSpec s_start = new()
    {
        Model = "demo",
        PromptIds = s_prompt,
        Generation = new GenerationParameters { PromptLogprobsFrom = 1 },
        Resumed = new ResumedRun(Guid.NewGuid(), 0, 0),
    };

    [Fact]
    public void Attempts_cut_anywhere_and_in_any_pieces_give_every_token_and_letter_once()
    {
        var random = new Random(1);
        for (int round = 0; round < 2000; round++)
        {
            var progress = new StreamProgress(9, "grid-1-x");
            var news = new List<GenerationUpdate>();
            for (int attempt = 0; attempt < 4; attempt++)
            {
                progress.Restart(s_start);
                var updates = Updates(random);
                int reached = attempt == 3 ? updates.Count : random.Next(updates.Count);
                news.AddRange(updates.Take(reached).Select(progress.Take).OfType<GenerationUpdate>());
            }

            Assert.Equal(Text, string.Concat(news.Select(update => update.Text)));
            Assert.Equal(Enumerable.Range(100, 12), news.SelectMany(update => update.Tokens).Select(token => token.TokenId));
            Assert.Equal([5, 6], news.SelectMany(update => update.PromptTokens).Select(token => token.TokenId));
            Assert.Equal(s_prompt, Assert.Single(news, update => update.PromptIds is not null).PromptIds);
            Assert.Equal(["stop"], news.Select(update => update.FinishReason).OfType<string>());
            Assert.All(news, update => Assert.Equal((9ul, "grid-1-x"), (update.Seed, update.NumericsId)));
        }
    }

    [Fact]
    public void A_sign_of_life_is_no_news()
    {
        var progress = new StreamProgress(1, "grid-1-x");
        Assert.Null(progress.Take(new SequenceUpdate()));
        Assert.NotNull(progress.Take(new SequenceUpdate { PromptIds = s_prompt }));
        Assert.Null(progress.Take(new SequenceUpdate()));
        Assert.NotNull(progress.Take(new SequenceUpdate { FinishReason = "length" }));
    }

    /// <summary>The whole sequence, in pieces that the batches of that moment made.</summary>
    private static List<SequenceUpdate> Updates(Random random)
    {
        var updates = new List<SequenceUpdate> { new() { PromptIds = s_prompt, PromptTokens = Tokens(5, 2), PromptFirstIndex = 1 } };
        int text = 0;
        int tokens = 0;
        while (text < Text.Length || tokens < 12)
        {
            int letters = random.Next(Math.Min(6, Text.Length - text) + 1);
            int more = random.Next(Math.Min(4, 12 - tokens) + 1);
            updates.Add(new SequenceUpdate { Text = Text.Substring(text, letters), Tokens = Tokens(100 + tokens, more) });
            text += letters;
            tokens += more;
        }

        updates.Add(new SequenceUpdate { FinishReason = "stop", MatchedStop = "x" });
        return updates;
    }

    private static ScoredToken[] Tokens(int first, int count) =>
        [.. Enumerable.Range(first, count).Select(id => new ScoredToken(id, -id, [KeyValuePair.Create(id, (float)-id)]))];
}
