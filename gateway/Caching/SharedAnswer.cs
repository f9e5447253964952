using Grid.Grains.Messages;
using Grid.Sequences;

namespace Grid.Gateway.Caching;

/// <summary>
/// An answer on its way, and all who read it: each from its first token on, whenever it came. It is computed by one sequence, which is cancelled
/// when the last of them leaves, or it is one that was remembered.
/// </summary>
/// <param name="key">What was asked.</param>
/// <param name="follows">Whether its sequence waits for a worker as long as it takes, for its request has begun.</param>
/// <param name="maxBytes">Bytes of it, roughly, up to which it is held for who comes later.</param>
/// <param name="left">Cancelled when the last reader leaves.</param>
internal sealed class SharedAnswer(string key, bool follows, long maxBytes, CancellationTokenSource left)
{
    private readonly Lock _lock = new();
    private readonly List<AnswerReader> _readers = [];
    private readonly List<SequenceUpdate> _updates = [];
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private AnswerReader? _first;
    private IRunningSequence? _sequence;
    private RememberedAnswer? _remembered;
    private long _bytes;
    private bool _begun;
    private bool _isOver; // Nobody joins any more.
    private bool _hasEnded;
    private bool _isLeft; // By all, before its end.

    /// <summary>What was asked.</summary>
    public string Key => key;

    /// <summary>Cancelled when the last reader leaves.</summary>
    public CancellationToken Left => left.Token;

    /// <summary>Ends when its sequence has, or nobody reads it any more.</summary>
    public Task Ended => _ended.Task;

    public int MaxNewTokens => _remembered?.MaxNewTokens ?? _sequence?.MaxNewTokens ?? 0;

    public int CachedTokens => _remembered?.CachedTokens ?? _sequence?.CachedTokens ?? 0;

    /// <summary>What is done for it; never fails.</summary>
    public Task Work { get; set; } = Task.CompletedTask;

    /// <summary>The answer, if it has ended by itself and was held.</summary>
    public RememberedAnswer? Whole
    {
        get
        {
            lock (_lock)
            {
                return _remembered ?? (_updates is [.., { FinishReason: "stop" or "length" }]
                    ? new RememberedAnswer { MaxNewTokens = MaxNewTokens, CachedTokens = CachedTokens, Updates = [.. _updates] }
                    : null);
            }
        }
    }

    /// <summary>Takes a reader in. Null where it is too late; false for one that must not wait as long as its sequence may.</summary>
    public bool? TryJoin(AnswerReader reader, bool mayWaitLong)
    {
        lock (_lock)
        {
            if (_isOver)
            {
                return null;
            }
            if (follows && !mayWaitLong && _updates.Count == 0)
            {
                return false;
            }
            _first ??= reader;
            _readers.Add(reader);
            if (_begun)
            {
                Tell(reader, isRemembered: _hasEnded);
            }
            return true;
        }
    }

    /// <summary>Its sequence runs; false where nobody wants it any more.</summary>
    public bool Begin(IRunningSequence sequence)
    {
        lock (_lock)
        {
            _sequence = sequence;
            return Begin();
        }
    }

    /// <summary>It was remembered.</summary>
    public void Begin(RememberedAnswer answer)
    {
        lock (_lock)
        {
            (_remembered, _hasEnded) = (answer, true);
            _updates.AddRange(answer.Updates);
            Begin();
        }
    }

    /// <summary>Its sequence has news. Who waits for it is told when it has begun: a refusal may come before it is known that none has.</summary>
    public void Take(SequenceUpdate update)
    {
        lock (_lock)
        {
            _bytes += 64 + (2 * update.Text.Length) + BytesOf(update.Tokens) + BytesOf(update.PromptTokens);
            _updates.Add(update);
            _hasEnded |= update.IsLast;
            _isOver |= update is { IsLast: true, FinishReason: not ("stop" or "length") }; // Who comes now is answered better.
            if (_begun)
            {
                _readers.ForEach(reader => reader.Tell(update));
                Shorten();
            }
        }
        if (update.IsLast)
        {
            _ended.TrySetResult();
        }
    }

    /// <summary>Nobody joins from now on. Who still waits for it is refused with what it failed by.</summary>
    public void Close(Exception? exception)
    {
        lock (_lock)
        {
            _isOver = true;
            if (exception is not null)
            {
                _readers.ForEach(reader => reader.Fail(exception));
            }
        }
    }

    /// <summary>Ends the readers that somebody means by a name. The sequence that is to be aborted with them, which tells them so, and
    /// whether the name was an id.</summary>
    public (Guid? Sequence, bool IsId) Abort(string name, bool isPrefix)
    {
        lock (_lock)
        {
            var named = _readers.FindAll(reader => reader.IsNamed(name, isPrefix));
            bool all = _begun && named.Count > 0 && named.Count == _readers.Count;
            if (!all)
            {
                named.ForEach(reader => reader.Abort());
            }
            return (all ? _sequence?.Id : null, named.Exists(reader => reader.Id.ToString("N") == name));
        }
    }

    /// <summary>A reader leaves; with the last one the sequence does.</summary>
    public async ValueTask LeaveAsync(AnswerReader reader)
    {
        lock (_lock)
        {
            reader.End();
            if (!_readers.Remove(reader) || _readers.Count > 0 || _hasEnded)
            {
                return;
            }
            _isOver = _isLeft = true;
        }
        _ended.TrySetResult();
        await left.CancelAsync();
        await Work;
    }

    private bool Begin()
    {
        _begun = true;
        _readers.ForEach(reader => Tell(reader, isRemembered: _remembered is not null));
        Shorten();
        return !_isLeft;
    }

    private void Tell(AnswerReader reader, bool isRemembered)
    {
        reader.Begin(reader == _first ? _sequence : null, isRemembered);
        _updates.ForEach(reader.Tell);
    }

    /// <summary>One that is too long is held no more; who reads it goes on.</summary>
    private void Shorten()
    {
        if (_bytes > maxBytes)
        {
            _isOver = true;
            _updates.Clear();
        }
    }

    private static long BytesOf(ScoredToken[] tokens)
    {
        long bytes = 0;
        foreach (var token in tokens)
        {
            bytes += 32 + (8 * (token.Top?.Length ?? 0));
        }
        return bytes;
    }
}
