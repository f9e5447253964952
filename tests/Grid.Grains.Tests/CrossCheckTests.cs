using Grid.Grains.Messages;
using Grid.Grains.Tests.Support;
using Grid.Numerics;

namespace Grid.Grains.Tests;

/// <summary>Two workers compute a sequence, and only what both agree on counts.</summary>
public sealed class CrossCheckTests
{
    private const string Quarantined = "in quarantine";

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_worker_that_computes_wrongly_is_found_and_quarantined_and_no_token_of_its_is_seen(bool inLogprob)
    {
        // The first worker refuses at first, so that the wrong one is one of the two that begin.
        await using var grid = await TestGrid.StartAsync(
            3, i => new ScriptedEngine { WrongFrom = i == 1 ? 5 : null, WrongInLogprob = inLogprob, MaxWaiting = i == 0 ? 0 : int.MaxValue });
        using var counted = new Counted(grid);
        await AnswersRightAsync(grid, gateway: 0, () => grid.Engines[0].MaxWaiting = int.MaxValue);
        Assert.Equal(1, counted["grid.sequence.disagreements"]);

        // All gateways come to know it, and give it nothing any more.
        await SeenByAllAsync(grid, 1);
        Assert.NotNull(grid.Worker(1).Quarantine);
        int asked = grid.Engines[1].Requests.Count;
        for (int i = 0; i < 9; i++)
        {
            await AnswersRightAsync(grid, gateway: i % 3);
        }

        Assert.Equal(asked, grid.Engines[1].Requests.Count);
        Assert.Null(grid.Worker(0).Quarantine);
        Assert.Null(grid.Worker(2).Quarantine);
        Assert.Contains(Quarantined, grid.Worker(1).Submit(Submission())!.Rule, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_runs_unchecked_on_a_worker_that_is_quarantined_goes_on_elsewhere()
    {
        await using var grid = await TestGrid.StartAsync(3, i => new ScriptedEngine { HeldBack = true });
        await using var unchecked_ = await StartOnAsync(grid, 1, Answer.Spec([5], 40));
        grid.Engines[1].Allow(4);
        grid.Worker(1).EnterQuarantine("it was found to be wrong.");
        grid.Engines[0].Allow(100);
        grid.Engines[2].Allow(100);
        var answer = await Answer.ReadAsync(unchecked_);
        Assert.Equal(Answer.Expected([5], 40), answer.Tokens);
        Assert.Equal("length", answer.FinishReason);
    }

    [Fact]
    public async Task Without_a_third_worker_a_difference_ends_the_sequence_before_it_and_quarantines_nobody()
    {
        await using var grid = await TestGrid.StartAsync(2, i => new ScriptedEngine { WrongFrom = i == 1 ? 5 : null });
        await using var sequence = await grid.Sequences().StartAsync(Checked([7], 20), default);
        var answer = await Answer.ReadAsync(sequence);
        Assert.Equal(("error", 1), (answer.FinishReason, answer.Endings));
        Assert.Contains("different bits at output token 5", answer.Error, StringComparison.Ordinal);
        Assert.Equal(Answer.Expected([7], 5), answer.Tokens);
        Assert.All(grid.Sequences().Snapshot.Workers, worker => Assert.Equal(WorkerState.Live, worker.State));
    }

    [Fact]
    public async Task A_worker_that_was_told_to_abort_has_not_computed_wrongly()
    {
        await using var grid = await TestGrid.StartAsync(2, _ => new ScriptedEngine { HeldBack = true });
        await using var sequence = await grid.Sequences().StartAsync(Checked([7], 20), default);
        grid.Engines[0].Allow(6);
        grid.Engines[1].Allow(3);
        grid.Worker(0).AbortAll();
        grid.Worker(1).AbortAll();
        var answer = await Answer.ReadAsync(sequence);
        Assert.Equal(("abort", 1), (answer.FinishReason, answer.Endings));
        Assert.Equal(Answer.Expected([7], answer.Tokens.Length), answer.Tokens);
        Assert.All(grid.Sequences().Snapshot.Workers, worker => Assert.Equal(WorkerState.Live, worker.State));
    }

    [Fact]
    public async Task With_one_worker_cross_checking_is_refused_and_leaves_nothing_behind()
    {
        await using var grid = await TestGrid.StartAsync(1, _ => new ScriptedEngine { HeldBack = true });
        var refused = await Assert.ThrowsAsync<RefusedException>(() => grid.Sequences().StartAsync(Checked([1], 5), default));
        Assert.Equal((RefusalKind.Unavailable, nameof(Messages.SequenceSpec.CrossCheck)), (refused.Refusal.Kind, refused.Refusal.Field));
        Assert.Contains("takes two workers", refused.Message, StringComparison.Ordinal);
        using var patience = new CancellationTokenSource(TestGrid.Patience);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        while (grid.Worker().OpenAttempts > 0)
        {
            await timer.WaitForNextTickAsync(patience.Token); // A drain would cancel what was left.
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task A_token_is_sent_only_once_both_workers_gave_it(int ahead)
    {
        await using var grid = await TestGrid.StartAsync(2, _ => new ScriptedEngine { HeldBack = true });
        await using var sequence = await grid.Sequences().StartAsync(Checked([3, 4], 10, generation => generation with { Logprobs = true, TopLogprobs = 2, PromptLogprobsFrom = 0 }), default);
        var (fast, slow) = (grid.Engines[ahead], grid.Engines[1 - ahead]);
        fast.Allow(10);
        using var patience = new CancellationTokenSource(TestGrid.Patience);
        await using var updates = sequence.ReadUpdatesAsync(patience.Token).GetAsyncEnumerator(patience.Token);
        var first = updates.MoveNextAsync().AsTask();
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        while (!grid.Sequences().Snapshot.Workers.Any(worker => worker.Load.GeneratedTokens == 10))
        {
            await timer.WaitForNextTickAsync(patience.Token);
        }

        Assert.False(first.IsCompleted); // One worker has ended, and the gateway knows it; the other has not begun.
        slow.Allow(3);
        var tokens = new List<int>();
        var prompt = new List<int>();
        bool more = await first;
        while (tokens.Count < 3)
        {
            Assert.True(more);
            tokens.AddRange(updates.Current.Tokens.Select(token => token.TokenId));
            prompt.AddRange(updates.Current.PromptTokens.Select(token => token.TokenId));
            more = tokens.Count < 3 && await updates.MoveNextAsync();
        }

        Assert.Equal(Answer.Expected([3, 4], 3), tokens);
        Assert.Equal([3, 4], prompt);
        slow.Allow(10);
        string? reason = null;
        while (await updates.MoveNextAsync())
        {
            tokens.AddRange(updates.Current.Tokens.Select(token => token.TokenId));
            reason = updates.Current.FinishReason;
        }

        Assert.Equal(Answer.Expected([3, 4], 10), tokens);
        Assert.Equal("length", reason);
    }

    [Fact]
    public async Task A_checked_sequence_outlives_one_of_its_workers()
    {
        await using var grid = await TestGrid.StartAsync(3, _ => new ScriptedEngine { HeldBack = true });
        await using var sequence = await grid.Sequences().StartAsync(Checked([6], 30), default);
        int lost = grid.Engines[1].Requests.Count > 0 ? 1 : 2;
        int other = Enumerable.Range(0, 3).Single(i => i != lost && grid.Engines[i].Requests.Count > 0);
        grid.Engines[lost].Allow(9);
        grid.Engines[other].Allow(1000);
        while (grid.Engines[lost].Status.GeneratedTokens < 9)
        {
            await Task.Yield();
        }

        await grid.KillAsync(lost);
        grid.Engines[3 - lost - other].Allow(1000);
        var answer = await Answer.ReadAsync(sequence);
        Assert.Equal(Answer.Expected([6], 30), answer.Tokens);
        Assert.Equal(("length", 1), (answer.FinishReason, answer.Endings));
    }

    private static Messages.SequenceSpec Checked(int[] prompt, int tokens, Func<GenerationParameters, GenerationParameters>? with = null) =>
        Answer.Spec(prompt, tokens, with) with { CrossCheck = true };

    private static async Task AnswersRightAsync(TestGrid grid, int gateway, Action? begun = null)
    {
        await using var sequence = await grid.Sequences(gateway).StartAsync(Checked([7, gateway], 20, generation => generation with { Logprobs = true }), default);
        begun?.Invoke();
        var tokens = new List<ScoredToken>();
        using var patience = new CancellationTokenSource(TestGrid.Patience);
        await foreach (var update in sequence.ReadUpdatesAsync(patience.Token))
        {
            Assert.Null(update.Error);
            tokens.AddRange(update.Tokens);
        }

        Assert.Equal(Answer.Expected([7, gateway], 20), tokens.Select(token => token.TokenId));
        Assert.Equal(Enumerable.Range(0, 20).Select(i => -0.5f * i), tokens.Select(token => token.Logprob));
    }

    private static async Task SeenByAllAsync(TestGrid grid, int wrong)
    {
        using var patience = new CancellationTokenSource(TestGrid.Patience);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        bool Sees(int gateway) => grid.Sequences(gateway).Snapshot.Workers.Any(worker =>
            worker.Status.Worker.Silo.Equals(grid.Silos[wrong].SiloAddress) && worker is { State: WorkerState.Quarantined, Reason: not null });
        while (!Enumerable.Range(0, 3).All(Sees))
        {
            await timer.WaitForNextTickAsync(patience.Token);
        }
    }

    private static async Task<TestSequence> StartOnAsync(TestGrid grid, int silo, Messages.SequenceSpec spec)
    {
        foreach (var engine in grid.Engines)
        {
            engine.MaxWaiting = 0;
        }

        grid.Engines[silo].MaxWaiting = int.MaxValue;
        var sequence = await grid.Sequences().StartAsync(spec, default);
        foreach (var engine in grid.Engines)
        {
            engine.MaxWaiting = int.MaxValue;
        }

        return sequence;
    }

    private static Messages.SubmitRequest Submission() => new()
    {
        Attempt = new AttemptId(Guid.NewGuid(), 0),
        Gateway = new GatewayId("nobody"),
        NumericsId = TestModel.NumericsId,
        PromptIds = [1],
        Generation = new GenerationParameters(),
    };
}
