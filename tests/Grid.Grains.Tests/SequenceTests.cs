using Grid.Grains.Messages;
using Grid.Grains.Placement;
using Grid.Grains.Tests.Support;
using Grid.Numerics;
using Grid.Sequences;

namespace Grid.Grains.Tests;

public sealed class SequenceTests
{
    [Fact]
    public async Task Two_hundred_concurrent_sequences_end_exactly_once_with_their_own_tokens_in_order()
    {
        await using var grid = await TestGrid.StartAsync(1, _ => new ScriptedEngine());
        await Task.WhenAll(Enumerable.Range(0, 200).Select(async i =>
        {
            int[] prompt = [i % 200, i / 3, 5];
            int count = 1 + (i % 40);
            await using var sequence = await grid.Sequences().StartAsync(Answer.Spec(prompt, count), default);
            var answer = await Answer.ReadAsync(sequence);
            Assert.Equal(Answer.Expected(prompt, count), answer.Tokens);
            Assert.Equal(Answer.TextOf(answer.Tokens), answer.Text);
            Assert.Equal("length", answer.FinishReason);
            Assert.Equal(1, answer.Endings);
            Assert.Equal(1, sequence.CachedTokens);
        }));
        Assert.Equal(0, grid.Worker().OpenAttempts);
    }

    [Fact]
    public async Task Text_becomes_ids_and_a_model_is_listed_with_its_numerics_id()
    {
        await using var grid = await TestGrid.StartAsync(1, _ => new ScriptedEngine());
        var model = Assert.Single(grid.Sequences().Models);
        Assert.Equal((TestModel.Name, TestModel.NumericsId), (model.Id, model.NumericsId));
        var spec = Answer.Spec([], 4) with { PromptIds = null, PromptText = "grid" };
        await using var sequence = await grid.Sequences().StartAsync(spec, default);
        Assert.Equal("grid"u8.ToArray().Select(b => (int)b), sequence.PromptIds);
        Assert.Equal(Answer.Expected([.. sequence.PromptIds], 4), (await Answer.ReadAsync(sequence)).Tokens);
    }

    [Fact]
    public async Task A_raw_text_gets_the_models_first_token_where_it_is_asked_for()
    {
        await using var grid = await TestGrid.StartAsync(1, _ => new ScriptedEngine());
        var spec = Answer.Spec([], 4) with { PromptIds = null, PromptText = "grid", AddSpecialTokens = true };
        await using var raw = await grid.Sequences().StartAsync(spec, default);
        await using var chat = await grid.Sequences().StartAsync(spec with { AddSpecialTokens = false }, default);
        Assert.Equal([2, .. "grid"u8.ToArray()], raw.PromptIds);
        Assert.Equal([.. "grid"u8.ToArray()], chat.PromptIds);
        await using var ids = await grid.Sequences().StartAsync(spec with { PromptText = null, PromptIds = [7] }, default);
        Assert.Equal([7], ids.PromptIds);
    }

    [Fact]
    public async Task A_sequence_that_is_let_go_is_cancelled_at_the_worker_and_its_neighbours_are_not()
    {
        await using var grid = await TestGrid.StartAsync(1, _ => new ScriptedEngine());
        var endless = await grid.Sequences().StartAsync(Answer.Spec([1], 90_000), default);
        await using var neighbour = await grid.Sequences().StartAsync(Answer.Spec([2], 2_000), default);
        await using (var updates = endless.ReadUpdatesAsync(default).GetAsyncEnumerator())
        {
            Assert.True(await updates.MoveNextAsync());
        }

        await endless.DisposeAsync();
        Assert.Equal(Answer.Expected([2], 2_000), (await Answer.ReadAsync(neighbour)).Tokens);
        await grid.Worker().DrainAsync(default); // Ends at once when nothing runs; cancels after its grace time otherwise.
        Assert.Equal(0, grid.Worker().OpenAttempts);
        Assert.True(grid.Engines[0].Status.GeneratedTokens < 90_000);
    }

    [Fact]
    public async Task A_stop_string_ends_the_text_before_it_and_the_worker_is_told()
    {
        await using var grid = await TestGrid.StartAsync(1, _ => new ScriptedEngine { HeldBack = true });
        int[] prompt = [3];
        string all = Answer.TextOf(Answer.Expected(prompt, 60));
        string stop = all[10..13];
        var spec = Answer.Spec(prompt, 60) with { StopStrings = [stop, "never"] };
        await using var sequence = await grid.Sequences().StartAsync(spec, default);
        grid.Engines[0].Allow(30); // Far beyond the stop: what comes after must not count.
        var answer = await Answer.ReadAsync(sequence);
        int end = all.IndexOf(stop, StringComparison.Ordinal);
        Assert.Equal(all[..end], answer.Text);
        Assert.Equal(end + stop.Length, answer.Tokens.Length);
        Assert.Equal(("stop", stop, 1), (answer.FinishReason, answer.MatchedStop, answer.Endings));
        await grid.Worker().DrainAsync(default);
        Assert.Equal(0, grid.Engines[0].Status.Running);
        Assert.True(grid.Engines[0].Status.GeneratedTokens <= 30, "The worker went on to the end.");
    }

    [Fact]
    public async Task A_stop_token_ends_the_sequence_and_is_no_part_of_the_text()
    {
        await using var grid = await TestGrid.StartAsync(1, _ => new ScriptedEngine());
        int[] prompt = [4];
        int[] tokens = Answer.Expected(prompt, 8);
        await using var sequence = await grid.Sequences().StartAsync(Answer.Spec(prompt, 50, generation => generation with { StopTokenIds = [tokens[7]] }), default);
        var answer = await Answer.ReadAsync(sequence);
        Assert.Equal(tokens, answer.Tokens);
        Assert.Equal(Answer.TextOf(tokens[..7]), answer.Text);
        Assert.Equal(("stop", tokens[7]), (answer.FinishReason, answer.MatchedStop));
    }

    [Fact]
    public async Task Refusals_name_kind_field_value_and_rule()
    {
        await using var grid = await TestGrid.StartAsync(1, _ => new ScriptedEngine());
        var unknown = await Assert.ThrowsAsync<RefusedException>(() => grid.Sequences().StartAsync(Answer.Spec([1], 1) with { Model = "gpt" }, default));
        Assert.Equal((RefusalKind.ModelNotFound, "Model"), (unknown.Refusal.Kind, unknown.Refusal.Field));
        Assert.Contains("gpt", unknown.Message, StringComparison.Ordinal);
        var invalid = await Assert.ThrowsAsync<RefusedException>(() => grid.Sequences().StartAsync(Answer.Spec([1], 0), default));
        Assert.Equal((RefusalKind.Invalid, "MaxNewTokens", "MaxNewTokens is 0; it must be at least 1."), (invalid.Refusal.Kind, invalid.Refusal.Field, invalid.Message));
        grid.Service<Microsoft.Extensions.Options.IOptions<SequencesOptions>>(0).Value.QueueSize = 0;
        grid.Engines[0].MaxWaiting = 0;
        var overloaded = await Assert.ThrowsAsync<RefusedException>(() => grid.Sequences().StartAsync(Answer.Spec([1], 1), default));
        Assert.Equal((RefusalKind.Overloaded, TimeSpan.FromSeconds(1)), (overloaded.Refusal.Kind, overloaded.Refusal.RetryAfter));
        grid.Service<Microsoft.Extensions.Options.IOptions<SequencesOptions>>(0).Value.QueueSize = 1;
        _ = grid.Worker().DrainAsync(default);
        var draining = await Assert.ThrowsAsync<RefusedException>(() => grid.Sequences().StartAsync(Answer.Spec([1], 1), default));
        Assert.Equal(RefusalKind.Unavailable, draining.Refusal.Kind);
    }

    [Fact]
    public async Task A_sequence_whose_worker_dies_goes_on_elsewhere_with_the_same_tokens()
    {
        await using var grid = await TestGrid.StartAsync(2, i => new ScriptedEngine { HeldBack = i == 1 });
        int[] prompt = [9, 9];

        // The worker beside the gateway refuses at first, so that the other one takes it.
        grid.Engines[0].MaxWaiting = 0;
        var sequence = await grid.Sequences().StartAsync(Answer.Spec(prompt, 40), default);
        grid.Engines[0].MaxWaiting = int.MaxValue;
        grid.Engines[1].Allow(7);
        using var patience = new CancellationTokenSource(TestGrid.Patience);
        var updates = sequence.ReadUpdatesAsync(patience.Token).GetAsyncEnumerator();
        var tokens = new List<int>();
        while (tokens.Count < 7)
        {
            Assert.True(await updates.MoveNextAsync());
            tokens.AddRange(updates.Current.Tokens.Select(token => token.TokenId));
        }

        await grid.KillAsync(1);
        string? reason = null;
        while (await updates.MoveNextAsync())
        {
            tokens.AddRange(updates.Current.Tokens.Select(token => token.TokenId));
            reason = updates.Current.FinishReason ?? reason;
        }

        Assert.Equal(Answer.Expected(prompt, 40), tokens);
        Assert.Equal("length", reason);
        var resumed = grid.Engines[0].Requests[^1];
        Assert.True(resumed.Id.Epoch > 0);
        Assert.Equal(Answer.Expected(prompt, 7), resumed.PriorOutputIds);
        await updates.DisposeAsync();
        await sequence.DisposeAsync();
    }

    [Fact]
    public async Task A_silo_that_is_asked_to_stop_lets_its_sequences_end_first()
    {
        await using var grid = await TestGrid.StartAsync(2, i => new ScriptedEngine { HeldBack = i == 1, MaxWaiting = i });
        var worker = grid.Worker(1);
        grid.Service<Microsoft.Extensions.Options.IOptions<SequencesOptions>>(0).Value.QueueSize = 0;
        await using var sequence = await grid.Sequences().StartAsync(Answer.Spec([7], 20), default);
        var stopped = grid.StopAsync(1);
        using (var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(5)))
        {
            while (worker.State != WorkerState.Draining)
            {
                await timer.WaitForNextTickAsync();
            }
        }

        await Assert.ThrowsAsync<RefusedException>(() => grid.Sequences().StartAsync(Answer.Spec([8], 20), default));
        Assert.False(stopped.IsCompleted);
        grid.Engines[1].Allow(100);
        var answer = await Answer.ReadAsync(sequence);
        Assert.Equal(Answer.Expected([7], 20), answer.Tokens);
        Assert.Equal("length", answer.FinishReason);
        await stopped;
        Assert.Single(grid.Engines[1].Requests);
        Assert.Empty(grid.Engines[0].Requests);
    }

    [Fact]
    public async Task A_sequence_never_moves_to_a_worker_with_other_bits()
    {
        await using var grid = await TestGrid.StartAsync(2, i => new ScriptedEngine { HeldBack = i == 0, FailAtStep = i == 0 ? 3 : null }, differentModels: true);
        foreach (int silo in new[] { 0, 1 })
        {
            grid.Service<Microsoft.Extensions.Options.IOptions<SequencesOptions>>(silo).Value.FailoverWait = TimeSpan.FromMilliseconds(200);
        }

        // The worker breaks in its fourth step; the other one, with room, must not go on.
        await using var sequence = await grid.Sequences().StartAsync(Answer.Spec([1], 100) with { Model = $"{TestModel.Name}-0" }, default);
        grid.Engines[0].Allow(100);
        var answer = await Answer.ReadAsync(sequence);
        Assert.Equal(("error", 1), (answer.FinishReason, answer.Endings));
        Assert.Contains("could not go on", answer.Error, StringComparison.Ordinal);
        Assert.InRange(answer.Tokens.Length, 1, 3);
        Assert.Equal(Answer.Expected([1], answer.Tokens.Length), answer.Tokens);
        Assert.Empty(grid.Engines[1].Requests);
    }

    [Fact]
    public async Task Requests_that_come_faster_than_workers_report_are_spread_all_the_same()
    {
        await using var grid = await TestGrid.StartAsync(2, _ => new ScriptedEngine { HeldBack = true });
        var sequences = new List<TestSequence>();
        for (int i = 0; i < 8; i++)
        {
            sequences.Add(await grid.Sequences().StartAsync(Answer.Spec([1, 2], 3), default));
        }

        Assert.All(grid.Engines, engine => Assert.Equal(4, engine.Requests.Count));
        Assert.All(grid.Engines, engine => engine.Allow(10));
        foreach (var sequence in sequences)
        {
            await Answer.ReadAsync(sequence);
            await sequence.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_flush_reaches_every_worker()
    {
        await using var grid = await TestGrid.StartAsync(2, _ => new ScriptedEngine());
        Assert.Equal(2, await grid.Sequences().FlushCacheAsync(default));
        Assert.All(grid.Engines, engine => Assert.Equal(1, engine.Flushes));
    }

    [Fact]
    public async Task A_sequence_grain_lives_on_its_gateways_silo_and_ends_with_its_sequence()
    {
        await using var grid = await TestGrid.StartAsync(1, _ => new ScriptedEngine { HeldBack = true });
        await using var sequence = await grid.Sequences().StartAsync(Answer.Spec([1, 2], 3), default);
        var grain = grid.Service<IGrainFactory>(0).GetGrain<ISequenceGrain>(new SiloKey(grid.Silos[0].SiloAddress, sequence.Id.ToString("N")).ToString());
        var state = await grain.GetState();
        Assert.Equal((2, 0, TestModel.Name, (string?)null), (state!.PromptTokens, state.Epoch, state.Model, state.FinishReason));
        grid.Engines[0].Allow(10);
        await Answer.ReadAsync(sequence);
        await sequence.DisposeAsync();
        var later = await grain.GetState();
        Assert.True(later is null or { FinishReason: "length" });
    }
}
