using System.Threading.Channels;
using Grid.Grains.Messages;
using Grid.Grains.Placement;
using Grid.Grains.Tests.Support;
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
        var grain = new FakeWorkerGrain { OnSubmit = _ => Task.FromException<SubmitReply>(failure) };
        var (_, worker) = grain.Connect(new FakeTimeProvider());
        var reply = await worker.SubmitAsync(Request(), s_inbox);
        Assert.Equal(RefusalKind.Unavailable, reply.Refusal);
        Assert.Contains(failure.Message, reply.Message, StringComparison.Ordinal);
        Assert.Equal([Request().Attempt], grain.Cancelled);
        Assert.Equal(0, worker.Demultiplexer.Count);
    }

    [Fact]
    public async Task A_submission_that_is_not_answered_in_time_is_lost_and_cancelled_once_it_was_taken()
    {
        var time = new FakeTimeProvider();
        var answer = new TaskCompletionSource<SubmitReply>();
        var grain = new FakeWorkerGrain { OnSubmit = _ => answer.Task };
        var (_, worker) = grain.Connect(time);
        var reply = worker.SubmitAsync(Request(), s_inbox);
        time.Advance(new SequencesOptions().SubmitTimeout - TimeSpan.FromMilliseconds(1));
        Assert.False(reply.IsCompleted);
        time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(RefusalKind.Unavailable, (await reply.WaitAsync(TestGrid.Patience)).Refusal);
        Assert.Empty(grain.Cancelled);
        answer.SetResult(SubmitReply.Accepted);
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

    private static SubmitRequest Request() => new()
    {
        Attempt = new AttemptId(Guid.Empty, 3),
        Gateway = new GatewayId("gateway"),
        NumericsId = TestModel.NumericsId,
        PromptIds = [1],
        Generation = new GenerationParameters { MaxNewTokens = 5 },
    };
}
