using System.Threading.Channels;
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
/// The sequences of one request under way. Their updates are read as fast as they come, whatever the pace of the
/// client, so that a slow reader holds back nobody: the queue is bounded by what the sequences may generate.
/// Disposing it cancels what still runs.
/// </summary>
internal sealed class RunningBatch : IAsyncDisposable
{
    private static readonly SequenceUpdate s_scored = new() { FinishReason = "length" };

    private readonly CancellationTokenSource _stop;
    private readonly List<(IRunningSequence Sequence, Transcript Transcript, RequestMetrics.SequenceTimer? Timer)> _running = [];
    private readonly List<Transcript> _transcripts = [];
    private readonly Channel<BatchUpdate> _updates =
        Channel.CreateUnbounded<BatchUpdate>(new UnboundedChannelOptions { SingleReader = true });
    private Task _pumps = Task.CompletedTask;

    private RunningBatch(CancellationToken cancellationToken) => _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);

    /// <summary>One per planned sequence, in order.</summary>
    public IReadOnlyList<Transcript> Transcripts => _transcripts;

    /// <summary>Updates of all sequences, each sequence's in order, until all have ended. Fails with
    /// <see cref="ApiException"/> when a sequence does.</summary>
    public ChannelReader<BatchUpdate> Updates => _updates.Reader;

    /// <summary>Puts an update without a transcript among the others: time has passed.</summary>
    public void Tick() => _updates.Writer.TryWrite(default);

    /// <summary>Starts all sequences whose end the client has not got; when one is refused, those started are cancelled.
    /// Throws <see cref="ApiException"/> in the names of the request.</summary>
    /// <param name="service">The grid.</param>
    /// <param name="plan">The request.</param>
    /// <param name="known">What its client has, where it is resumed.</param>
    /// <param name="measure">Measures a sequence of a request that is not.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task<RunningBatch> StartAsync(
        ISequenceService service, RequestPlan plan, StreamPosition? known, Func<PlannedSequence, RequestMetrics.SequenceTimer> measure,
        CancellationToken cancellationToken)
    {
        var batch = new RunningBatch(cancellationToken);
        try
        {
            for (int i = 0; i < plan.Sequences.Count; i++)
            {
                await batch.StartAsync(
                    service, plan, plan.Sequences[i], known?.Sequences[i] ?? SequenceProgress.None, known is null ? measure(plan.Sequences[i]) : null);
            }
        }
        catch
        {
            await batch.DisposeAsync();
            throw;
        }
        batch._pumps = batch.PumpAllAsync(plan);
        return batch;
    }

    /// <summary>Cancels what still runs and waits until nothing reads it any more.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _pumps;
        foreach (var (running, _, _) in _running)
        {
            await running.DisposeAsync();
        }
        _stop.Dispose();
    }

    private async Task StartAsync(
        ISequenceService service, RequestPlan plan, PlannedSequence sequence, SequenceProgress known, RequestMetrics.SequenceTimer? timer)
    {
        if (known.Ended)
        {
            _transcripts.Add(new Transcript(_transcripts.Count, sequence, null, known));
            return;
        }
        try
        {
            var running = await service.StartAsync(Spec(), _stop.Token);
            if (_running.Count == 0)
            {
                timer?.Begin(); // One that follows may still wait.
            }
            var transcript = new Transcript(_transcripts.Count, sequence, running, known);
            _running.Add((running, transcript, timer));
            _transcripts.Add(transcript);
            RequireRoom(plan, sequence, running.PromptIds.Count);
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
    /// ends with it. All is drawn again where scores of what the client has are still to be told: /generate repeats them in each
    /// event.</summary>
    private static ResumedRun? ResumedRunOf(RequestPlan plan, PlannedSequence sequence, SequenceProgress known)
    {
        if (sequence.PublicId is not { } name)
        {
            return null;
        }
        bool scored = sequence.Spec.Generation.PromptLogprobsFrom is not null || (plan is GeneratePlan && sequence.Spec.Generation.Logprobs);
        return new ResumedRun(name, scored ? 0 : Math.Max(0, known.Tokens - 1));
    }

    private async Task PumpAllAsync(RequestPlan plan)
    {
        var pumps = new Task[_running.Count];
        for (int i = 0; i < pumps.Length; i++)
        {
            pumps[i] = PumpAsync(plan, _running[i].Sequence, _running[i].Transcript, _running[i].Timer);
        }
        await Task.WhenAll(pumps);
        _updates.Writer.TryComplete();
    }

    private async Task PumpAsync(RequestPlan plan, IRunningSequence running, Transcript transcript, RequestMetrics.SequenceTimer? timer)
    {
        try
        {
            bool finished = false;
            await foreach (var update in running.ReadUpdatesAsync(_stop.Token))
            {
                if (update.Refusal is { } refusal)
                {
                    throw ErrorMapping.ToApiException(refusal, plan, transcript.Plan.PromptIndex);
                }
                finished |= update.FinishReason is not null;
                timer?.Take(update, running.PromptIds.Count);
                _updates.Writer.TryWrite(new BatchUpdate(transcript, Checked(transcript, update)));
            }
            if (!finished)
            {
                throw ApiErrors.Unavailable("The grid stopped a sequence before its end.");
            }
        }
        catch (Exception exception)
        {
            // The reader sees it after the updates before it; it ends the request and so the other sequences.
            _updates.Writer.TryComplete(exception);
        }
    }

    private static SequenceUpdate Checked(Transcript transcript, SequenceUpdate update) => update.FinishReason switch
    {
        "error" => throw ApiErrors.Failed(update.Error ?? "A sequence failed."),
        "abort" => throw ApiErrors.Unavailable("The grid stopped a sequence before its end."),
        var reason when transcript.Plan.ScoreOnly => reason is null
            ? update with { Text = "", Tokens = [] }
            : s_scored with { PromptTokens = update.PromptTokens, PromptFirstIndex = update.PromptFirstIndex },
        _ => update,
    };
}
