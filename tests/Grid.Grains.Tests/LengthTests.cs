using Grid.Grains.Messages;
using Grid.Grains.Tests.Support;
using Grid.Numerics;
using Grid.Workers;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Grid.Grains.Tests;

/// <summary>Where a sequence ends, on workers whose KV caches hold more or less of it.</summary>
public sealed class LengthTests
{
    private const int Small = 40;
    private const int Large = 100;

    /// <summary>Whoever takes it first, and whatever it has to be moved for.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task As_many_tokens_as_the_context_allows_are_as_many_wherever_the_sequence_runs(int first)
    {
        await using var grid = await StartAsync(Small, Large);
        grid.Engines[1 - first].MaxWaiting = 0;
        await using var sequence = await grid.Sequences(first).StartAsync(Spec([1, 2, 3], null), default);
        grid.Engines[1 - first].MaxWaiting = int.MaxValue;
        Assert.Single(grid.Engines[first].Requests);
        Assert.Equal(Large - 3, sequence.MaxNewTokens);
        await EndsAsync(grid, sequence, [1, 2, 3], Large - 3);
        Assert.Equal(Large, grid.Sequences().Models.Single().MaxContextTokens);
    }

    [Fact]
    public async Task A_sequence_whose_worker_dies_ends_where_it_would_have_ended_there()
    {
        await using var grid = await StartAsync(Small, Large, Large);
        grid.Engines[0].MaxWaiting = grid.Engines[2].MaxWaiting = 0;
        await using var sequence = await grid.Sequences().StartAsync(Spec([4], null), default);
        grid.Engines[0].MaxWaiting = int.MaxValue;
        grid.Engines[1].Allow(10);
        while (grid.Engines[1].Status.GeneratedTokens < 10)
        {
            await Task.Yield();
        }

        await grid.KillAsync(1);
        await EndsAsync(grid, sequence, [4], Large - 1);
    }

    [Fact]
    public async Task A_checked_sequence_outgrows_a_small_worker_and_quarantines_nobody()
    {
        await using var grid = await StartAsync(Small, Large, Large);
        grid.Engines[2].MaxWaiting = 0;
        await using var sequence = await grid.Sequences().StartAsync(Spec([6, 7], null) with { CrossCheck = true }, default);
        grid.Engines[2].MaxWaiting = int.MaxValue;
        Assert.Single(grid.Engines[0].Requests);
        await EndsAsync(grid, sequence, [6, 7], Large - 2);
        Assert.Equal(Small - 2, Assert.Single(grid.Engines[2].Requests).PriorOutputIds.Length);
        Assert.All(grid.Sequences().Snapshot.Workers, worker => Assert.Equal(WorkerState.Live, worker.State));
    }

    [Fact]
    public async Task A_prompt_that_only_a_large_worker_holds_runs_there()
    {
        await using var grid = await StartAsync(Small, Large);
        int[] prompt = [.. Enumerable.Repeat(5, Small + 10)];
        await using var sequence = await grid.Sequences().StartAsync(Spec(prompt, 20), default);
        await EndsAsync(grid, sequence, prompt, 20);
        Assert.Empty(grid.Engines[0].Requests);
    }

    [Fact]
    public async Task What_no_worker_could_hold_is_refused_with_field_value_and_rule()
    {
        await using var grid = await StartAsync(Small, Large);
        var tooMany = await Assert.ThrowsAsync<RefusedException>(() => grid.Sequences().StartAsync(Spec([1, 2], Large), default));
        Assert.Equal((RefusalKind.Invalid, "MaxNewTokens"), (tooMany.Refusal.Kind, tooMany.Refusal.Field));
        Assert.Equal("MaxNewTokens is 100; it must be at most 98: the model's largest worker holds 100 tokens, and the prompt has 2.", tooMany.Message);
        var tooLong = await Assert.ThrowsAsync<RefusedException>(() => grid.Sequences().StartAsync(Spec(new int[Large], null), default));
        Assert.Equal((RefusalKind.Invalid, "PromptIds.Length"), (tooLong.Refusal.Kind, tooLong.Refusal.Field));
        Assert.Equal("PromptIds.Length is 100; it must be at most 99: the model's largest worker holds 100 tokens, and one is for output.", tooLong.Message);
        var noRoom = await Assert.ThrowsAsync<RefusedException>(() => grid.Sequences().StartAsync(Answer.Spec([1], 1, generation => generation with { MaxNewTokens = null, MinNewTokens = 100 }), default));
        Assert.Equal((RefusalKind.Invalid, "MinNewTokens"), (noRoom.Refusal.Kind, noRoom.Refusal.Field));
    }

    [Fact]
    public void A_worker_refuses_what_its_cache_cannot_hold_as_too_large_and_what_has_no_end()
    {
        using var engine = new ScriptedEngine();
        using var worker = new DeviceWorker(
            TestModel.Worker(kvTokens: Small), engine, new WorkerOptions(), new FakeSiloProbe(), new FakeTimeProvider(), NullLogger<DeviceWorker>.Instance);
        var gateway = new GatewayId("gateway");
        using var stream = worker.Subscribe(gateway);
        Refusal? Submit(int? maxNewTokens) => worker.Submit(new SubmitRequest
        {
            Attempt = new AttemptId(Guid.NewGuid(), 0),
            Gateway = gateway,
            NumericsId = TestModel.NumericsId,
            PromptIds = [1, 2],
            Generation = new GenerationParameters { MaxNewTokens = maxNewTokens },
        });
        Assert.Null(Submit(Small - 1)); // The last token's keys and values are never computed.
        var tooLarge = Submit(Small);
        Assert.Equal((RefusalKind.TooLarge, "MaxNewTokens"), (tooLarge?.Kind, tooLarge?.Field));
        Assert.Contains("MaxNewTokens is 40; it must let prompt and output (42 tokens) fit in this worker's KV cache of 40 tokens.", tooLarge!.ToString(), StringComparison.Ordinal);
        Assert.Equal((RefusalKind.Invalid, "MaxNewTokens"), (Submit(null)?.Kind, Submit(null)?.Field));
    }

    /// <summary>Through the check that the real engine makes.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Prompt_logprobs_that_were_told_already_are_not_asked_for_again_when_the_worker_dies(bool check)
    {
        await using var grid = await TestGrid.StartAsync(3, _ => new ScriptedEngine { HeldBack = true });
        var spec = Answer.Spec([3, 4, 5], 30, generation => generation with { PromptLogprobsFrom = 0, TopLogprobs = 2 }) with { CrossCheck = check };
        await using var sequence = await grid.Sequences().StartAsync(spec, default);
        int lost = grid.Engines[1].Requests.Count > 0 ? 1 : grid.Engines[2].Requests.Count > 0 ? 2 : 0;
        foreach (var engine in grid.Engines)
        {
            engine.Allow(5);
        }

        using var patience = new CancellationTokenSource(TestGrid.Patience);
        await using var updates = sequence.ReadUpdatesAsync(patience.Token).GetAsyncEnumerator(patience.Token);
        var tokens = new List<int>();
        while (tokens.Count < 5)
        {
            Assert.True(await updates.MoveNextAsync());
            tokens.AddRange(updates.Current.Tokens.Select(token => token.TokenId));
        }

        grid.Worker(lost).EnterQuarantine("its sequences are to go on elsewhere.");
        foreach (var engine in grid.Engines)
        {
            engine.Allow(1000);
        }

        string? reason = null;
        string? error = null;
        while (await updates.MoveNextAsync())
        {
            tokens.AddRange(updates.Current.Tokens.Select(token => token.TokenId));
            (reason, error) = (updates.Current.FinishReason, updates.Current.Error);
        }

        Assert.Null(error);
        Assert.Equal("length", reason);
        Assert.Equal(Answer.Expected([3, 4, 5], 30), tokens);
    }

    private static Task<TestGrid> StartAsync(params int[] kvTokens) =>
        TestGrid.StartAsync(kvTokens.Length, _ => new ScriptedEngine { HeldBack = true }, kvTokens: i => kvTokens[i]);

    private static SequenceSpec Spec(int[] prompt, int? maxNewTokens) => Answer.Spec(prompt, 1, generation => generation with { MaxNewTokens = maxNewTokens });

    private static async Task EndsAsync(TestGrid grid, TestSequence sequence, int[] prompt, int tokens)
    {
        foreach (var engine in grid.Engines)
        {
            engine.Allow(1000);
        }

        var answer = await Answer.ReadAsync(sequence);
        Assert.Null(answer.Error);
        Assert.Equal(("length", 1), (answer.FinishReason, answer.Endings));
        Assert.Equal(Answer.Expected(prompt, tokens), answer.Tokens);
    }
}
