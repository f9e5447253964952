using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Grid.Grains.Messages;
using Grid.Grains.Placement;
using Grid.Grains.Tests.Support;
using Grid.Numerics;
using Grid.Sequences;
using Grid.Sequences.Routing;
using Microsoft.Extensions.Time.Testing;

namespace Grid.Grains.Tests.Routing;

/// <summary>A gateway and a worker whose calls fail or are not answered.</summary>
public sealed class WorkerLinkTests
{
    private static readonly ChannelWriter<SequenceEvent> s_inbox = Channel.CreateUnbounded<SequenceEvent>().Writer;

    public static TheoryData<Exception> Failures { get; } = new()
    {
        new NamedSiloUnavailableException("The silo has gone."),
        new InvalidOperationException("An earlier step failed."),
        new TimeoutException("No answer."),
        new OrleansException("Rejected."),
    };

    [Theory]
    [MemberData(nameof(Failures), DisableDiscoveryEnumeration = true)]
    public async Task A_submission_that_fails_is_lost_and_what_it_may_have_begun_is_cancelled(Exception failure)
    {
        var grain = new FakeWorkerGrain { OnSubmit = _ => Task.FromException<Refusal?>(failure) };
        var (_, worker) = grain.Connect(new FakeTimeProvider());
        var reply = await worker.SubmitAsync(Request(), s_inbox);
        Assert.Equal(RefusalKind.Unavailable, reply?.Kind);
        Assert.Contains(failure.Message, reply!.Rule, StringComparison.Ordinal);
        Assert.Equal([Request().Attempt], grain.Cancelled);
        Assert.Equal(0, worker.Demultiplexer.Count);
    }

    [Fact]
    public async Task A_submission_that_is_not_answered_in_time_is_lost_and_cancelled_once_it_was_taken()
    {
        var time = new FakeTimeProvider();
        var answer = new TaskCompletionSource<Refusal?>();
        var grain = new FakeWorkerGrain { OnSubmit = _ => answer.Task };
        var (_, worker) = grain.Connect(time);
        var reply = worker.SubmitAsync(Request(), s_inbox);
        time.Advance(new SequencesOptions().SubmitTimeout - TimeSpan.FromMilliseconds(1));
        Assert.False(reply.IsCompleted);
        time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(RefusalKind.Unavailable, (await reply.WaitAsync(TestGrid.Patience))?.Kind);
        Assert.Empty(grain.Cancelled);
        answer.SetResult(null);
        using var patience = new CancellationTokenSource(TestGrid.Patience);
        while (grain.Cancelled.Count == 0)
        {
            await Task.Delay(1, patience.Token);
        }
    }

    [Fact]
    public async Task A_link_whose_set_up_is_not_answered_is_set_up_anew()
    {
        var options = new SequencesOptions { ReconnectDelay = TimeSpan.Zero };
        var grain = new FakeWorkerGrain { OnStatus = () => new TaskCompletionSource<WorkerStatus>().Task };
        var (link, _) = grain.Connect(TimeProvider.System, options);
        using var stop = new CancellationTokenSource();
        var running = link.RunAsync(stop.Token);
        Assert.Equal(1, grain.StatusCalls);
        for (int tick = 0; tick < 5 * SequencesOptions.SilenceTicks; tick++)
        {
            link.CheckSilence();
        }

        Assert.Equal(1, grain.StatusCalls); // A few silences are a busy silo's.
        link.CheckSilence();
        using var patience = new CancellationTokenSource(TestGrid.Patience);
        while (grain.StatusCalls == 1)
        {
            await Task.Delay(1, patience.Token);
        }

        await stop.CancelAsync();
        await running;
    }

    /// <summary>The silence of a heartbeat and a half, and then of the whole: by then it is given up anyway.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_silent_worker_is_looked_for_and_given_up_at_once_when_its_process_has_ended(bool gone)
    {
        var grain = new FakeWorkerGrain { OnBatches = token => LiveAsync(Task.Delay(Timeout.Infinite, token), new(), token) };
        grain.Probe.OnAsked = () => Task.FromResult(gone);
        var (link, _) = grain.Connect(TimeProvider.System);
        using var stop = new CancellationTokenSource();
        var running = link.RunAsync(stop.Token);
        var live = await LiveAsync(link);
        Tick(link, SequencesOptions.ProbeTicks - 1);
        Assert.Equal(0, grain.Probe.Asked);
        Tick(link, 1);
        Assert.Equal(1, grain.Probe.Asked);
        Assert.Equal(!gone, live.IsOpen);
        Tick(link, SequencesOptions.SilenceTicks - SequencesOptions.ProbeTicks);
        Assert.Equal((gone ? 1 : 2, !gone), (grain.Probe.Asked, live.IsOpen));
        Tick(link, 1);
        Assert.False(live.IsOpen);
        await stop.CancelAsync();
        await running;
    }

    [Fact]
    public async Task A_worker_that_is_heard_again_is_not_given_up_for_what_was_found_before()
    {
        var (again, heard, found) = (new TaskCompletionSource(), new TaskCompletionSource(), new TaskCompletionSource<bool>());
        var grain = new FakeWorkerGrain { OnBatches = token => LiveAsync(again.Task, heard, token) };
        grain.Probe.OnAsked = () => found.Task;
        var (link, _) = grain.Connect(TimeProvider.System);
        using var stop = new CancellationTokenSource();
        var running = link.RunAsync(stop.Token);
        var live = await LiveAsync(link);
        Tick(link, SequencesOptions.ProbeTicks);
        Assert.Equal(1, grain.Probe.Asked);
        again.SetResult();
        await heard.Task.WaitAsync(TestGrid.Patience);
        found.SetResult(true);
        Assert.True(live.IsOpen);
        await stop.CancelAsync();
        await running;
    }

    /// <summary>A step stream of two heartbeats.</summary>
    private static async IAsyncEnumerable<StepBatch> LiveAsync(
        Task again, TaskCompletionSource heard, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        yield return new StepBatch { Number = 0, Load = default };
        await again;
        yield return new StepBatch { Number = 1, Load = default };
        heard.SetResult(); // Asked for the next one: this one was taken.
        await Task.Delay(Timeout.Infinite, cancellationToken);
    }

    private static async Task<LiveWorker> LiveAsync(WorkerLink link)
    {
        using var patience = new CancellationTokenSource(TestGrid.Patience);
        while (link.Live is null)
        {
            await Task.Delay(1, patience.Token);
        }

        return link.Live;
    }

    private static void Tick(WorkerLink link, int times)
    {
        for (int i = 0; i < times; i++)
        {
            link.CheckSilence();
        }
    }

    private static SubmitRequest Request() => new()
    {
        Attempt = new AttemptId(Guid.Empty, 3),
        Gateway = new GatewayId("gateway"),
        NumericsId = TestModel.NumericsId,
        PromptIds = [1],
        Generation = new GenerationParameters { MaxNewTokens = 5 },
    };
}
