using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Sequences;

namespace Grid.Gateway.Caching;

/// <summary>One of those who read an answer, as if it had the sequence for itself. All but its construction and leaving is under the answer's
/// lock.</summary>
/// <param name="answer">The answer.</param>
/// <param name="promptIds">Its prompt.</param>
/// <param name="take">Told each update, to the last.</param>
/// <param name="name">The client's name for its sequence.</param>
/// <param name="charge">Counts it as one of its client's sequences.</param>
internal sealed class AnswerReader(
    SharedAnswer answer, int[] promptIds, Action<IRunningSequence, SequenceUpdate> take, string? name, Func<IClientCharge> charge) : IRunningSequence
{
    private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private IClientCharge? _charge;
    private bool _isTold; // To the last update, or refused.

    public Guid Id { get; private set; } = Guid.NewGuid();

    public IReadOnlyList<int> PromptIds => promptIds;

    public int MaxNewTokens => answer.MaxNewTokens;

    public int CachedTokens => answer.CachedTokens;

    /// <summary>Whether the answer was remembered.</summary>
    public bool IsRemembered { get; private set; }

    /// <summary>Whether it is refused with the sequence that it waited for, and not for itself.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>Ends when there is something to read; fails with <see cref="RefusedException"/>.</summary>
    public Task Begun => _begun.Task;

    public ValueTask DisposeAsync() => answer.LeaveAsync(this);

    public bool IsNamed(string asked, bool isPrefix) => Id.ToString("N") == asked || SequenceName.Means(asked, name, isPrefix);

    /// <summary>There is something to read.</summary>
    /// <param name="sequence">The sequence that runs for it, and that counts as its client's already; null where none does.</param>
    /// <param name="isRemembered">Whether the answer was there when it came.</param>
    public void Begin(IRunningSequence? sequence, bool isRemembered)
    {
        try
        {
            (Id, IsRemembered) = (sequence?.Id ?? Id, isRemembered);
            _charge = sequence is null && !_isTold ? charge() : null;
            _begun.TrySetResult();
        }
        catch (RefusedException refused)
        {
            Refuse(refused);
        }
    }

    /// <summary>The sequence that it waits for does not run.</summary>
    public void Fail(Exception exception)
    {
        HasFailed = true;
        Refuse(exception);
    }

    public void Tell(SequenceUpdate update)
    {
        if (!_isTold)
        {
            _isTold = update.IsLast;
            _charge?.Count(update.Tokens.Length);
            take(this, update);
        }
    }

    /// <summary>It is to end where it stands.</summary>
    public void Abort()
    {
        _begun.TrySetResult();
        Tell(new SequenceUpdate { FinishReason = "abort" });
    }

    /// <summary>It reads no more.</summary>
    public void End()
    {
        _isTold = true;
        _charge?.Dispose();
    }

    private void Refuse(Exception exception)
    {
        _isTold = true;
        _begun.TrySetException(exception);
        _begun.Task.Ignore(); // Its client may have left.
    }
}
