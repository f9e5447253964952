using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Sequences.Decoding;
using Grid.Sequences.Routing;
using Microsoft.Extensions.Logging;

namespace Grid.Sequences.Attempts;

/// <summary>
/// Two attempts on two workers; a token counts when both gave it with the same bits. Where they differ, neither token
/// counts and another worker computes the place too, until two agree: the workers that gave something else are
/// condemned. Without another worker the sequence ends with an error, for nobody can say who is right.
/// </summary>
internal sealed partial class CheckedRun(RunContext context, ILogger logger) : ISequenceRun
{
    /// <summary>Attempts that run. What they gave and was not agreed upon begins at the same place in all of them: a new one
    /// begins with the output so far, and agreement takes one item from each.</summary>
    private readonly List<Contender> _contenders = [];

    /// <inheritdoc/>
    public SequenceAttempt? Current => _contenders.Count > 0 ? _contenders[0].Attempt : null;

    /// <inheritdoc/>
    public async Task<Refusal?> BeginAsync(LiveWorker[] candidates)
    {
        var launch = await context.Launcher.BeginAsync(context.Launcher.Fits, candidates);
        if (launch.Attempt is null)
        {
            return launch.Refusal;
        }

        Add(launch.Attempt);
        launch = await context.Launcher.BeginAsync(IsOther);
        if (launch.Attempt is null)
        {
            Leave();
            return launch.Refusal is not { Kind: RefusalKind.Unavailable } ? launch.Refusal : new Refusal
            {
                Kind = RefusalKind.Unavailable,
                Field = nameof(SequenceSpec.CrossCheck),
                Rule = "takes two workers of the model, and only one takes sequences now",
            };
        }

        Add(launch.Attempt);
        return null;
    }

    /// <inheritdoc/>
    public async Task TakeAsync(SequenceEvent item)
    {
        if (item.IsTick || _contenders.Find(known => known.Attempt.Id == item.Attempt) is not { } contender)
        {
            return; // An older epoch's news.
        }

        if (item.Batch is not { } batch)
        {
            LogRestart(context.Id, item.Attempt.Epoch, contender.Attempt.Worker.Status.Worker.Key);
            _contenders.Remove(contender);
            await ReplaceAsync();
        }
        else
        {
            contender.HasOutgrown = contender.Attempt.HasOutgrown(batch, item.Index);
            foreach (var produced in new StepItems(batch, item.Index))
            {
                if (!contender.HasOutgrown || produced.Kind != StepItemKind.End)
                {
                    contender.Produced.Enqueue(produced);
                }
            }
        }

        await AgreeAsync();
    }

    /// <inheritdoc/>
    public void Leave()
    {
        foreach (var contender in _contenders)
        {
            contender.Attempt.Leave();
        }

        _contenders.Clear();
    }

    private void Add(SequenceAttempt attempt) => _contenders.Add(new Contender(attempt));

    private bool IsOther(LiveWorker worker) =>
        _contenders.TrueForAll(known => known.Attempt.Worker.Status.Worker != worker.Status.Worker);

    /// <summary>Gives the decoder what two agree upon, as far as they do.</summary>
    private async Task AgreeAsync()
    {
        while (context.Decoder.FinishReason is null)
        {
            if (Agreed() is { } item)
            {
                Take(item);
            }
            else if (_contenders.Find(contender => contender.HasOutgrown && contender.Produced.Count == 0) is { } outgrown)
            {
                LogOutgrown(context.Id, outgrown.Attempt.Worker.Status.Worker.Key, outgrown.Attempt.Worker.Status.Limits.MaxContextTokens);
                _contenders.Remove(outgrown);
                await ReplaceAsync();
            }
            else if (_contenders.Count >= 2 && _contenders.TrueForAll(contender => contender.Produced.Count > 0))
            {
                await AskAnotherAsync();
            }
            else
            {
                return;
            }
        }
    }

    /// <summary>The next thing that happened to the sequence, when two gave it; null while they have not.</summary>
    private StepItem? Agreed()
    {
        for (int i = 1; i < _contenders.Count; i++)
        {
            for (int k = 0; k < i; k++)
            {
                if (_contenders[i].Produced.TryPeek(out var item) && _contenders[k].Produced.TryPeek(out var other) && item.HasSameBits(other))
                {
                    return item;
                }
            }
        }

        return null;
    }

    private void Take(in StepItem item)
    {
        for (int i = _contenders.Count - 1; i >= 0; i--)
        {
            var contender = _contenders[i];
            if (!contender.Produced.TryDequeue(out var own))
            {
                _contenders.RemoveAt(i); // The others went on without it.
                contender.Attempt.Leave();
            }
            else if (!own.HasSameBits(item))
            {
                _contenders.RemoveAt(i);
                contender.Attempt.Leave();
                contender.Attempt.Worker.Condemn(
                    $"in sequence {context.Id:N} it gave other bits than two other workers at {Place(item)}.");
            }
        }

        context.Decoder.Take(item);
    }

    /// <summary>They differ: one more computes the place, on a worker that has not.</summary>
    private async Task AskAnotherAsync()
    {
        string place = Place(_contenders[0].Produced.Peek());
        string names = string.Join(" and ", _contenders.Select(contender => contender.Attempt.Worker.Status.Worker.Key));
        LogDiffer(context.Id, place, names);
        context.Publish();
        bool mayBeThere = context.Workers.Expected.Any(worker =>
            context.Launcher.Fits(worker) && IsOther(worker) && worker.Condition != WorkerCondition.Quarantined);
        var launch = mayBeThere ? await context.Launcher.RelaunchAsync(IsOther) : default;
        if (context.Decoder.FinishReason is not null)
        {
            launch.Attempt?.Leave(); // Cancelled meanwhile.
        }
        else if (launch.Attempt is not null)
        {
            Add(launch.Attempt);
        }
        else
        {
            LogUndecided(context.Id, place, names);
            context.Decoder.Finish("error", error:
                $"Workers computed different bits at {place}, and no other worker can say which are right. {launch.Refusal}".TrimEnd());
        }
    }

    /// <summary>A worker was lost: another one takes its place beside the one that is left.</summary>
    private async Task ReplaceAsync()
    {
        while (_contenders.Count < 2 && context.Decoder.FinishReason is null)
        {
            context.Publish();
            var launch = await context.Launcher.RelaunchAsync(IsOther);
            if (launch.Attempt is null)
            {
                context.Decoder.Finish("error", error: $"A worker was lost or too small and no second one is there to check the other by: {launch.Refusal}");
                return;
            }

            Add(launch.Attempt);
        }
    }

    private string Place(in StepItem item) => item.Kind switch
    {
        StepItemKind.Prompt => $"prompt token {item.Index}",
        StepItemKind.Output => $"output token {item.Index}",
        _ => $"the end after {context.Decoder.OutputIds.Count} output tokens",
    };

    /// <summary>An attempt, and what it gave that was not agreed upon yet: at most the rest of the sequence.</summary>
    private sealed record Contender(SequenceAttempt Attempt)
    {
        public Queue<StepItem> Produced { get; } = new();

        /// <summary>Whether its worker has no room for more than it gave.</summary>
        public bool HasOutgrown { get; set; }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Sequence {Sequence} lost worker {Worker} in epoch {Epoch} and restarts")]
    private partial void LogRestart(Guid sequence, int epoch, string? worker);

    [LoggerMessage(Level = LogLevel.Information, Message = "Sequence {Sequence} fills the {Tokens} tokens that worker {Worker} holds and goes on at a larger one")]
    private partial void LogOutgrown(Guid sequence, string worker, int tokens);

    [LoggerMessage(Level = LogLevel.Error, Message = "Sequence {Sequence}: different bits at {Place} from {Workers}; another worker decides")]
    private partial void LogDiffer(Guid sequence, string place, string workers);

    [LoggerMessage(Level = LogLevel.Critical, Message = "Sequence {Sequence}: nobody can say which of {Workers} computed wrongly at {Place}")]
    private partial void LogUndecided(Guid sequence, string place, string workers);
}
