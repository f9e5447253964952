using System.Threading.Channels;
using Grid.Grains.Messages;
using Grid.Numerics;

namespace Grid.Sequences;

/// <summary>
/// A sequence's stream of updates; its grain, on the same silo, writes here. Updates pass through memory and never
/// wait for the reader: what a slow reader has not taken yet is bounded by the sequence's max_new_tokens.
/// </summary>
/// <param name="id">The sequence.</param>
/// <param name="closed">Called once, when its reader leaves.</param>
internal sealed class RunningSequence(Guid id, Action<RunningSequence> closed) : IRunningSequence
{
    private static readonly TimeSpan s_lastCalls = TimeSpan.FromSeconds(1);

    private readonly Channel<SequenceUpdate> _updates =
        Channel.CreateUnbounded<SequenceUpdate>(new() { SingleReader = true, SingleWriter = true });

    private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _left = new();
    private int _disposed;

    public Guid Id => id;

    public IReadOnlyList<int> PromptIds { get; private set; } = [];

    public int CachedTokens { get; set; }

    public int MaxNewTokens { get; private set; }

    /// <summary>Ends when a worker has taken it, or one that follows has its place in the line; fails with <see cref="RefusedException"/>.</summary>
    public Task Begun => _begun.Task;

    /// <summary>Cancelled when nobody wants it any more.</summary>
    public CancellationToken Left => _left.Token;

    /// <summary>The updates, for the one who reads them.</summary>
    public ChannelReader<SequenceUpdate> Updates => _updates.Reader;

    /// <summary>Completes when its grain has done with it.</summary>
    public Task Ended { get; set; } = Task.CompletedTask;

    public IAsyncEnumerable<SequenceUpdate> ReadUpdatesAsync(CancellationToken cancellationToken) => Updates.ReadAllAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            closed(this);
            Cancel();

            // Its workers are told by then, unless one of them hangs.
            await Ended.WaitAsync(s_lastCalls).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Has the grain end it, wherever it stands.</summary>
    public void Cancel() => _left.Cancel();

    /// <summary>It will run.</summary>
    public void Begin(int[] promptIds, int maxNewTokens)
    {
        (PromptIds, MaxNewTokens) = (promptIds, maxNewTokens);
        _begun.TrySetResult();
    }

    /// <summary>It does not run.</summary>
    public void Refuse(Refusal refusal)
    {
        _begun.TrySetException(new RefusedException(refusal));
        _begun.Task.Ignore(); // A reader elsewhere gets it as an update, and so does that of one that follows.
        Write(new SequenceUpdate { Refusal = refusal });
        _updates.Writer.TryComplete();
    }

    public void Write(SequenceUpdate update)
    {
        _updates.Writer.TryWrite(update);
        if (update.FinishReason is not null)
        {
            _updates.Writer.TryComplete();
        }
    }
}
