using Grid.Grains.Messages;
using Grid.Numerics;

namespace Grid.Sequences;

/// <summary>
/// A sequence as its reader has it; its grain, on the same silo, writes here. Updates pass through memory and never
/// wait for the reader: what a slow reader has not taken yet is bounded by the sequence's max_new_tokens.
/// </summary>
/// <param name="id">The sequence.</param>
/// <param name="take">Told each update, to the last.</param>
/// <param name="closed">Called once, when its reader leaves.</param>
internal sealed class RunningSequence(Guid id, Action<IRunningSequence, SequenceUpdate> take, Action<RunningSequence> closed) : IRunningSequence
{
    private static readonly TimeSpan s_lastCalls = TimeSpan.FromSeconds(1);

    private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _left = new();
    private int _disposed;
    private bool _isTold; // To the last update.

    public Guid Id => id;

    /// <summary>The client's name for it.</summary>
    public string? Name { get; set; }

    /// <summary>The model's; null where its reader is elsewhere.</summary>
    public string? Model { get; set; }

    /// <summary>Where a place is kept for it.</summary>
    public IReservedPlaces? Reserved { get; set; }

    /// <summary>Whether it ends because somebody said so, and its reader is to hear that.</summary>
    public bool IsAborted { get; private set; }

    public IReadOnlyList<int> PromptIds { get; private set; } = [];

    public int CachedTokens { get; set; }

    public int MaxNewTokens { get; private set; }

    /// <summary>Ends when a worker has taken it, or one that follows has its place in the line; fails with <see cref="RefusedException"/>.</summary>
    public Task Begun => _begun.Task;

    /// <summary>Cancelled when nobody wants it any more.</summary>
    public CancellationToken Left => _left.Token;

    /// <summary>Completes when its grain has done with it.</summary>
    public Task Ended { get; set; } = Task.CompletedTask;

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

    /// <summary>Has the grain end it, wherever it stands, as its result.</summary>
    public void Abort()
    {
        IsAborted = true;
        Cancel();
    }

    /// <summary>Whether somebody means it by this name: its own, that of the list that it is a part of, or its id.</summary>
    public bool IsNamed(string name, bool isPrefix) => Id.ToString("N") == name || SequenceName.Means(name, Name, isPrefix);

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
    }

    /// <summary>Tells an update; nothing after the last one. In the grain's turns.</summary>
    public void Write(SequenceUpdate update)
    {
        if (!_isTold)
        {
            _isTold = update.IsLast;
            take(this, update);
        }
    }
}
