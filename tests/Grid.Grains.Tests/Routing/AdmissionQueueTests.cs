using Grid.Grains.Messages;
using Grid.Grains.Tests.Support;
using Grid.Numerics;
using Grid.Sequences;
using Grid.Sequences.Routing;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;

namespace Grid.Grains.Tests.Routing;

/// <summary>Sequences that wait at a gateway while the only worker takes one at a time.</summary>
public sealed class AdmissionQueueTests
{
    /// <summary>In which order clients take turns depends on when the gateway hears of ends; the line's own tests have that.</summary>
    [Fact]
    public async Task All_that_wait_are_served_and_each_clients_sequences_keep_their_order()
    {
        await using var grid = await StartAsync();
        await using var running = await grid.Sequences().StartAsync(Spec("a", 0), default);
        var waiting = new List<Task<TestSequence>>();
        foreach (var (client, number) in new[] { ("a", 1), ("a", 2), ("a", 3), ("b", 4), ("b", 5), ("c", 6) })
        {
            waiting.Add(await WaitingAsync(grid, Spec(client, number), default));
        }

        grid.Engines[0].Allow(1_000_000);
        foreach (var started in waiting)
        {
            await using var sequence = await started.WaitAsync(TestGrid.Patience);
            Assert.Equal("length", (await Answer.ReadAsync(sequence)).FinishReason);
        }

        int[] served = [.. grid.Engines[0].Requests.Select(request => request.PromptIds[0])];
        Assert.Equal([0, 1, 2, 3], served.Where(number => number < 4));
        Assert.Equal([4, 5], served.Where(number => number is 4 or 5));
        Assert.Equal(7, served.Length);
    }

    [Fact]
    public async Task A_client_that_hangs_up_leaves_the_line_and_holds_up_nobody()
    {
        await using var grid = await StartAsync();
        await using var running = await grid.Sequences().StartAsync(Spec("a", 0), default);
        using var hangUp = new CancellationTokenSource();
        var gone = await WaitingAsync(grid, Spec("a", 1), hangUp.Token);
        var stays = await WaitingAsync(grid, Spec("a", 2), default);
        await hangUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => gone);
        Assert.Equal(1, Queue(grid).Waiting(TestModel.Name));
        grid.Engines[0].Allow(1_000_000);
        await using var sequence = await stays.WaitAsync(TestGrid.Patience);
        await Answer.ReadAsync(sequence);
        Assert.Equal([0, 2], grid.Engines[0].Requests.Select(request => request.PromptIds[0]));
    }

    [Fact]
    public async Task Past_the_bound_and_past_the_time_a_sequence_is_refused_with_a_time_to_come_back()
    {
        await using var grid = await StartAsync();
        var options = grid.Service<IOptions<SequencesOptions>>(0).Value;
        options.QueueSize = 1;
        options.QueueTimeout = TimeSpan.FromMilliseconds(300);
        await using var running = await grid.Sequences().StartAsync(Spec("a", 0), default);
        var waits = await WaitingAsync(grid, Spec("a", 1), default);
        var tooMany = await Assert.ThrowsAsync<RefusedException>(() => grid.Sequences().StartAsync(Spec("b", 2), default));
        Assert.Equal((RefusalKind.Overloaded, TimeSpan.FromSeconds(1)), (tooMany.Refusal.Kind, tooMany.Refusal.RetryAfter));
        Assert.Contains("1 sequences wait", tooMany.Message, StringComparison.Ordinal);
        var tooLong = await Assert.ThrowsAsync<RefusedException>(() => waits);
        Assert.Equal(RefusalKind.Overloaded, tooLong.Refusal.Kind);
        Assert.NotNull(tooLong.Refusal.RetryAfter);
        Assert.Equal(0, Queue(grid).Waiting(TestModel.Name));
        grid.Engines[0].Allow(1_000_000);
        Assert.Equal("length", (await Answer.ReadAsync(running)).FinishReason);
    }

    [Fact]
    public async Task A_sequence_that_was_accepted_goes_on_at_a_worker_that_is_full()
    {
        await using var grid = await TestGrid.StartAsync(2, i => new ScriptedEngine { HeldBack = true, MaxWaiting = i, FailAtStep = i == 1 ? 3 : null });
        await using var sequence = await grid.Sequences().StartAsync(Spec("a", 7, 40), default);
        Assert.All(grid.Engines, engine => engine.Allow(100));
        var answer = await Answer.ReadAsync(sequence);
        Assert.Equal((Answer.TextOf(Answer.Expected([7], 40)), "length"), (answer.Text, answer.FinishReason));
        Assert.Single(grid.Engines[0].Requests);
    }

    [Fact]
    public void What_a_newcomer_would_wait_is_told_by_the_pace_of_those_before_it()
    {
        var (line, time) = Line();
        for (int i = 0; i < 6; i++)
        {
            line.Add("client", "");
        }

        time.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal(TimeSpan.FromSeconds(3), line.ExpectedWait()); // None has left: as long as the first has waited.
        line.Depart(TakeNext(line));
        time.Advance(TimeSpan.FromSeconds(2));
        line.Depart(TakeNext(line));
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(TimeSpan.FromSeconds(13), line.ExpectedWait()); // Two in 5 s, and four wait.
        time.Advance(TimeSpan.FromSeconds(8));
        Assert.Equal(TimeSpan.FromSeconds(25), line.ExpectedWait()); // Two in 5 s, and then none for 10.
        time.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal(TimeSpan.FromSeconds(315), line.ExpectedWait()); // What was long ago counts no more.
    }

    [Fact]
    public void Time_in_which_nobody_waited_says_nothing_about_the_pace()
    {
        var (line, time) = Line();
        line.Add("client", "");
        line.Depart(TakeNext(line)); // At once.
        time.Advance(TimeSpan.FromSeconds(21));
        line.Add("client", "");
        line.Depart(TakeNext(line));
        for (int i = 0; i < 3; i++)
        {
            line.Add("client", "");
        }

        time.Advance(TimeSpan.FromSeconds(2.6));
        line.Depart(TakeNext(line));
        Assert.Equal(TimeSpan.FromSeconds(8), line.ExpectedWait()); // One in 2.6 s, and two wait.
    }

    [Fact]
    public void A_sequence_that_is_put_back_has_not_left()
    {
        var (line, time) = Line();
        for (int i = 0; i < 4; i++)
        {
            line.Add("client", "");
        }

        time.Advance(TimeSpan.FromSeconds(10));
        line.Depart(TakeNext(line));
        for (int i = 0; i < 20; i++)
        {
            line.PutBack(TakeNext(line));
        }

        Assert.Equal(TimeSpan.FromSeconds(40), line.ExpectedWait()); // One in 10 s, and three wait.
        Assert.Equal(0, line.Entering);
    }

    [Fact]
    public void Whoever_comes_late_to_a_long_line_is_next_and_a_sequence_put_back_keeps_its_place()
    {
        var (line, _) = Line();
        var many = Enumerable.Range(0, 10).Select(_ => line.Add("many", "")).ToArray();
        Assert.Equal(many[..3], [TakeNext(line), TakeNext(line), TakeNext(line)]);
        var (one, other) = (line.Add("one", ""), line.Add("other", ""));
        line.PutBack(many[2]);
        Assert.Equal([one, other], [TakeNext(line), TakeNext(line)]);
        Assert.Equal([many[2], many[3]], [TakeNext(line), TakeNext(line)]);
        line.Remove(many[5]);
        line.Remove(many[5]);
        Assert.Equal([many[4], many[6]], [TakeNext(line), TakeNext(line)]);
        Assert.Equal((3, 8), (line.Count, line.Entering));
    }

    [Fact]
    public void The_client_that_has_least_running_is_next_and_of_equal_ones_the_one_whose_turn_was_longest_ago()
    {
        var (line, _) = Line();
        foreach (string client in (string[])["a", "a", "a", "b", "b", "c"])
        {
            line.Add(client, "");
        }

        var first = TakeNext(line);
        Assert.Equal(["a", "b", "c", "a", "b"], [first.User.Client.Name, Next(), Next(), Next(), Next()]);
        line.Add("b", "");
        line.Add("c", "");
        Assert.Equal("c", Next()); // One is running, and of the others two are.
        line.Remove(first);
        Assert.Equal(["a", "b"], [Next(), Next()]);

        string Next() => TakeNext(line).User.Client.Name;
    }

    [Fact]
    public void Who_has_much_running_waits_for_a_turn_no_longer_than_that_allows_however_many_newcomers_there_are()
    {
        var (line, time) = Line();
        for (int i = 0; i < 8; i++)
        {
            line.Add("many", "");
        }

        for (int i = 0; i < 4; i++)
        {
            TakeNext(line);
        }

        var turns = new List<string>();
        for (int second = 0; second < 14; second++)
        {
            line.Add($"newcomer {second}", "");
            turns.Add(TakeNext(line).User.Client.Name);
            time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal([5, 12], turns.Index().Where(turn => turn.Item == "many").Select(turn => turn.Index)); // Four run, and then five; newcomers wait, too.
    }

    /// <summary>Names that a client gives itself get it nothing that others lose.</summary>
    [Fact]
    public void A_client_with_many_users_has_what_a_client_has_and_its_users_share_that()
    {
        var (line, _) = Line();
        for (int i = 0; i < 6; i++)
        {
            line.Add("one", $"user {i}");
            line.Add("other", "");
            line.Add("other", "late");
        }

        var taken = Enumerable.Range(0, 12).Select(_ => TakeNext(line)).ToArray();
        Assert.Equal(6, taken.Count(place => place.User.Client.Name == "one"));
        Assert.Equal(3, taken.Count(place => place.User.Name == "late"));
        Assert.Equal([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5], taken.Select(place => place.Rank));
    }

    [Fact]
    public void Another_user_of_a_client_that_has_much_running_comes_right_after_the_first_of_it()
    {
        var (line, _) = Line();
        for (int i = 0; i < 6; i++)
        {
            line.Add("one", "many");
            TakeNext(line);
        }

        line.Add("one", "few");
        line.Add("one", "few");
        line.Add("one", "many");
        Assert.Equal([("few", 1), ("few", 3), ("many", 8)], Enumerable.Range(0, 3).Select(_ => TakeNext(line)).Select(place => (place.User.Name, place.Rank)));
    }

    [Fact]
    public async Task A_client_that_fills_the_line_leaves_half_of_what_is_left_to_others()
    {
        await using var grid = await StartAsync();
        grid.Service<IOptions<SequencesOptions>>(0).Value.QueueSize = 6;
        await using var running = await grid.Sequences().StartAsync(Spec("a", 0), default);
        var waiting = new List<Task<TestSequence>>();
        foreach (var (client, user, number) in new[] { ("a", "x", 1), ("a", "y", 2), ("a", "z", 3), ("b", "", 4), ("b", "", 5) })
        {
            waiting.Add(await WaitingAsync(grid, Spec(client, number) with { User = user }, default));
        }

        foreach (string client in (string[])["a", "b"])
        {
            var refused = await Assert.ThrowsAsync<RefusedException>(() => grid.Sequences().StartAsync(Spec(client, 9) with { User = "new" }, default));
            Assert.Equal(RefusalKind.Overloaded, refused.Refusal.Kind);
            Assert.Contains($"5 sequences wait for one already, {(client == "a" ? 3 : 2)} of this client", refused.Message, StringComparison.Ordinal);
        }

        waiting.Add(await WaitingAsync(grid, Spec("c", 6), default));
        grid.Engines[0].Allow(1_000_000);
        foreach (var started in waiting)
        {
            await using var sequence = await started.WaitAsync(TestGrid.Patience);
            await Answer.ReadAsync(sequence);
        }
    }

    [Fact]
    public async Task A_request_has_places_for_all_its_sequences_or_for_none_and_others_have_theirs_beside_them()
    {
        await using var grid = await StartAsync();
        grid.Service<IOptions<SequencesOptions>>(0).Value.QueueSize = 6;
        var service = grid.Sequences();
        var queue = Queue(grid);
        await using var running = await service.StartAsync(Spec("a", 0), default);
        var none = await Assert.ThrowsAsync<RefusedException>(() => Task.FromResult(Reserve("a", 4)));
        Assert.Equal(RefusalKind.Overloaded, none.Refusal.Kind);
        Assert.Contains("The request has 4 sequences, and 4 of them would wait", none.Message, StringComparison.Ordinal);
        var places = Reserve("a", 3);
        Assert.Throws<RefusedException>(() => Reserve("b", 3));
        await Assert.ThrowsAsync<RefusedException>(() => service.StartAsync(Spec("a", 9), default));
        var other = await WaitingAsync(grid, Spec("b", 4), default);
        var mine = new List<IRunningSequence>();
        for (int i = 1; i <= 2; i++)
        {
            mine.Add(await grid.Service<ISequenceService>(0).StartAsync(Spec("a", i) with { Follows = true }, (_, _) => { }, default, reserved: places));
        }

        Assert.Equal(3, queue.Waiting(TestModel.Name));
        places.Dispose();
        places.Dispose();
        Reserve("b", 1).Dispose();
        using (var rest = Reserve("c", 2))
        {
            Assert.Throws<RefusedException>(() => Reserve("c", 1));
        }

        Reserve("c", 2).Dispose();
        foreach (var sequence in mine)
        {
            await sequence.DisposeAsync();
        }

        grid.Engines[0].Allow(1_000_000);
        await using var last = await other.WaitAsync(TestGrid.Patience);
        await Answer.ReadAsync(last);

        IReservedPlaces Reserve(string client, int sequences) => queue.Reserve(Spec(client, 0) with { NumericsId = TestModel.NumericsId }, sequences);
    }

    [Fact]
    public async Task A_client_that_has_less_than_others_is_let_in_where_it_takes_the_place_of_one_of_theirs()
    {
        await using var grid = await TestGrid.StartAsync(1, _ => new ScriptedEngine { HeldBack = true, MaxWaiting = 2, Displaces = true });
        await using var one = await grid.Sequences().StartAsync(Spec("a", 1), default);
        await using var two = await grid.Sequences().StartAsync(Spec("a", 2), default);
        var waiting = await WaitingAsync(grid, Spec("a", 3), default);
        await using var other = await grid.Sequences().StartAsync(Spec("b", 4), default);
        Assert.Equal([(1, 0), (2, 1), (4, 0)], grid.Engines[0].Requests.Select(request => (request.PromptIds[0], request.Rank)));
        var also = await WaitingAsync(grid, Spec("b", 5), default); // Both have as much, or one more.
        grid.Engines[0].Allow(1_000_000);
        foreach (var started in new[] { waiting, also })
        {
            await using var sequence = await started.WaitAsync(TestGrid.Patience);
            await Answer.ReadAsync(sequence);
        }
    }

    [Fact]
    public async Task Of_a_request_s_sequences_the_first_waits_to_begin_and_those_that_follow_begin_in_the_line_and_wait_as_long_as_it_takes()
    {
        await using var grid = await StartAsync();
        grid.Service<IOptions<SequencesOptions>>(0).Value.QueueTimeout = TimeSpan.FromMilliseconds(100);
        await using var first = await grid.Sequences().StartAsync(Spec("a", 0), default);
        await using var follows = await grid.Sequences().StartAsync(Spec("a", 1) with { Follows = true }, default);
        Assert.Equal([1], follows.PromptIds);
        await Assert.ThrowsAsync<RefusedException>(() => grid.Sequences().StartAsync(Spec("b", 2), default)); // In that time the other would have been refused.
        Assert.Equal(1, Queue(grid).Waiting(TestModel.Name));
        grid.Engines[0].Allow(1_000_000);
        Assert.Equal("length", (await Answer.ReadAsync(follows)).FinishReason);
    }

    private static AdmissionPlace TakeNext(ModelLine line)
    {
        var next = line.Next!;
        line.LetIn(next);
        return next;
    }

    private static (ModelLine Line, FakeTimeProvider Time) Line()
    {
        var time = new FakeTimeProvider();
        return (new ModelLine(time, TimeSpan.FromSeconds(1)), time);
    }

    private static async Task<TestGrid> StartAsync()
    {
        var grid = await TestGrid.StartAsync(1, _ => new ScriptedEngine { HeldBack = true, MaxWaiting = 1 });
        grid.Service<IOptions<SequencesOptions>>(0).Value.QueueAgeing = TimeSpan.FromHours(1); // A slow machine changes no order.
        return grid;
    }

    private static SequenceSpec Spec(string client, int number, int tokens = 3) => Answer.Spec([number], tokens) with { Client = client };

    private static AdmissionQueue Queue(TestGrid grid) => grid.Service<AdmissionQueue>(0);

    /// <summary>Starts a sequence that has to wait, once it does.</summary>
    private static async Task<Task<TestSequence>> WaitingAsync(TestGrid grid, SequenceSpec spec, CancellationToken cancellationToken)
    {
        int before = Queue(grid).Waiting(TestModel.Name);
        var started = grid.Sequences().StartAsync(spec, cancellationToken);
        using var patience = new CancellationTokenSource(TestGrid.Patience);
        while (Queue(grid).Waiting(TestModel.Name) == before)
        {
            Assert.False(started.IsCompleted, "It did not have to wait.");
            await Task.Delay(1, patience.Token);
        }

        return started;
    }
}
