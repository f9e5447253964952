using System.Threading.Channels;
using Grid.Grains.Messages;
using Grid.Sequences.Routing;

namespace Grid.Grains.Tests;

public sealed class StepDemultiplexerTests
{
    [Fact]
    public void What_a_lost_worker_says_later_reaches_nobody()
    {
        var sequence = Guid.NewGuid();
        var old = new AttemptId(sequence, 0);
        var inbox = Channel.CreateUnbounded<SequenceEvent>();
        var worker = new StepDemultiplexer();
        worker.Add(old, inbox.Writer);
        worker.LoseAll();
        worker.Dispatch(Batch(old));
        Assert.True(inbox.Reader.TryRead(out var news));
        Assert.Equal(SequenceEvent.WorkerLost(old), news);
        Assert.False(inbox.Reader.TryRead(out _));
        Assert.Equal(0, worker.Count);
    }

    [Fact]
    public void Epochs_of_one_sequence_are_told_apart()
    {
        var sequence = Guid.NewGuid();
        var inbox = Channel.CreateUnbounded<SequenceEvent>();
        var worker = new StepDemultiplexer();
        worker.Add(new AttemptId(sequence, 1), inbox.Writer);
        worker.Dispatch(Batch(new AttemptId(sequence, 0)));
        Assert.False(inbox.Reader.TryRead(out _));
        worker.Dispatch(Batch(new AttemptId(sequence, 1)));
        Assert.True(inbox.Reader.TryRead(out var step));
        Assert.Equal(1, step.Attempt.Epoch);
    }

    private static StepBatch Batch(AttemptId attempt) => new()
    {
        Number = 0,
        Load = default,
        Sequences = [new SequenceStep { Attempt = attempt, OutputTokenCount = 1 }],
        Tokens = [new StepToken(7, 0, 0)],
    };
}
