using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Sequences.Decoding;
using Grid.Sequences.Routing;
using Microsoft.Extensions.Logging;

namespace Grid.Sequences.Attempts;

/// <summary>
/// How a sequence's attempts become its output. As many attempts run as the quorum says, and a thing that happens to the sequence – a
/// scored prompt token, an output token, the end – counts once so many gave it with the same bits. Attempts that are behind then are left,
/// and those that gave something else are put in quarantine. One that is lost, or has outgrown its worker, is replaced. Where the quorum
/// is not reached, one attempt more is made: with a quorum of one, when nothing has come for a while (hedging); with more, when they
/// differ. All calls in the sequence's turns; an attempt begins with the output so far, so all pending things begin at the same place.
/// </summary>
/// <param name="launcher">Makes the attempts.</param>
/// <param name="quorum">One, or two for a sequence that is cross-checked.</param>
/// <param name="publish">Gives the reader what the decoder has; called before something that may take long.</param>
/// <param name="metrics">Counts what happens.</param>
/// <param name="logger">For its log.</param>
internal sealed partial class SequenceRun(AttemptLauncher launcher, int quorum, Action publish, SequenceMetrics metrics, ILogger logger)
{
    private readonly List<SequenceAttempt> _attempts = [];
    private int _quietTicks;
    private bool _isHedged;

    /// <summary>The attempts that run, the first one first; none between two.</summary>
    public IReadOnlyList<SequenceAttempt> Attempts => _attempts;

    private SequenceDecoder Decoder => launcher.Decoder;

    /// <summary>Makes the first attempts, looking for workers until the deadline; gives the refusal where there is none.</summary>
    public async Task<Refusal?> BeginAsync(CancellationToken deadline)
    {
        while (_attempts.Count < quorum)
        {
            var (attempt, refusal) = await launcher.BeginAsync(IsOther, deadline);
            if (attempt is null)
            {
                bool isAlone = _attempts.Count > 0 && refusal!.Kind == RefusalKind.Unavailable;
                Leave();
                return !isAlone ? refusal : new Refusal
                {
                    Kind = RefusalKind.Unavailable,
                    Field = nameof(SequenceSpec.CrossCheck),
                    Rule = "takes two workers of the model, and only one takes sequences now",
                };
            }

            _attempts.Add(attempt);
        }

        return null;
    }

    /// <summary>Takes one event. What it gives for output is in the decoder then; where no attempt can go on, the decoder has ended with
    /// the reason.</summary>
    public async Task TakeAsync(SequenceEvent item)
    {
        if (item.IsTick)
        {
            Tick();
            return;
        }

        for (int i = 0; i < _attempts.Count; i++)
        {
            var attempt = _attempts[i];
            if (attempt.Id != item.Attempt)
            {
                continue; // Also an older epoch's news, which counts for nothing.
            }

            if (item.Batch is { } batch)
            {
                attempt.Take(batch, item.Index);
            }
            else
            {
                metrics.CountFailover(launcher.Model);
                LogLost(attempt.Id.Sequence, attempt.Id.Epoch, attempt.Worker.Status.Worker.Key);
                attempt.EndSpan("worker_lost");
                _attempts.RemoveAt(i);
                if (i == 0)
                {
                    (_quietTicks, _isHedged) = (0, false); // A hedge that takes its place may be hedged in turn.
                }
            }

            await AdvanceAsync();
            return;
        }
    }

    /// <summary>Ends all attempts.</summary>
    public void Leave()
    {
        _attempts.ForEach(static attempt => attempt.Leave());
        _attempts.Clear();
    }

    private bool IsOther(LiveWorker worker)
    {
        foreach (var attempt in _attempts)
        {
            if (attempt.Worker.Status.Worker == worker.Status.Worker)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Gives the decoder what a quorum gave, as far as it goes, and makes the attempts that it takes to go on.</summary>
    private async Task AdvanceAsync()
    {
        while (Decoder.FinishReason is null)
        {
            if (Agreed() is { } item)
            {
                Take(item);
            }
            else if (_attempts.Find(static attempt => attempt.HasOutgrown && attempt.Pending.Count == 0) is { } outgrown)
            {
                LogOutgrown(outgrown.Id.Sequence, outgrown.Worker.Status.Worker.Key, outgrown.Worker.Status.Limits.MaxContextTokens);
                _attempts.Remove(outgrown);
            }
            else if (_attempts.Count < quorum)
            {
                await ReplaceAsync();
            }
            else if (_attempts.TrueForAll(static attempt => attempt.Pending.Count > 0))
            {
                await DecideAsync();
            }
            else
            {
                return;
            }
        }
    }

    /// <summary>The next thing that happened to the sequence, when a quorum gave it; null while it has not.</summary>
    private StepItem? Agreed()
    {
        foreach (var attempt in _attempts)
        {
            if (attempt.Pending.TryPeek(out var item))
            {
                int equal = 0;
                foreach (var other in _attempts)
                {
                    equal += other.Pending.TryPeek(out var own) && own.HasSameBits(item) ? 1 : 0;
                }

                if (equal >= quorum || item.IsAborted)
                {
                    return item;
                }
            }
        }

        return null;
    }

    private void Take(in StepItem item)
    {
        for (int i = _attempts.Count - 1; i >= 0; i--)
        {
            var attempt = _attempts[i];
            bool isBehind = !attempt.Pending.TryDequeue(out var own);
            if (!isBehind && own.HasSameBits(item))
            {
                continue;
            }

            _attempts.RemoveAt(i);
            attempt.Leave();
            if (isBehind && i == 0)
            {
                LogBehind(attempt.Id.Sequence, attempt.Id.Epoch, attempt.Worker.Status.Worker.Key);
            }
            else if (!isBehind && quorum > 1 && !item.IsAborted) // One alone cannot say which of two is wrong.
            {
                attempt.Worker.PutInQuarantine($"in sequence {attempt.Id.Sequence:N} it gave other bits than {quorum} other workers at {Place(item)}.");
            }
        }

        (_quietTicks, _isHedged) = (0, false);
        Decoder.Take(item);
    }

    /// <summary>They differ: one more computes the place, on a worker that has not.</summary>
    private async Task DecideAsync()
    {
        string place = Place(_attempts[0].Pending.Peek());
        string names = string.Join(" and ", _attempts.Select(attempt => attempt.Worker.Status.Worker.Key));
        metrics.CountDisagreement(launcher.Model);
        LogDiffer(_attempts[0].Id.Sequence, place, names);
        string? reason = "";
        if (launcher.MayBeThere(IsOther))
        {
            reason = await AddAsync();
        }

        if (reason is not null)
        {
            LogUndecided(_attempts[0].Id.Sequence, place, names);
            Decoder.Finish("error", error:
                $"Workers computed different bits at {place}, and no other worker can say which are right. {reason}".TrimEnd());
        }
    }

    private async Task ReplaceAsync()
    {
        if (await AddAsync() is { } reason)
        {
            string error = quorum == 1
                ? $"The worker was lost or is too small, and the sequence could not go on elsewhere: {reason}"
                : $"A worker was lost or is too small, and no second one is there to check the other by: {reason}";
            Decoder.Finish("error", error: error, refusal: new() { Kind = RefusalKind.WorkerLost, Rule = error });
        }
    }

    /// <summary>Makes another attempt, on a worker that has none; gives the reason where there is none.</summary>
    private async Task<string?> AddAsync()
    {
        publish();
        var (attempt, refusal) = await launcher.RelaunchAsync(IsOther);
        if (attempt is null)
        {
            return $"{refusal}";
        }

        _attempts.Add(attempt);
        return null;
    }

    /// <summary>Hedging: one attempt more for every wait, and only where a worker has nothing waiting: under load it would make things
    /// worse.</summary>
    private void Tick()
    {
        if (_isHedged || _attempts.Count != 1 || ++_quietTicks <= SequencesOptions.HedgeTicks)
        {
            return;
        }

        if (launcher.Find(worker => worker.Load.Waiting == 0 && IsOther(worker)) is { } other)
        {
            metrics.CountHedge(launcher.Model);
            LogHedge(_attempts[0].Id.Sequence, _attempts[0].Worker.Status.Worker.Key, other.Status.Worker.Key);
            _isHedged = true;
            _attempts.Add(launcher.On(other));
            _ = SubmitAsync(_attempts[^1]); // Not awaited: the first attempt goes on meanwhile.
        }
    }

    private async Task SubmitAsync(SequenceAttempt hedge)
    {
        var refusal = await launcher.SubmitAsync(hedge);
        bool isWanted = _attempts.Contains(hedge);
        if (refusal is null && !isWanted)
        {
            hedge.Leave();
        }
        else if (refusal is not null && isWanted)
        {
            launcher.ReportLost(hedge);
        }
    }

    private string Place(in StepItem item) => item.Kind switch
    {
        StepItemKind.Prompt => $"prompt token {item.Index}",
        StepItemKind.Output => $"output token {item.Index}",
        _ => $"the end after {Decoder.OutputIds.Count} output tokens",
    };

    [LoggerMessage(Level = LogLevel.Warning, Message = "Sequence {Sequence} lost worker {Worker} in epoch {Epoch} and restarts")]
    private partial void LogLost(Guid sequence, int epoch, string worker);

    [LoggerMessage(Level = LogLevel.Information, Message = "Sequence {Sequence} fills the {Tokens} tokens that worker {Worker} holds and goes on at a larger one")]
    private partial void LogOutgrown(Guid sequence, string worker, int tokens);

    [LoggerMessage(Level = LogLevel.Information, Message = "Sequence {Sequence} leaves worker {Worker} in epoch {Epoch}: another one delivered first")]
    private partial void LogBehind(Guid sequence, int epoch, string worker);

    [LoggerMessage(Level = LogLevel.Information, Message = "Sequence {Sequence} has had no token from worker {Worker} for a while and is started on {Other} as well")]
    private partial void LogHedge(Guid sequence, string worker, string other);

    [LoggerMessage(Level = LogLevel.Error, Message = "Sequence {Sequence}: different bits at {Place} from {Workers}; another worker decides")]
    private partial void LogDiffer(Guid sequence, string place, string workers);

    [LoggerMessage(Level = LogLevel.Critical, Message = "Sequence {Sequence}: nobody can say which of {Workers} computed wrongly at {Place}")]
    private partial void LogUndecided(Guid sequence, string place, string workers);
}
