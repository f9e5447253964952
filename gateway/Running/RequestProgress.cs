using Grid.Gateway.Requests;
using Grid.Grains.Messages;

namespace Grid.Gateway.Running;

/// <summary>How far a request's sequences have come, for operators, and which of them are to end as soon as they begin. Told by the sequences
/// in their own turns.</summary>
/// <param name="id">The request's id, as its answer shows it (X-Request-Id).</param>
/// <param name="plan">The request.</param>
/// <param name="started">When it came.</param>
internal sealed class RequestProgress(string id, RequestPlan plan, DateTimeOffset started)
{
    private readonly bool[] _aborted = new bool[plan.Sequences.Count];
    private int _begun;
    private int _ended;
    private long _tokens;

    public string Id => id;

    public DateTimeOffset Started => started;

    public string Model => plan.Model.Id;

    /// <summary>What the client calls its first sequence.</summary>
    public string? FirstName => plan.Sequences[0].RequestId;

    public int Sequences => plan.Sequences.Count;

    /// <summary>Sequences that have had a token, or have ended.</summary>
    public int Begun => Volatile.Read(ref _begun);

    /// <summary>Sequences that have ended.</summary>
    public int Ended => Volatile.Read(ref _ended);

    /// <summary>Output tokens of all.</summary>
    public long Tokens => Volatile.Read(ref _tokens);

    /// <summary>A sequence has news.</summary>
    /// <param name="tokensBefore">Output tokens that it had before.</param>
    /// <param name="update">The news.</param>
    public void Take(int tokensBefore, SequenceUpdate update)
    {
        Interlocked.Add(ref _tokens, update.Tokens.Length);
        Interlocked.Add(ref _begun, tokensBefore == 0 && (update.Tokens.Length > 0 || update.IsLast) ? 1 : 0);
        Interlocked.Add(ref _ended, update.IsLast ? 1 : 0);
    }

    /// <summary>Has the sequences end that have not been started yet, as those that have are ended elsewhere.</summary>
    /// <param name="model">Whose; null for all models'.</param>
    /// <param name="isMeant">Whether their name is meant.</param>
    public void Abort(string? model, Func<string?, bool> isMeant)
    {
        for (int i = 0; (model is null || model == Model) && i < _aborted.Length; i++)
        {
            _aborted[i] |= isMeant(plan.Sequences[i].RequestId);
        }
    }

    /// <summary>Whether a sequence was to end before it was started.</summary>
    public bool IsAborted(int index) => Volatile.Read(ref _aborted[index]);
}
