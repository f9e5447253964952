using Grid.Grains.Messages;
using Grid.Grains.Tests.Support;
using Grid.Numerics;
using Grid.Sequences;
using Grid.Workers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Grid.Grains.Tests;

/// <summary>Other weights on the workers of a grid: on all of a model or on none, and no sequence goes from one version to the other.</summary>
public sealed class WeightUpdateTests
{
    private const string New = "grid-1-new";

    [Fact]
    public async Task All_workers_get_them_and_every_gateway_knows()
    {
        int[] applied = new int[2];
        await using var grid = await TestGrid.StartAsync(2, _ => new ScriptedEngine(), weights: i => _ => new FakeWeights(New, () => applied[i]++));
        var updated = await grid.Sequences().UpdateWeightsAsync(TestModel.Name, Request("v1"), default);
        Assert.Equal((New, "v1", 2), (updated.NumericsId, updated.Version, updated.Workers));
        Assert.Equal([1, 1], applied);
        for (int gateway = 0; gateway < 2; gateway++)
        {
            var model = await grid.Sequences(gateway).WaitForWeightsAsync(Model(grid), default);
            Assert.Equal((New, "v1"), (model.NumericsId, model.WeightVersion));
            await using var sequence = await grid.Sequences(gateway).StartAsync(Answer.Spec([5], 10) with { NumericsId = New }, default);
            Assert.Equal(Answer.Expected([5], 10), (await Answer.ReadAsync(sequence)).Tokens);
            var refused = await Assert.ThrowsAsync<RefusedException>(() =>
                grid.Sequences(gateway).StartAsync(Answer.Spec([5], 10) with { NumericsId = TestModel.NumericsId }, default));
            Assert.Equal(RefusalKind.WeightsChanged, refused.Refusal.Kind);
        }
    }

    [Fact]
    public async Task Where_one_cannot_take_them_none_does()
    {
        int applied = 0;
        bool bad = true;
        await using var grid = await TestGrid.StartAsync(2, _ => new ScriptedEngine(), weights: i => request => i == 1 && bad
            ? throw new RefusedException(Refusal.Invalid(nameof(request.ModelPath), "x", "be right"))
            : new FakeWeights(i == 1 ? $"{New}-other" : New, () => applied++));
        var refused = await Assert.ThrowsAsync<RefusedException>(() => grid.Sequences().UpdateWeightsAsync(TestModel.Name, Request("v1"), default));
        Assert.Equal((RefusalKind.Invalid, nameof(WeightsRequest.ModelPath)), (refused.Refusal.Kind, refused.Refusal.Field));
        bad = false; // Now its folder holds something else than the other's.
        refused = await Assert.ThrowsAsync<RefusedException>(() => grid.Sequences().UpdateWeightsAsync(TestModel.Name, Request("v1"), default));
        Assert.Contains("on one node than on another", refused.Message, StringComparison.Ordinal);
        Assert.Equal((0, TestModel.NumericsId), (applied, Model(grid).NumericsId));
        await using var sequence = await grid.Sequences().StartAsync(Answer.Spec([5], 10), default);
        Assert.Equal(Answer.Expected([5], 10), (await Answer.ReadAsync(sequence)).Tokens);
    }

    /// <summary>It ends with its own version, or, where its worker is lost meanwhile, not at all: never with the other's bits.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_runs_is_never_continued_with_other_weights(bool lost)
    {
        await using var grid = await TestGrid.StartAsync(2, _ => new ScriptedEngine { HeldBack = true }, weights: _ => _ => new FakeWeights(New, () => { }));
        grid.Service<IOptions<SequencesOptions>>(0).Value.FailoverWait = TimeSpan.FromMilliseconds(300);
        await using var sequence = await grid.Sequences().StartAsync(Answer.Spec([5], 10), default);
        int on = grid.Engines[0].Requests.Count > 0 ? 0 : 1;
        grid.Engines[on].Allow(3);
        var update = grid.Sequences().UpdateWeightsAsync(TestModel.Name, Request("v1"), default);
        await UntilAsync(() => grid.Worker(1 - on).Model.NumericsId == New && grid.Worker(on).State == WorkerState.Updating);
        Assert.False(update.IsCompleted);
        Assert.Equal(TestModel.NumericsId, grid.Worker(on).Model.NumericsId);

        // Meanwhile new ones run with the new weights.
        grid.Engines[1 - on].Allow(20);
        await using var comes = await grid.Sequences().StartAsync(Answer.Spec([6], 10) with { NumericsId = (await NewAsync(grid)).NumericsId }, default);
        Assert.Equal(Answer.Expected([6], 10), (await Answer.ReadAsync(comes)).Tokens);

        if (lost)
        {
            grid.Worker(on).EnterQuarantine("a test says so.");
        }
        else
        {
            grid.Engines[on].Allow(20);
        }

        var answer = await Answer.ReadAsync(sequence);
        Assert.Equal(lost ? "error" : "length", answer.FinishReason);
        Assert.Equal(Answer.Expected([5], answer.Tokens.Length), answer.Tokens);
        Assert.Equal(lost ? 1 : 2, grid.Engines.Sum(engine => engine.Requests.Count) - (lost ? 1 : 0));
        if (lost)
        {
            var refused = await Assert.ThrowsAsync<RefusedException>(() => update);
            Assert.Contains("1 of 2 workers", refused.Message, StringComparison.Ordinal);
        }
        else
        {
            Assert.Equal(2, (await update).Workers);
        }
    }

    private static async Task<ServedModel> NewAsync(TestGrid grid)
    {
        ServedModel model;
        while ((model = await grid.Sequences().WaitForWeightsAsync(Model(grid), default)).NumericsId != New)
        {
        }

        return model;
    }

    private static ServedModel Model(TestGrid grid) => grid.Sequences().Models.Single();

    private static WeightsRequest Request(string version) => new() { Update = Guid.NewGuid(), Asked = DateTimeOffset.UnixEpoch, ModelPath = "x", Version = version };

    private static async Task UntilAsync(Func<bool> holds)
    {
        using var patience = new CancellationTokenSource(TestGrid.Patience);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        while (!holds())
        {
            await timer.WaitForNextTickAsync(patience.Token);
        }
    }

    private sealed class FakeWeights(string numericsId, Action apply) : INewWeights
    {
        public string NumericsId => numericsId;

        public void Apply() => apply();

        public void Dispose()
        {
        }
    }
}
