using System.Threading.Channels;
using Grid.Gateway.Caching;
using Grid.Gateway.Http;
using Grid.Gateway.Metrics;
using Grid.Gateway.Requests;
using Grid.Gateway.Resuming;
using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Sequences;

namespace Grid.Gateway.Running;

/// <summary>News of one of a request's sequences; of none where only time has passed.</summary>
internal readonly record struct BatchUpdate(Transcript? Transcript, SequenceUpdate Update);

/// <summary>
/// The sequences of one request under way. All write their updates into its one queue, whatever the pace of the client, so that a
/// slow reader holds back nobody: the queue is bounded by what the sequences may generate. Disposing it cancels what still runs.
/// </summary>
internal sealed class RunningBatch : IAsyncDisposable
{
    private static readonly SequenceUpdate s_scored = new() { FinishReason = "length" };

    private readonly List<IRunningSequence> _running = [];
    private readonly List<Transcript> _transcripts = [];
    private readonly Channel<BatchUpdate> _updates =
        Channel.CreateUnbounded<BatchUpdate>(new UnboundedChannelOptions { SingleReader = true });

    private int _open; // Sequences that have not had their last update.

    private readonly AnswerCache _answers;
    private readonly RequestProgress _progress;

    private RunningBatch(AnswerCache answers, RequestProgress progress, int open)
    {
        (_answers, _progress, _open) = (answers, progress, open);
        if (open == 0)
        {
            _updates.Writer.Complete();
        }
    }

    /// <summary>One per planned sequence, in order.</summary>
    public IReadOnlyList<Transcript> Transcripts => _transcripts;

    /// <summary>Updates of all sequences, each sequence's in order, until all have ended. Fails with
    /// <see cref="ApiException"/> when a sequence does.</summary>
    public ChannelReader<BatchUpdate> Updates => _updates.Reader;

    /// <summary>Puts an update without a transcript among the others: time has passed.</summary>
    public void Tick() => _updates.Writer.TryWrite(default);

    /// <summary>Starts all sequences whose end the client has not got; when one is refused, those started are cancelled.
    /// Throws <see cref="ApiException"/> in the names of the request.</summary>
    /// <param name="answers">The grid, and what it has said before.</param>
    /// <param name="plan">The request.</param>
    /// <param name="progress">Told how far it comes.</param>
    /// <param name="known">What its client has, where it is resumed.</param>
    /// <param name="measure">Measures a sequence of a request that is not.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task<RunningBatch> StartAsync(
        AnswerCache answers, RequestPlan plan, RequestProgress progress, StreamPosition? known, Func<PlannedSequence, RequestMetrics.SequenceTimer> measure,
        CancellationToken cancellationToken)
    {
        int open = plan.Sequences.Count - (known?.Sequences.Count(sequence => sequence.Ended) ?? 0);
        var batch = new RunningBatch(answers, progress, open);
        try
        {
            using var reserved = open > 1 ? batch.Reserve(plan, open) : null;
            for (int i = 0; i < plan.Sequences.Count; i++)
            {
                await batch.StartAsync(
                    plan, plan.Sequences[i], reserved, known?.Sequences[i] ?? SequenceProgress.None, known is null ? measure(plan.Sequences[i]) : null, cancellationToken);
            }
        }
        catch
        {
            await batch.DisposeAsync();
            throw;
        }
        return batch;
    }

    /// <summary>Cancels what still runs.</summary>
    public async ValueTask DisposeAsync()
    {
        _updates.Writer.TryComplete();
        foreach (var running in _running)
        {
            await running.DisposeAsync();
        }
    }

    /// <summary>Places for all that are to run.</summary>
    private IReservedPlaces Reserve(RequestPlan plan, int sequences)
    {
        try
        {
            return _answers.Reserve(plan.SpecOf(plan.Sequences[0]), sequences);
        }
        catch (RefusedException refused)
        {
            throw ErrorMapping.ToApiException(refused.Refusal, plan, 0);
        }
    }

    private async Task StartAsync(
        RequestPlan plan, PlannedSequence sequence, IReservedPlaces? reserved, SequenceProgress known, RequestMetrics.SequenceTimer? timer, CancellationToken cancellationToken)
    {
        var transcript = new Transcript(_transcripts.Count, sequence, known);
        _transcripts.Add(transcript);
        if (known.Ended)
        {
            _progress.Take(0, s_scored);
            return;
        }
        try
        {
            var running = await _answers.StartAsync(
                Spec(), plan.Model, sequence.IsShared, (running, update) => Take(plan, transcript, timer, running, update), sequence.RequestId, cancellationToken, reserved);
            if (_running.Count == 0)
            {
                timer?.Begin(); // One that follows may still wait.
            }
            _running.Add(running);
            transcript.Running = running;
            RequireRoom(plan, sequence, running.PromptIds.Count);
            if (_progress.IsAborted(transcript.Index))
            {
                _answers.End($"{running.Id:N}", isPrefix: false);
            }
        }
        catch (RefusedException refused)
        {
            throw ErrorMapping.ToApiException(refused.Refusal, plan, sequence.PromptIndex);
        }

        // Where there is not room for all, the answer begins with the first.
        SequenceSpec Spec() => plan.SpecOf(sequence) with { Resumed = ResumedRunOf(plan, sequence, known), Follows = _running.Count > 0 };
    }

    /// <summary>Refuses what only the prompt's length in tokens can tell: an output that was asked for by number and that the context
    /// cannot hold, and prompt logprobs from beyond the prompt.</summary>
    private static void RequireRoom(RequestPlan plan, PlannedSequence sequence, int promptTokens)
    {
        int context = plan.Model.MaxContextTokens;
        if (sequence.AskedTokens is { } asked && (long)promptTokens + asked > context)
        {
            throw new RefusedException(Refusal.Invalid(nameof(GenerationParameters.MaxNewTokens), asked,
                $"be at most {context - promptTokens}: the model's context is {context} tokens and the prompt has {promptTokens}"));
        }
        if (sequence.Spec.Generation.PromptLogprobsFrom is { } from && from >= promptTokens)
        {
            throw new RefusedException(Refusal.Invalid(nameof(GenerationParameters.PromptLogprobsFrom), from,
                $"be below the number of prompt tokens ({promptTokens})"));
        }
    }

    /// <summary>What its client has of a sequence that is resumed, but for the last token: that one is drawn again, and whatever
    /// ends with it. All is drawn again, many tokens in a step, where something about what the client has is still to be told: scores,
    /// which /generate repeats in each event, and digests, of which a receipt is made.</summary>
    private static ResumedRun? ResumedRunOf(RequestPlan plan, PlannedSequence sequence, SequenceProgress known)
    {
        if (sequence.PublicId is not { } name)
        {
            return null;
        }
        var generation = sequence.Spec.Generation;
        bool scored = generation.Digests || generation.PromptLogprobsFrom is not null || (plan is GeneratePlan && generation.Logprobs);
        return new ResumedRun(name, scored ? 0 : Math.Max(0, known.Tokens - 1), Math.Max(0, known.Tokens));
    }

    /// <summary>Queues an update. A sequence that fails ends the request, and so the others, once what came before has been read.</summary>
    private void Take(
        RequestPlan plan, Transcript transcript, RequestMetrics.SequenceTimer? timer, IRunningSequence running, SequenceUpdate update)
    {
        try
        {
            if (update.Refusal is { } refusal)
            {
                throw ErrorMapping.ToApiException(refusal, plan, transcript.Plan.PromptIndex);
            }
            timer?.Take(update, running.PromptIds.Count);
            _progress.Take(transcript.ToldTokens, update);
            transcript.ToldTokens += update.Tokens.Length;
            _updates.Writer.TryWrite(new BatchUpdate(transcript, Checked(transcript, update)));
            if (update.IsLast && Interlocked.Decrement(ref _open) == 0)
            {
                _updates.Writer.TryComplete();
            }
        }
        catch (Exception exception)
        {
            _updates.Writer.TryComplete(exception);
        }
    }

    private static SequenceUpdate Checked(Transcript transcript, SequenceUpdate update) => update.FinishReason switch
    {
        "error" => throw ApiErrors.Failed(update.Error ?? "A sequence failed."),
        "abort" when transcript.Plan.ScoreOnly => throw ApiErrors.Unavailable("The grid stopped a sequence before its end."),
        var reason when transcript.Plan.ScoreOnly => reason is null
            ? update with { Text = "", Tokens = [] }
            : s_scored with { PromptTokens = update.PromptTokens, PromptFirstIndex = update.PromptFirstIndex },
        _ => update,
    };
}
