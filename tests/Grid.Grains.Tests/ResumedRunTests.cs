using Grid.Grains.Messages;
using Grid.Grains.Tests.Support;
using Grid.Sequences.Attempts;
using Grid.Sequences.Routing;

namespace Grid.Grains.Tests;

/// <summary>Sequences that are taken up again: what a worker remembers of them is not drawn anew.</summary>
public sealed class ResumedRunTests
{
    private const int Tokens = 400;

    private static readonly int[] s_prompt = [5, 6, 7];

    [Fact]
    public async Task What_a_worker_remembers_is_told_again_and_not_drawn_again()
    {
        await using var grid = await TestGrid.StartAsync(2, _ => new ScriptedEngine { HeldBack = true });
        var name = await LeaveAsync(grid, after: 100);
        var (answer, requests) = await TakeUpAsync(grid, new ResumedRun(name, 80, 80));
        Assert.Equal(Answer.Expected(s_prompt, Tokens), answer.Tokens);
        Assert.Equal(Answer.TextOf(answer.Tokens), answer.Text);
        Assert.Equal("length", answer.FinishReason);
        Assert.Equal(Answer.Expected(s_prompt, 80), Assert.Single(requests).PriorOutputIds);
    }

    [Fact]
    public async Task A_client_that_has_more_than_any_worker_remembers_loses_nothing()
    {
        await using var grid = await TestGrid.StartAsync(1, _ => new ScriptedEngine { HeldBack = true });
        var name = await LeaveAsync(grid, after: 20);
        var (answer, requests) = await TakeUpAsync(grid, new ResumedRun(name, 300, 300));
        Assert.Equal(Answer.Expected(s_prompt, Tokens), answer.Tokens);
        Assert.InRange(Assert.Single(requests).PriorOutputIds.Length, 20, 299);

        (answer, requests) = await TakeUpAsync(grid, new ResumedRun(Guid.NewGuid(), 300, 300));
        Assert.Equal(Answer.Expected(s_prompt, Tokens), answer.Tokens);
        Assert.Empty(Assert.Single(requests).PriorOutputIds);
    }

    /// <summary>Where logprobs of what the client has are to be told again, ids are not enough: all is drawn, as what was expected.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_must_be_drawn_anew_is_expected_to_come_as_a_worker_remembers_it(bool isChecked)
    {
        await using var grid = await TestGrid.StartAsync(2, _ => new ScriptedEngine { HeldBack = true });
        var name = await LeaveAsync(grid, after: 100);
        var (answer, requests) = await TakeUpAsync(grid, new ResumedRun(name, 0, 80), isChecked: isChecked);
        Assert.Equal(Answer.Expected(s_prompt, Tokens), answer.Tokens);
        Assert.Equal(isChecked ? 2 : 1, requests.Length);
        Assert.All(requests, request => Assert.Empty(request.PriorOutputIds));
        Assert.All(requests, request => Assert.InRange(request.ExpectedOutputIds.Length, 100, Tokens - 1));
        Assert.All(requests, request => Assert.Equal(Answer.Expected(s_prompt, request.ExpectedOutputIds.Length), request.ExpectedOutputIds));
    }

    /// <summary>The run that is taken up a second time is that of the sequence, not only of its last gateway.</summary>
    [Fact]
    public async Task A_sequence_that_was_taken_up_can_be_taken_up_again()
    {
        await using var grid = await TestGrid.StartAsync(1, _ => new ScriptedEngine { HeldBack = true });
        var name = await LeaveAsync(grid, after: 20);
        await LeaveAsync(grid, after: 90, new ResumedRun(name, 10, 10));
        var (answer, requests) = await TakeUpAsync(grid, new ResumedRun(name, 85, 85));
        Assert.Equal(Answer.Expected(s_prompt, Tokens), answer.Tokens);
        Assert.Equal(85, Assert.Single(requests).PriorOutputIds.Length);
    }

    /// <summary>A client may claim to have more than there is. What ends the sequence ends it all the same.</summary>
    [Fact]
    public async Task A_stop_string_among_the_known_tokens_still_ends_the_sequence_there()
    {
        await using var grid = await TestGrid.StartAsync(1, _ => new ScriptedEngine { HeldBack = true });
        var name = await LeaveAsync(grid, after: 100);
        string all = Answer.TextOf(Answer.Expected(s_prompt, Tokens));
        string stop = all[15..18];
        var (answer, _) = await TakeUpAsync(grid, new ResumedRun(name, 80, 80), stop);
        Assert.Equal(all[..all.IndexOf(stop, StringComparison.Ordinal)], answer.Text);
        Assert.Equal("stop", answer.FinishReason);
    }

    /// <summary>What a worker remembers counts, whether the stop string ends in it, over its end or after it.</summary>
    [Theory]
    [InlineData(60, 80)]
    [InlineData(100, 80)]
    [InlineData(119, 120)]
    public async Task A_stop_string_that_comes_too_early_does_not_end_a_sequence_that_is_taken_up(int minNewTokens, int known)
    {
        await using var grid = await TestGrid.StartAsync(1, _ => new ScriptedEngine { HeldBack = true });
        var name = await LeaveAsync(grid, after: 130);
        string all = Answer.TextOf(Answer.Expected(s_prompt, Tokens));
        string stop = all[15..18]; // And again every 26 tokens: it ends with the 122nd.
        var (answer, requests) = await TakeUpAsync(grid, new ResumedRun(name, known, known), stop, minNewTokens: minNewTokens);
        int end = all.IndexOf(stop, minNewTokens - stop.Length + 1, StringComparison.Ordinal);
        Assert.Equal(all[..end], answer.Text);
        Assert.Equal(("stop", end + stop.Length), (answer.FinishReason, answer.Tokens.Length));
        Assert.Equal(minNewTokens, Assert.Single(requests).MinNewTokens);
    }

    [Fact]
    public async Task What_two_workers_are_to_agree_on_is_drawn_anew_by_both_where_only_one_remembers_it()
    {
        await using var grid = await TestGrid.StartAsync(2, _ => new ScriptedEngine { HeldBack = true });
        var name = await LeaveAsync(grid, after: 100);
        var (answer, requests) = await TakeUpAsync(grid, new ResumedRun(name, 80, 80), isChecked: true);
        Assert.Equal(Answer.Expected(s_prompt, Tokens), answer.Tokens);
        Assert.Equal(2, requests.Length);
        Assert.All(requests, request => Assert.Empty(request.PriorOutputIds));
    }

    [Fact]
    public async Task What_two_workers_remember_alike_is_drawn_anew_by_neither()
    {
        await using var grid = await TestGrid.StartAsync(2, _ => new ScriptedEngine { HeldBack = true });
        var name = await LeaveAsync(grid, after: 100, isChecked: true);
        var (answer, requests) = await TakeUpAsync(grid, new ResumedRun(name, 80, 80), isChecked: true);
        Assert.Equal(Answer.Expected(s_prompt, Tokens), answer.Tokens);
        Assert.Equal(2, requests.Length);
        Assert.All(requests, request => Assert.Equal(Answer.Expected(s_prompt, 80), request.PriorOutputIds));
    }

    /// <summary>With nobody to ask beyond the two, that is where the sequence ends; not later, on what only one remembers.</summary>
    [Fact]
    public async Task What_two_workers_remember_differently_is_known_up_to_there()
    {
        await using var grid = await TestGrid.StartAsync(2, i => new ScriptedEngine { HeldBack = true, WrongFrom = i == 0 ? 30 : null });
        var name = await LeaveAsync(grid, after: 100, isChecked: true);
        var (answer, requests) = await TakeUpAsync(grid, new ResumedRun(name, 80, 80), isChecked: true);
        Assert.Equal(Answer.Expected(s_prompt, 30), answer.Tokens);
        Assert.Contains("different bits at output token 30", answer.Error, StringComparison.Ordinal);
        Assert.Equal(2, requests.Length);
        Assert.All(requests, request => Assert.Equal(Answer.Expected(s_prompt, 30), request.PriorOutputIds));
    }

    [Fact]
    public async Task Workers_that_fail_or_do_not_answer_are_not_waited_for()
    {
        var answers = new Func<Task<int[]>>[]
        {
            () => new TaskCompletionSource<int[]>().Task,
            () => Task.FromException<int[]>(new TimeoutException()),
            () => Task.FromResult<int[]>([1, 2]),
            () => Task.FromResult<int[]>([1, 2, 3]),
        };
        LiveWorker[] workers = [.. answers.Select(answer => new FakeWorkerGrain { OnFind = answer }.Connect(TimeProvider.System).Worker)];
        var former = new ResumedRun(Guid.NewGuid(), 9, 9);
        var ofOne = await RememberedOutput.FindAsync(former, workers, quorum: 1).WaitAsync(TestGrid.Patience);
        var ofTwo = await RememberedOutput.FindAsync(former, workers, quorum: 2).WaitAsync(TestGrid.Patience);
        Assert.Equal([1, 2, 3], ofOne.Known);
        Assert.Equal([1, 2], ofTwo.Known);
        Assert.Equal([1, 2, 3], ofTwo.Expected);
    }

    [Fact]
    public async Task A_worker_that_is_lost_while_it_is_asked_is_waited_for_no_longer()
    {
        var (_, worker) = new FakeWorkerGrain { OnFind = () => new TaskCompletionSource<int[]>().Task }.Connect(TimeProvider.System);
        var asked = worker.FindOutputAsync(Guid.NewGuid(), 9);
        Assert.False(asked.IsCompleted);
        worker.Close();
        Assert.Empty(await asked.WaitAsync(TestGrid.Patience));
    }

    /// <summary>Runs the sequence until some tokens are there, leaves it, and gives its name.</summary>
    private static async Task<Guid> LeaveAsync(TestGrid grid, int after, ResumedRun? former = null, bool isChecked = false)
    {
        await using var sequence = await grid.Sequences().StartAsync(Answer.Spec(s_prompt, Tokens) with { Resumed = former, CrossCheck = isChecked }, default);
        foreach (var engine in grid.Engines)
        {
            engine.Allow(after);
        }

        int tokens = 0;
        await foreach (var update in sequence.ReadUpdatesAsync(default))
        {
            tokens += update.Tokens.Length;
            if (tokens >= after)
            {
                break;
            }
        }

        return former?.Name ?? sequence.Id;
    }

    /// <summary>Takes the sequence up, and gives its answer and what the engines were asked for.</summary>
    private static async Task<(Answer Answer, Engine.SequenceRequest[] Requests)> TakeUpAsync(
        TestGrid grid, ResumedRun former, string? stop = null, bool isChecked = false, int minNewTokens = 0)
    {
        int[] before = [.. grid.Engines.Select(engine => engine.Requests.Count)];
        var spec = Answer.Spec(s_prompt, Tokens, generation => generation with { MinNewTokens = minNewTokens }) with { Resumed = former, StopStrings = stop is null ? [] : [stop], CrossCheck = isChecked };
        await using var sequence = await grid.Sequences().StartAsync(spec, default);
        foreach (var engine in grid.Engines)
        {
            engine.Allow(Tokens);
        }

        var answer = await Answer.ReadAsync(sequence);
        return (answer, [.. grid.Engines.Zip(before).SelectMany(pair => pair.First.Requests.Skip(pair.Second))]);
    }
}
