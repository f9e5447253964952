using Grid.Grains.Messages;
using Grid.Grains.Tests.Support;
using Grid.Numerics;

namespace Grid.Grains.Tests;

/// <summary>Digests of logits come with the tokens of sequences that ask for them, whatever happens to the sequence, and others have none.</summary>
public sealed class DigestTests
{
    private const int Tokens = 60;

    private static readonly int[] s_prompt = [5, 6, 7];

    [Fact]
    public async Task A_sequence_whose_worker_is_lost_has_all_of_them()
    {
        await using var grid = await TestGrid.StartAsync(2, i => new ScriptedEngine { HeldBack = true, MaxWaiting = i == 0 ? 0 : int.MaxValue });
        await using var sequence = await grid.Sequences().StartAsync(Asking(), default);
        grid.Engines[1].Allow(25);
        grid.Engines[0].MaxWaiting = int.MaxValue;
        var tokens = new List<ScoredToken>();
        using var patience = new CancellationTokenSource(TestGrid.Patience);
        bool killed = false;
        await foreach (var update in sequence.ReadUpdatesAsync(patience.Token))
        {
            tokens.AddRange(update.Tokens);
            if (tokens.Count >= 25 && !killed)
            {
                killed = true;
                await grid.KillAsync(1);
                grid.Engines[0].Allow(Tokens);
            }
        }

        Assert.True(killed);
        AssertDigests(s_prompt, tokens);
        Assert.Equal(25, Assert.Single(grid.Engines[0].Requests).PriorOutputIds.Length);
    }

    [Fact]
    public async Task They_come_with_their_tokens_to_those_who_ask_also_where_the_output_was_expected()
    {
        await using var grid = await TestGrid.StartAsync(2, _ => new ScriptedEngine());
        int[] expected = Answer.Expected(s_prompt, Tokens);
        string[] workers = [.. grid.Sequences().Snapshot.Workers.Select(worker => worker.Status.Worker.Key)];
        foreach (string worker in workers)
        {
            await using var sequence = await grid.Sequences().StartAsync(Asking() with { ExpectedOutputIds = expected, Worker = worker }, default);
            AssertDigests(s_prompt, await ReadAsync(sequence));
        }

        Assert.All(grid.Engines, engine => Assert.Equal(expected, Assert.Single(engine.Requests).ExpectedOutputIds)); // Each as named, once.
        await using var scored = await grid.Sequences().StartAsync(
            Asking(generation => generation with { PromptLogprobsFrom = 0, TopLogprobs = 2, Logprobs = true }), default);
        await using var other = await grid.Sequences().StartAsync(Answer.Spec([8], Tokens), default);
        await using var third = await grid.Sequences().StartAsync(Asking(prompt: [9, 9]), default);
        AssertDigests(s_prompt, await ReadAsync(scored));
        AssertDigests([9, 9], await ReadAsync(third));
        Assert.All(await ReadAsync(other), token => Assert.Null(token.Digest));

        var refused = await Assert.ThrowsAsync<RefusedException>(() => grid.Sequences().StartAsync(Asking() with { Worker = "nobody" }, default));
        Assert.Equal((RefusalKind.Invalid, nameof(SequenceSpec.Worker), "nobody"), (refused.Refusal.Kind, refused.Refusal.Field, refused.Refusal.Value));
        refused = await Assert.ThrowsAsync<RefusedException>(() => grid.Sequences().StartAsync(Asking() with { ExpectedOutputIds = [1, ScriptedEngine.Vocabulary] }, default));
        Assert.Equal((nameof(SequenceSpec.ExpectedOutputIds), (int?)1), (refused.Refusal.Field, refused.Refusal.Index));
    }

    [Fact]
    public async Task A_worker_whose_logits_alone_are_wrong_is_found_by_a_cross_check()
    {
        await using var grid = await TestGrid.StartAsync(
            3, i => new ScriptedEngine { WrongFrom = i == 1 ? 5 : null, WrongInDigest = true, MaxWaiting = i == 0 ? 0 : int.MaxValue });
        await using var sequence = await grid.Sequences().StartAsync(Asking() with { CrossCheck = true }, default);
        grid.Engines[0].MaxWaiting = int.MaxValue;
        AssertDigests(s_prompt, await ReadAsync(sequence));
        Assert.Single(grid.Sequences().Snapshot.Workers, worker => worker.State == WorkerState.Quarantined);
    }

    private static SequenceSpec Asking(Func<GenerationParameters, GenerationParameters>? with = null, int[]? prompt = null) =>
        Answer.Spec(prompt ?? s_prompt, Tokens, generation => (with?.Invoke(generation) ?? generation) with { Digests = true });

    private static async Task<List<ScoredToken>> ReadAsync(TestSequence sequence)
    {
        var tokens = new List<ScoredToken>();
        using var patience = new CancellationTokenSource(TestGrid.Patience);
        await foreach (var update in sequence.ReadUpdatesAsync(patience.Token))
        {
            tokens.AddRange(update.Tokens);
            Assert.All(update.PromptTokens, token => Assert.Null(token.Digest));
        }

        return tokens;
    }

    private static void AssertDigests(int[] prompt, List<ScoredToken> tokens)
    {
        Assert.Equal(Answer.Expected(prompt, Tokens), tokens.Select(token => token.TokenId));
        Assert.Equal(Enumerable.Range(0, Tokens).Select(i => ScriptedEngine.DigestAt(prompt, i)), tokens.Select(token => token.Digest!.Value.ToDigest()));
    }
}
