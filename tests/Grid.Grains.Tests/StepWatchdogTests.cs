using Grid.Grains.Messages;
using Grid.Grains.Tests.Support;
using Grid.Numerics;
using Grid.Workers;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Grid.Grains.Tests;

/// <summary>A device whose step does not end, in a process that goes on.</summary>
public sealed class StepWatchdogTests
{
    private static readonly GatewayId s_gateway = new("gateway");
    private static readonly TimeSpan s_beat = new WorkerOptions().HeartbeatInterval;

    [Fact]
    public async Task A_step_that_does_not_end_makes_the_worker_stuck_until_it_ends_after_all()
    {
        var time = new FakeTimeProvider();
        using var engine = new ScriptedEngine();
        using var worker = Start(engine, time);
        using var stream = worker.Subscribe(s_gateway);
        engine.Moving.Reset();
        Assert.Null(worker.Submit(Request()));
        await UntilAsync(() => Beat(time) && worker.State == WorkerState.Stuck); // The limit is four beats.
        Assert.True(stream.Ended);
        Assert.Contains("hangs", worker.Submit(Request())!.Rule, StringComparison.Ordinal);

        // A gateway that comes back sees it, and sees when it is over; what had run is cancelled.
        using var again = worker.Subscribe(s_gateway);
        await using var batches = again.ReadAllAsync(default).GetAsyncEnumerator();
        Assert.True(await batches.MoveNextAsync());
        Assert.Equal(WorkerState.Stuck, batches.Current.Load.State);
        engine.Moving.Set();
        while (batches.Current.Load.State == WorkerState.Stuck)
        {
            Beat(time);
            Assert.True(await batches.MoveNextAsync().AsTask().WaitAsync(TestGrid.Patience));
        }

        Assert.Null(worker.Submit(Request()));
        await worker.DrainAsync(default);
        Assert.Equal(0, worker.OpenAttempts);
    }

    [Fact]
    public async Task Many_short_steps_are_not_taken_for_a_long_one_nor_is_a_device_without_work()
    {
        var time = new FakeTimeProvider();
        using var engine = new ScriptedEngine { HeldBack = true };
        using var worker = Start(engine, time);
        using var stream = worker.Subscribe(s_gateway);
        for (int i = 0; i < 20; i++)
        {
            Beat(time); // Nothing to do.
            Assert.NotEqual(WorkerState.Stuck, worker.State);
        }

        Assert.Null(worker.Submit(Request()));
        for (int step = 1; step <= 20; step++)
        {
            engine.Allow(1);
            await UntilAsync(() => engine.Status.GeneratedTokens >= step);
            Beat(time);
            Assert.NotEqual(WorkerState.Stuck, worker.State);
        }
    }

    [Fact]
    public async Task A_worker_whose_device_hangs_can_be_stopped()
    {
        var time = new FakeTimeProvider();
        using var engine = new ScriptedEngine();
        var worker = Start(engine, time);
        using var stream = worker.Subscribe(s_gateway);
        engine.Moving.Reset();
        worker.Submit(Request());
        await UntilAsync(() => Beat(time) && worker.State == WorkerState.Stuck);
        await worker.DrainAsync(default); // Would wait for ever: time stands still.
        worker.Stop();
        Assert.False(worker.HasStopped);
        engine.Moving.Set();
        await UntilAsync(() => worker.HasStopped);
        worker.Dispose();
    }

    private static bool Beat(FakeTimeProvider time)
    {
        time.Advance(s_beat);
        return true;
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        using var patience = new CancellationTokenSource(TestGrid.Patience);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        while (!holds())
        {
            await timer.WaitForNextTickAsync(patience.Token);
        }
    }

    private static DeviceWorker Start(ScriptedEngine engine, TimeProvider time)
    {
        var worker = new DeviceWorker(
            TestModel.Worker(), engine, new WorkerOptions { StepLimit = 4 * s_beat, SubscriberGrace = TimeSpan.FromDays(1) }, new FakeSiloProbe(), time,
            NullLogger<DeviceWorker>.Instance);
        worker.Start();
        return worker;
    }

    private static SubmitRequest Request() => new()
    {
        Attempt = new AttemptId(Guid.NewGuid(), 0),
        Gateway = s_gateway,
        NumericsId = TestModel.NumericsId,
        PromptIds = [1, 2],
        Generation = new GenerationParameters { MaxNewTokens = 50 },
    };
}
