using Grid.Grains.Messages;
using Grid.Numerics;

namespace Grid.Client.Tests;

/// <summary>What silos answer decides whether a sequence goes on elsewhere, or is over.</summary>
public sealed class AttemptTests
{
    private static readonly GenerationRequest s_request = new() { Model = "demo", PromptText = "The dog", Seed = 1 };
    private static readonly SequenceUpdate s_alive = new();
    private static readonly SequenceUpdate s_begin = new() { PromptIds = [1, 2], Text = "One ", Tokens = [Token(5)] };
    private static readonly SequenceUpdate s_end = new() { Text = "day.", Tokens = [Token(6)], FinishReason = "stop" };

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(RefusalKind.Unavailable)]
    [InlineData(RefusalKind.ModelNotFound)]
    [InlineData(RefusalKind.Overloaded)]
    [InlineData(RefusalKind.Invalid)]
    public async Task A_sequence_that_has_begun_goes_on_past_silos_that_refuse_it(RefusalKind refusal)
    {
        var grid = FakeGrid.Create([s_begin], [s_alive, Refused(refusal)], [s_begin, Refused(refusal)], [s_begin, s_alive, s_end]);
        var answer = await grid.Connect().GenerateAsync(s_request, Cancelled);
        Assert.Equal(("One day.", "stop"), (answer.Text, answer.FinishReason));
        Assert.Equal([5, 6], answer.Tokens.Select(token => token.TokenId));
        Assert.Equal(4, grid.Asked.Count);
        Assert.Equal(3, grid.Asked.Take(3).Distinct().Count());
    }

    [Fact]
    public async Task An_attempt_goes_on_from_what_the_client_has_to_the_same_length_under_the_same_name()
    {
        var settled = s_begin with { MaxNewTokens = 77 };
        var more = new SequenceUpdate { Tokens = [Token(6), Token(7)] };
        var grid = FakeGrid.Create([Refused(RefusalKind.Unavailable)], [settled, more], [settled], [settled with { MaxNewTokens = 99 }, more, s_end]);
        Assert.Equal([5, 6, 7, 6], (await grid.Connect().GenerateAsync(s_request, Cancelled)).Tokens.Select(token => token.TokenId));
        Assert.Equal([0, 0, 2, 2], grid.Starts.Select(start => start.Resumed!.KnownTokens));
        Assert.Equal([null, null, 77, 77], grid.Starts.Select(start => start.Generation.MaxNewTokens));
        Assert.Single(grid.Starts.Select(start => start.Resumed!.Name).Distinct());

        // Scores of the prompt come anew as a whole.
        grid = FakeGrid.Create([settled, more], [settled, more, s_end]);
        await grid.Connect().GenerateAsync(s_request with { PromptLogprobsFrom = 0 }, Cancelled);
        Assert.Equal([0, 0], grid.Starts.Select(start => start.Resumed!.KnownTokens));
    }

    [Theory]
    [InlineData(RefusalKind.Unavailable)]
    [InlineData(RefusalKind.ModelNotFound)]
    public async Task A_new_sequence_goes_past_a_silo_that_is_stopping_or_knows_no_worker_yet(RefusalKind refusal)
    {
        var grid = FakeGrid.Create([Refused(refusal)], [s_alive, Refused(refusal)], [s_begin, s_end]);
        Assert.Equal("One day.", (await grid.Connect().GenerateAsync(s_request, Cancelled)).Text);
        Assert.Equal(3, grid.Asked.Distinct().Count());
    }

    [Theory]
    [InlineData(RefusalKind.Invalid)]
    [InlineData(RefusalKind.Overloaded)]
    public async Task A_new_sequence_that_is_wrong_or_too_much_is_refused_at_once(RefusalKind refusal)
    {
        var grid = FakeGrid.Create([s_alive, Refused(refusal)]);
        var refused = await Assert.ThrowsAsync<GridClientException>(() => grid.Connect().GenerateAsync(s_request, Cancelled));
        Assert.Equal((refusal, "Here says no.", "Here"), (refused.Kind, refused.Message, refused.Field));
        Assert.Single(grid.Asked);
    }

    [Fact]
    public async Task A_sequence_that_fails_for_what_it_computes_is_not_computed_again()
    {
        var grid = FakeGrid.Create([s_begin, new SequenceUpdate { FinishReason = "error", Error = "The logits are not finite." }]);
        var news = new List<GenerationUpdate>();
        var failed = await Assert.ThrowsAsync<GridClientException>(async () =>
        {
            await foreach (var update in grid.Connect().StreamAsync(s_request, Cancelled))
            {
                news.Add(update);
            }
        });
        Assert.Equal((RefusalKind.Failed, "The logits are not finite."), (failed.Kind, failed.Message));
        Assert.Equal("One ", Assert.Single(news).Text);
        Assert.Single(grid.Asked);
    }

    [Fact]
    public async Task A_model_that_no_silo_knows_is_not_served_and_one_that_another_silo_knows_is()
    {
        var everywhere = FakeGrid.Create([Refused(RefusalKind.ModelNotFound)], [Refused(RefusalKind.ModelNotFound)], [Refused(RefusalKind.ModelNotFound)]);
        var refused = await Assert.ThrowsAsync<GridClientException>(() => everywhere.Connect().GenerateAsync(s_request, Cancelled));
        Assert.Equal((RefusalKind.ModelNotFound, "Model"), (refused.Kind, refused.Field));
        Assert.Equal(3, everywhere.Asked.Distinct().Count());

        var nowhere = FakeGrid.Create();
        nowhere.Models = _ => ["other"];
        refused = await Assert.ThrowsAsync<GridClientException>(() => nowhere.Connect().GenerateAsync(s_request, Cancelled));
        Assert.Equal((RefusalKind.ModelNotFound, "Model"), (refused.Kind, refused.Field));
        Assert.Contains("there is 'other'", refused.Message, StringComparison.Ordinal);

        var joined = FakeGrid.Create([s_begin, s_end]);
        joined.Models = question => question == 0 ? [] : question % 2 == 0 ? ["demo"] : ["more"];
        Assert.Equal("One day.", (await joined.Connect().GenerateAsync(s_request, Cancelled)).Text);
        Assert.Equal(["demo", "more"], (await joined.Connect().GetModelsAsync(Cancelled)).Select(model => model.Id));
    }

    [Fact]
    public async Task Attempts_without_news_end_with_the_last_refusal()
    {
        var full = Refused(RefusalKind.Overloaded);
        var grid = FakeGrid.Create([s_begin], [s_begin, full], [full], [full], [s_begin, s_end]);
        var refused = await Assert.ThrowsAsync<GridClientException>(() => grid.Connect(attempts: 3).GenerateAsync(s_request, Cancelled));
        Assert.Equal((RefusalKind.Overloaded, "Here"), (refused.Kind, refused.Field));
        Assert.EndsWith("Here says no.", refused.Message, StringComparison.Ordinal);
        Assert.Equal(4, grid.Asked.Count);
    }

    private static SequenceUpdate Refused(RefusalKind kind) => new()
    {
        Refusal = new Refusal { Kind = kind, Field = kind == RefusalKind.ModelNotFound ? "Model" : "Here", Rule = "says no" },
    };

    private static ScoredToken Token(int id) => new(id, -id, []);
}
