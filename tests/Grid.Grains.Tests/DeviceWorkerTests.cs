using System.Net;
using System.Runtime.CompilerServices;
using Grid.Engine;
using Grid.Grains.Messages;
using Grid.Grains.Tests.Support;
using Grid.Numerics;
using Grid.Workers;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Grid.Grains.Tests;

public sealed class DeviceWorkerTests
{
    private static readonly GatewayId s_gateway = GatewayId.Of(SiloAddress.New(IPAddress.Loopback, 1, 1));
    private static readonly GatewayId s_other = GatewayId.Of(SiloAddress.New(IPAddress.Loopback, 2, 1));

    [Fact]
    public async Task One_step_is_one_batch_with_each_sequences_tokens_together()
    {
        using var engine = new ScriptedEngine { HeldBack = true };
        using var worker = Start(engine, new FakeTimeProvider());
        using var stream = worker.Subscribe(s_gateway);
        await using var batches = stream.ReadAllAsync(default).GetAsyncEnumerator();
        Assert.Empty((await Next(batches)).Sequences); // The greeting.

        Assert.Null(worker.Submit(Request([1, 2, 3], scored: true)));
        Assert.Null(worker.Submit(Request([4, 5], scored: true)));
        engine.Allow(1);
        var batch = await Next(batches);
        Assert.Equal(1, batch.Number);
        Assert.Equal(2, batch.Sequences.Length);
        foreach (var (step, prompt) in batch.Sequences.Zip<SequenceStep, int[]>([[1, 2, 3], [4, 5]]))
        {
            Assert.True(step.Started);
            Assert.Equal((prompt.Length, 1, 0), (step.PromptTokenCount, step.OutputTokenCount, step.OutputFirstIndex));
            Assert.Equal([.. prompt, ScriptedEngine.TokenAt(prompt, 0)], batch.Tokens[step.FirstToken..(step.FirstToken + prompt.Length + 1)].Select(token => token.TokenId));
            Assert.Equal(2, batch.Tokens[step.FirstToken + prompt.Length].AlternativeCount);
            Assert.Equal(ScriptedEngine.TokenAt(prompt, 0), batch.Alternatives[step.FirstAlternative].TokenId);
        }
    }

    [Fact]
    public async Task Publishing_a_step_allocates_its_batch_and_nothing_else()
    {
        const int Sequences = 32, Steps = 200;
        using var scripted = new ScriptedEngine();
        var engine = new MeasuredEngine(scripted);
        using var worker = Create(engine, new FakeTimeProvider());
        using var stream = worker.Subscribe(s_gateway);
        for (int i = 0; i < Sequences; i++)
        {
            Assert.Null(worker.Submit(Request([i], Steps)));
        }

        worker.Start();
        await UntilAsync(() => worker.OpenAttempts == 0);
        worker.Stop();

        // The middle one: now and then a list grows, or the runtime makes a method anew.
        long bytes = engine.BytesBetweenSteps.Order().ElementAt(Steps / 2);
        long batch = Sequences * (Unsafe.SizeOf<SequenceStep>() + Unsafe.SizeOf<StepToken>());
        Assert.InRange(bytes, batch, batch + 1000);
    }

    [Fact]
    public async Task An_idle_stream_carries_heartbeats_with_the_load()
    {
        var time = new FakeTimeProvider();
        using var engine = new ScriptedEngine();
        using var worker = Start(engine, time);
        using var stream = worker.Subscribe(s_gateway);
        await using var batches = stream.ReadAllAsync(default).GetAsyncEnumerator();
        await Next(batches);
        for (int beat = 1; beat <= 3; beat++)
        {
            time.Advance(TimeSpan.FromMilliseconds(250));
            var batch = await Next(batches);
            Assert.Equal((beat, 10), (batch.Number, batch.Load.TotalPages));
            Assert.Empty(batch.Sequences);
        }
    }

    [Fact]
    public async Task A_stream_that_nobody_reads_is_ended_after_the_grace_time_and_its_sequences_are_cancelled()
    {
        var time = new FakeTimeProvider();
        using var engine = new ScriptedEngine { HeldBack = true };
        using var worker = Start(engine, time);
        using var stream = worker.Subscribe(s_gateway);
        using var other = worker.Subscribe(s_other);
        Assert.Null(worker.Submit(Request([1], 1_000_000)));
        await using var read = other.ReadAllAsync(default).GetAsyncEnumerator();
        for (int beat = 0; beat < 44; beat++)
        {
            time.Advance(TimeSpan.FromMilliseconds(250));
            await Next(read);
        }

        Assert.True(stream.Ended);
        Assert.False(other.Ended);
        await Drained(worker);
        Assert.Equal(0, worker.OpenAttempts);
        Assert.Equal(RefusalKind.Unavailable, worker.Submit(Request([1]))?.Kind);
    }

    /// <summary>Its clients are at other gateways at once, and may not wait behind what still runs for them here.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_gateway_that_reads_nothing_is_looked_for_and_its_sequences_end_when_its_process_has_ended(bool gone)
    {
        var time = new FakeTimeProvider();
        var probe = new FakeSiloProbe { OnAsked = () => Task.FromResult(gone) };
        using var engine = new ScriptedEngine { HeldBack = true }; // A device's thread that reads the clock would take over its timers.
        using var worker = Start(engine, time, probe);
        using var stream = worker.Subscribe(s_gateway);
        using var other = worker.Subscribe(s_other);
        Assert.Null(worker.Submit(Request([1], 1_000_000)));
        await using var read = other.ReadAllAsync(default).GetAsyncEnumerator();
        for (int beat = 0; beat < 3; beat++)
        {
            Assert.Equal((0, false), (probe.Asked, stream.Ended));
            await Next(read);
            time.Advance(TimeSpan.FromMilliseconds(250));
        }

        Assert.Equal((1, s_gateway.Address), (probe.Asked, probe.Silo));
        Assert.Equal((gone, false), (stream.Ended, other.Ended));
        if (gone)
        {
            await UntilAsync(() => worker.OpenAttempts == 0);
        }

        Assert.Equal(gone ? 0 : 1, worker.OpenAttempts);
    }

    [Fact]
    public async Task A_gateway_that_reads_again_is_not_given_up_for_what_was_found_before()
    {
        var time = new FakeTimeProvider();
        var found = new TaskCompletionSource<bool>();
        using var engine = new ScriptedEngine();
        using var worker = Start(engine, time, new FakeSiloProbe { OnAsked = () => found.Task });
        using var stream = worker.Subscribe(s_gateway);
        time.Advance(TimeSpan.FromMilliseconds(750));
        await using var read = stream.ReadAllAsync(default).GetAsyncEnumerator();
        await Next(read);
        found.SetResult(true);
        Assert.False(stream.Ended);
    }

    [Fact]
    public async Task A_gateway_that_subscribes_again_starts_afresh()
    {
        using var engine = new ScriptedEngine();
        using var worker = Start(engine, new FakeTimeProvider());
        using var first = worker.Subscribe(s_gateway);
        Assert.Null(worker.Submit(Request([1], 1_000_000)));
        using var second = worker.Subscribe(s_gateway);
        Assert.True(first.Ended);
        first.Dispose(); // Late, as an abandoned enumerator's end is: the new stream must not suffer.
        Assert.False(second.Ended);
        Assert.Null(worker.Submit(Request([2], 3)));
        int ended = 0;
        await foreach (var batch in second.ReadAllAsync(default))
        {
            ended += batch.Sequences.Count(step => step.Finish == StepFinish.Length);
            if (ended == 1)
            {
                break;
            }
        }

        await Drained(worker);
        Assert.Equal(0, worker.OpenAttempts);
    }

    [Fact]
    public void A_submission_is_refused_with_kind_field_value_and_rule()
    {
        using var held = new ScriptedEngine { HeldBack = true, MaxWaiting = 1 };
        using var worker = Start(held, new FakeTimeProvider());
        Assert.Equal(RefusalKind.Unavailable, worker.Submit(Request([1]))?.Kind); // No stream yet.
        using var stream = worker.Subscribe(s_gateway);
        Assert.Equal(RefusalKind.WeightsChanged, worker.Submit(Request([1]) with { NumericsId = "other" })?.Kind);
        var invalid = worker.Submit(Request([1], 0));
        Assert.Equal((RefusalKind.Invalid, "MaxNewTokens", "MaxNewTokens is 0; it must be at least 1."), (invalid?.Kind, invalid?.Field, invalid?.ToString()));
        var request = Request([1]);
        Assert.Null(worker.Submit(request));
        Assert.Equal((RefusalKind.Invalid, "Attempt"), (worker.Submit(request)?.Kind, worker.Submit(request)?.Field));
        Assert.Equal(RefusalKind.Overloaded, worker.Submit(Request([1]))?.Kind);
        Assert.Equal(1, worker.OpenAttempts);
    }

    [Fact]
    public async Task A_device_that_fails_ends_its_streams_and_takes_nothing_more()
    {
        using var engine = new ScriptedEngine { FailAtStep = 2 };
        var failed = new TaskCompletionSource<Exception>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var worker = Create(engine, new FakeTimeProvider());
        worker.Failed += failed.SetResult;
        worker.Start();
        using var stream = worker.Subscribe(s_gateway);
        worker.Submit(Request([1], 100));
        var error = await failed.Task.WaitAsync(TestGrid.Patience);
        Assert.Equal("The scripted device broke.", error.Message);
        var thrown = await Assert.ThrowsAsync<InvalidOperationException>(async () =>
        {
            await foreach (var _ in stream.ReadAllAsync(default))
            {
            }
        });
        Assert.Same(error, thrown);
        Assert.Contains("broke", worker.Submit(Request([1]))!.Rule, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_drain_that_takes_too_long_ends_the_streams_without_a_last_word()
    {
        using var engine = new ScriptedEngine { HeldBack = true };
        using var worker = new DeviceWorker(
            TestModel.Worker(), engine, new WorkerOptions(), new FakeSiloProbe(), new FakeTimeProvider(),
            NullLogger<DeviceWorker>.Instance);
        worker.Start();
        using var stream = worker.Subscribe(s_gateway);
        Assert.Null(worker.Submit(Request([1])));
        await worker.DrainAsync(new CancellationToken(canceled: true));
        Assert.Equal(0, worker.OpenAttempts);
        await foreach (var batch in stream.ReadAllAsync(default))
        {
            Assert.Empty(batch.Sequences); // "Cancelled" would end the sequence at its client.
        }
    }

    [Fact]
    public async Task A_second_drain_of_a_worker_that_has_stopped_returns_at_once()
    {
        using var engine = new ScriptedEngine { HeldBack = true };
        var worker = Start(engine, new FakeTimeProvider());
        using var stream = worker.Subscribe(s_gateway);
        Assert.Null(worker.Submit(Request([1])));
        worker.Stop();
        Assert.True(worker.HasStopped);
        Assert.Equal(1, worker.OpenAttempts); // Nobody is left to end it.
        await worker.DrainAsync(default).WaitAsync(TimeSpan.FromSeconds(10));
        worker.Dispose();
    }

    [Fact]
    public async Task An_output_can_be_found_while_it_grows_and_for_a_while_after_it_was_left()
    {
        var time = new FakeTimeProvider();
        using var engine = new ScriptedEngine { HeldBack = true };
        using var worker = Start(engine, time);
        using var stream = worker.Subscribe(s_gateway);
        await using var batches = stream.ReadAllAsync(default).GetAsyncEnumerator();
        var name = Guid.NewGuid();
        var request = Request([1, 2]) with { Name = name };
        worker.Submit(request);
        await StepAsync(20);
        int[] expected = [.. Enumerable.Range(0, 20).Select(index => ScriptedEngine.TokenAt([1, 2], index))];
        Assert.Equal(expected, worker.FindOutput(name, 100));
        Assert.Equal(expected[..7], worker.FindOutput(name, 7));
        Assert.Empty(worker.FindOutput(Guid.NewGuid(), 7));

        worker.Cancel(request.Attempt);
        await UntilAsync(() => worker.OpenAttempts == 0);
        Assert.Equal(expected, worker.FindOutput(name, 100));

        // Another gateway takes it up with less than all, and is left as well: the longest counts.
        worker.Submit(Request([1, 2]) with { Name = name, PriorOutputIds = expected[..10] });
        await StepAsync(5);
        Assert.Equal(expected, worker.FindOutput(name, 100));
        await StepAsync(7);
        Assert.Equal([.. expected, ScriptedEngine.TokenAt([1, 2], 20), ScriptedEngine.TokenAt([1, 2], 21)], worker.FindOutput(name, 100));

        time.Advance(TimeSpan.FromSeconds(59));
        Assert.Equal(20, worker.FindOutput(name, 20).Length);
        await UntilAsync(() => worker.OpenAttempts == 0); // Nobody has read its stream for so long.
        time.Advance(TimeSpan.FromSeconds(61));
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Empty(worker.FindOutput(name, 100));

        async Task StepAsync(int steps)
        {
            engine.Allow(steps);
            for (int tokens = 0; tokens < steps;)
            {
                tokens += (await Next(batches)).Sequences.Sum(step => step.OutputTokenCount);
            }
        }
    }

    [Fact]
    public async Task An_output_is_found_without_the_token_that_ended_it()
    {
        using var engine = new ScriptedEngine();
        using var worker = Start(engine, new FakeTimeProvider());
        using var stream = worker.Subscribe(s_gateway);
        var (stopped, whole) = (Guid.NewGuid(), Guid.NewGuid());
        var request = Request([1], 30);
        int[] output = [.. Enumerable.Range(0, 30).Select(index => ScriptedEngine.TokenAt([1], index))];
        worker.Submit(request with { Name = whole });
        worker.Submit(request with { Attempt = new AttemptId(Guid.NewGuid(), 0), Name = stopped, Generation = request.Generation with { StopTokenIds = [output[12]] } });
        await UntilAsync(() => worker.OpenAttempts == 0);
        Assert.Equal(output[..29], worker.FindOutput(whole, 100));
        Assert.Equal(output[..Array.IndexOf(output, output[12])], worker.FindOutput(stopped, 100));
    }

    [Fact]
    public void What_was_refused_leaves_no_output()
    {
        using var engine = new ScriptedEngine { HeldBack = true, MaxWaiting = 1 };
        using var worker = Start(engine, new FakeTimeProvider());
        using var stream = worker.Subscribe(s_gateway);
        var name = Guid.NewGuid();
        var request = Request([1]) with { Name = name };
        Assert.Null(worker.Submit(request));
        Assert.Equal(RefusalKind.Invalid, worker.Submit(request with { PriorOutputIds = [97, 98] })?.Kind); // The attempt runs already.
        Assert.Equal(RefusalKind.Overloaded, worker.Submit(Request([1]) with { Name = name, PriorOutputIds = [97] })?.Kind);
        Assert.Empty(worker.FindOutput(name, 100));
    }

    private static async Task UntilAsync(Func<bool> done)
    {
        using var patience = new CancellationTokenSource(TestGrid.Patience);
        while (!done())
        {
            await Task.Delay(5, patience.Token);
        }
    }

    private static DeviceWorker Create(IInferenceEngine engine, TimeProvider time, FakeSiloProbe? probe = null) => new(
        TestModel.Worker(), engine, new WorkerOptions(), probe ?? new(), time, NullLogger<DeviceWorker>.Instance);

    private static DeviceWorker Start(ScriptedEngine engine, TimeProvider time, FakeSiloProbe? probe = null)
    {
        var worker = Create(engine, time, probe);
        worker.Start();
        return worker;
    }

    private static Task Drained(DeviceWorker worker) => worker.DrainAsync(default);

    private static async Task<StepBatch> Next(IAsyncEnumerator<StepBatch> batches)
    {
        Assert.True(await batches.MoveNextAsync().AsTask().WaitAsync(TestGrid.Patience));
        return batches.Current;
    }

    private static SubmitRequest Request(int[] prompt, int maxNewTokens = 50, bool scored = false) => new()
    {
        Attempt = new AttemptId(Guid.NewGuid(), 0),
        Gateway = s_gateway,
        NumericsId = TestModel.NumericsId,
        PromptIds = prompt,
        Generation = new GenerationParameters
        {
            MaxNewTokens = maxNewTokens,
            Logprobs = scored,
            TopLogprobs = scored ? 2 : 0,
            PromptLogprobsFrom = scored ? 0 : null,
        },
    };

    /// <summary>Counts what the device's thread allocates from the end of a step to the next one.</summary>
    private sealed class MeasuredEngine(IInferenceEngine inner) : IInferenceEngine
    {
        private long _before;

        public List<long> BytesBetweenSteps { get; } = new(1000);

        public EngineStatus Status => inner.Status;

        public bool TrySubmit(SequenceRequest request) => inner.TrySubmit(request);

        public void Cancel(SequenceId id) => inner.Cancel(id);

        public void RequestFlush() => inner.RequestFlush();

        public void Pause(bool retract) => inner.Pause(retract);

        public void Continue() => inner.Continue();

        public Task ExchangeWeightsAsync(Action apply) => inner.ExchangeWeightsAsync(apply);

        public void WaitForWork(CancellationToken cancellationToken)
        {
            BytesBetweenSteps.Add(GC.GetAllocatedBytesForCurrentThread() - _before);
            inner.WaitForWork(cancellationToken);
        }

        public IReadOnlyList<EngineEvent> Step()
        {
            var events = inner.Step();
            _before = GC.GetAllocatedBytesForCurrentThread();
            return events;
        }
    }
}
