using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Grid.Grains;
using Grid.Grains.Messages;
using Grid.Grains.Placement;
using Grid.Numerics;
using Grid.Sequences.Attempts;
using Grid.Sequences.Decoding;
using Grid.Sequences.Routing;
using Grid.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Concurrency;
using Orleans.GrainDirectory;
using Orleans.Placement;

namespace Grid.Sequences;

/// <summary>
/// One sequence: takes it from its spec to its last token, over as many attempts as that takes, for a reader here or elsewhere. Kept
/// alive until the sequence ends, then lets go of itself.
/// </summary>
[NamedSiloPlacement, GrainDirectory(NamedSiloDirectory.Name), Immovable, KeepAlive, Reentrant, GrainType(ISequenceGrain.GrainTypeName)]
internal sealed partial class SequenceGrain(
    SequenceService sequences, WorkerDirectory workers, AdmissionQueue admission, IOptions<SequencesOptions> options, Drain drain,
    SequenceMetrics metrics, TimeProvider time, ILogger<SequenceGrain> logger) : Grain, ISequenceGrain
{
    private static readonly TimeSpan s_heartbeat = TimeSpan.FromMilliseconds(400);
    private static readonly SequenceUpdate s_alive = new();

    private readonly Channel<SequenceEvent> _inbox =
        Channel.CreateUnbounded<SequenceEvent>(new() { SingleReader = true });

    private SequenceSpec? _spec;
    private RunningSequence? _reader;
    private SequenceDecoder? _decoder;
    private AttemptLauncher? _launcher;
    private SequenceRun? _run;
    private AdmissionPlace? _place;
    private Activity? _span;
    private Refusal? _refusal;
    private int _promptTokens;
    private bool _cachedKnown;
    private bool _gone;

    private Guid Id => Guid.ParseExact(SiloKey.Parse(this.GetPrimaryKeyString()).Rest, "N");

    /// <inheritdoc/>
    public Task Start(SequenceSpec spec)
    {
        var ended = sequences.Find(Id) is { } reader ? Begin(spec, reader) : Task.CompletedTask; // Whoever asked for it has not waited.
        _ = LetGoAsync(ended);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<SequenceUpdate> Run(SequenceSpec spec, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        try
        {
            using var entry = drain.TryEnter();
            if (entry is null)
            {
                yield return Refused("This silo is shutting down; another one takes the sequence.");
                yield break;
            }

            var updates = Channel.CreateUnbounded<SequenceUpdate>(new() { SingleReader = true });
            await using var reader = sequences.Open(Id, (_, update) =>
            {
                updates.Writer.TryWrite(update);
                if (update.IsLast)
                {
                    updates.Writer.Complete();
                }
            });
            using var over = drain.Over.UnsafeRegister(static reader => ((RunningSequence)reader!).Cancel(), reader);
            _ = Begin(spec with { Client = "" }, reader); // Readers elsewhere are one client: names that they choose only order within it.
            bool isFirst = true;
            while (true)
            {
                var more = updates.Reader.WaitToReadAsync(cancellationToken).AsTask();
                while (!await ComesInTimeAsync(more, cancellationToken))
                {
                    yield return s_alive;
                }

                if (!await more)
                {
                    yield break;
                }

                while (updates.Reader.TryRead(out var update))
                {
                    yield return update.FinishReason is "error" && MayGoOnElsewhere(spec) || update.FinishReason is "abort" && drain.HasBegun ? Refused(update.Error ?? "The sequence cannot go on here.")
                        : !isFirst || update.Refusal is not null ? update.FinishReason is null ? update : update with { Refusal = null }
                        : update with { PromptIds = [.. reader.PromptIds], MaxNewTokens = reader.MaxNewTokens, CachedTokens = reader.CachedTokens };
                    isFirst = false;
                }
            }
        }
        finally
        {
            LetGo(); // Not before: its reader asks this grain for each update.
        }
    }

    /// <inheritdoc/>
    public Task<SequenceState?> GetState()
    {
        if (_spec is not { } spec)
        {
            LetGo(); // Never begun here: this call alone has brought it up.
            return Task.FromResult<SequenceState?>(null);
        }

        return Task.FromResult<SequenceState?>(new SequenceState
        {
            Id = Id,
            Model = spec.Model,
            Worker = _run is { Attempts: [var first, ..] } ? first.Worker.Status.Worker : null,
            Epoch = Math.Max(0, (_launcher?.NextEpoch ?? 0) - 1),
            PromptTokens = _promptTokens,
            OutputTokens = _decoder?.OutputIds.Count ?? 0,
            FinishReason = _decoder?.FinishReason,
        });
    }

    /// <inheritdoc/>
    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        // The silo stops while the sequence runs: its reader must not wait for ever.
        _gone = true;
        End("error", "The gateway is shutting down.");
        _reader?.Cancel();
        return base.OnDeactivateAsync(reason, cancellationToken);
    }

    /// <summary>Starts to run it, in this grain's turns, until it ends.</summary>
    private Task Begin(SequenceSpec spec, RunningSequence reader)
    {
        if (_spec is not null)
        {
            throw new InvalidOperationException($"Sequence {Id:N} was started already.");
        }

        (_spec, _reader, _span) = (spec, reader, Tracing.Start("sequence", ActivityKind.Internal, spec.Trace));
        _span?.SetTag("grid.sequence.id", Id.ToString("N"));
        return reader.Ended = RunAsync(_span is null ? spec : spec with { Trace = _span.Id }, reader);
    }

    private async Task RunAsync(SequenceSpec spec, RunningSequence reader)
    {
        using var noMoreWaits = CancellationTokenSource.CreateLinkedTokenSource(drain.Over, reader.Left);
        using var woken = reader.Left.UnsafeRegister(static inbox => ((ChannelWriter<SequenceEvent>)inbox!).TryWrite(SequenceEvent.Tick), _inbox.Writer);
        ITimer? clock = null;
        workers.Enter();
        try
        {
            await workers.OpenAsync(CancellationToken.None);
            if (await EnterAsync(spec, reader, noMoreWaits.Token) is { } refusal)
            {
                _refusal = AsSeenHere(refusal);
                reader.Refuse(_refusal);
                return;
            }

            if (options.Value.HedgeAfter / SequencesOptions.HedgeTicks is { } tick && QuorumOf(spec) == 1)
            {
                clock = time.CreateTimer(_ => _inbox.Writer.TryWrite(SequenceEvent.Tick), null, tick, tick);
            }

            await ReadAsync(reader, _decoder!, _run!);
        }
        catch (OperationCanceledException) when (reader.Left.IsCancellationRequested)
        {
            End("abort", null);
        }
        catch (Exception exception)
        {
            LogBroken(exception, Id);
            End("error", "The sequence broke off inside the grid.");
        }
        finally
        {
            clock?.Dispose();
            _inbox.Writer.TryComplete();
            workers.Leave();
            Leave();
        }
    }

    private void Leave()
    {
        try
        {
            _run?.Leave();
        }
        catch (Exception exception)
        {
            LogBroken(exception, Id); // A silo that stops makes no calls any more.
        }

        if (_place is { } place)
        {
            admission.Leave(place);
        }

        _span?.SetTag("grid.prompt_tokens", _promptTokens);
        _span?.SetTag("grid.output_tokens", _decoder?.OutputIds.Count ?? 0);
        _span?.SetTag("grid.attempts", _launcher?.NextEpoch ?? 0);
        _span?.SetTag("grid.finish_reason", _decoder?.FinishReason);
        Tracing.End(_span, _refusal?.Kind.ToString() ?? (_decoder?.FinishReason is "error" ? "error" : null));
    }

    /// <summary>Gets it a place in the line and starts the first attempts when it is its turn; gives the refusal of one that does not
    /// run.</summary>
    private async Task<Refusal?> EnterAsync(SequenceSpec spec, RunningSequence reader, CancellationToken noMoreWaits)
    {
        // All attempts must give the same bits: those the client was told, or that the model's name stands for.
        spec = spec with { NumericsId = spec.NumericsId ?? workers.Representative(spec.Model)?.Status.NumericsId };
        try
        {
            if (await PrepareAsync(spec, reader, noMoreWaits) is { } unusable)
            {
                return unusable;
            }

            _place = admission.Enter(spec, _promptTokens, reader.Reserved);
            if (spec.Follows)
            {
                reader.Begin(_launcher!.PromptIds, _launcher.MaxNewTokens);
            }

            while (true)
            {
                await admission.WaitAsync(_place, spec, reader.Left);
                _launcher!.Rank = _place.Rank;

                // Whoever asks does not look for a worker for ever; nor does a gateway that stops.
                using var limit = new CancellationTokenSource(options.Value.StartLimit, time);
                using var deadline = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, noMoreWaits);
                var refusal = await _run!.BeginAsync(deadline.Token);
                if (refusal is null)
                {
                    admission.Depart(_place);
                    reader.Begin(_launcher.PromptIds, _launcher.MaxNewTokens);
                    return null;
                }

                if (refusal.Kind != RefusalKind.Overloaded)
                {
                    return refusal is { Kind: RefusalKind.Unavailable, Field: null } ? WhyNone(spec) ?? refusal : refusal;
                }

                admission.Return(_place, spec);
            }
        }
        catch (RefusedException refused)
        {
            return refused.Refusal;
        }
    }

    /// <summary>Settles what is asked of the workers; the refusal of what they could not take.</summary>
    private async Task<Refusal?> PrepareAsync(SequenceSpec spec, RunningSequence reader, CancellationToken noMoreWaits)
    {
        if (spec.PromptText is null == spec.PromptIds is null)
        {
            return SequenceSpec.OnePrompt;
        }

        using var limit = new CancellationTokenSource(options.Value.StartLimit, time);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, noMoreWaits);
        bool Serves(LiveWorker worker) => worker.Status.NumericsId == spec.NumericsId && worker.Status.ModelId == spec.Model;
        if (spec.Worker is { } named && !workers.Live.Any(worker => Serves(worker) && worker.Status.Worker.Key == named))
        {
            return Refusal.Invalid(nameof(spec.Worker), named, "be the id of a worker that serves the model with the same bits (GET /v1/grid lists them)");
        }

        if (await workers.FindExpectedAsync(spec.NumericsId, Serves, deadline.Token) is not { } one)
        {
            return WhyNone(spec);
        }

        var tokenizer = one.Text?.Tokenizer;
        if (tokenizer is null && (spec.PromptIds is null || spec.StopStrings.Length > 0))
        {
            return Unusable(
                spec.PromptIds is null ? nameof(spec.PromptText) : nameof(spec.StopStrings),
                "needs a tokenizer, and the model is served without one: it takes token ids");
        }

        int quorum = QuorumOf(spec);
        var remembered = await RememberedOutput.FindAsync(spec.Resumed, workers.Live.Where(Serves), quorum);
        if (spec.Resumed is { ReportedTokens: > 0 } run)
        {
            metrics.CountResumption(spec.Model);
            LogResumed(Id, run.Name, remembered.Expected.Length, run.ReportedTokens);
        }

        string field = nameof(spec.PromptText);
        int[] promptIds;
        SequenceDecoder decoder;
        try
        {
            promptIds = spec.PromptIds ?? tokenizer!.Encode(spec.PromptText!, spec.ParseSpecialTokens, spec.AddSpecialTokens);
            field = nameof(spec.StopStrings);
            decoder = RememberedOutput.Replay(remembered.Known, () => new SequenceDecoder(
                tokenizer, spec.StopStrings, spec.Generation.MinNewTokens, spec.ShowsSpecialTokens, spec.ShowsStop));
        }
        catch (Exception exception) when (exception is ArgumentException or TextModelException)
        {
            return Unusable(field, $"cannot be used: {exception.Message.TrimEnd('.')}");
        }

        // Said before an answer has begun with another of the request's sequences.
        int vocabulary = one.Status.Limits.VocabularySize;
        if (Array.FindIndex(promptIds, id => id < 0 || id >= vocabulary) is var wrong and >= 0)
        {
            return Refusal.Invalid(nameof(spec.PromptIds), promptIds[wrong], $"be a token id from 0 to {vocabulary - 1}", wrong);
        }

        if (Array.FindIndex(spec.ExpectedOutputIds, id => id < 0 || id >= vocabulary) is var stranger and >= 0)
        {
            return Refusal.Invalid(nameof(spec.ExpectedOutputIds), spec.ExpectedOutputIds[stranger], $"be a token id from 0 to {vocabulary - 1}", stranger);
        }

        // Settled here for all attempts, now and after a resumption: where it ends must not depend on who runs it.
        if (SequenceLength.Settle(
            promptIds.Length, spec.Generation, workers.ContextOf(spec.NumericsId!), one.Status.Limits.MaxModelTokens, out var settled) is { } refusal)
        {
            return refusal;
        }

        (_decoder, _promptTokens) = (decoder, promptIds.Length);
        _launcher = new AttemptLauncher(
            new AttemptId(Id, 0), spec with { Generation = settled }, promptIds,
            spec.ExpectedOutputIds is [] ? remembered.Expected : spec.ExpectedOutputIds, decoder, _inbox.Writer, workers,
            options.Value, noMoreWaits, reader.Left);
        _run = new SequenceRun(_launcher, quorum, () => Publish(reader, decoder), metrics, logger);
        return null;
    }

    private int QuorumOf(SequenceSpec spec) => spec.CrossCheck || options.Value.CrossCheck ? 2 : 1;

    private static Refusal Unusable(string field, string rule) => new() { Kind = RefusalKind.Invalid, Field = field, Rule = rule };

    /// <summary>Why no worker takes sequences of the model and its bits; null where one does.</summary>
    private Refusal? WhyNone(SequenceSpec spec)
    {
        var states = workers.Live.Where(worker => worker.Status.NumericsId == spec.NumericsId && worker.Status.ModelId == spec.Model)
            .Select(worker => worker.State).ToHashSet();
        return states.Contains(WorkerState.Live) ? null
            : states.Contains(WorkerState.Updating) || workers.Representative(spec.Model) is { Status.WeightsSince: not null } newer && newer.Status.NumericsId != spec.NumericsId
                ? new Refusal { Kind = RefusalKind.WeightsChanged, Rule = $"Model '{spec.Model}' has got other weights." }
            : workers.Representative(spec.Model) is null ? workers.KnowsAll ? Refusal.ModelNotFound(nameof(spec.Model), spec.Model)
                : Refusal.Unavailable("This gateway has just started and is still asking the grid's nodes what they serve; try again.")
            : Refusal.Unavailable(
                states.Contains(WorkerState.Draining) ? $"Every worker of model '{spec.Model}' is shutting down."
                : states.Contains(WorkerState.Stuck) ? $"Every worker of model '{spec.Model}' hangs."
                : states.Contains(WorkerState.Quarantined) ? $"Every worker of model '{spec.Model}' is in quarantine: it was found to compute wrongly."
                : $"No worker of model '{spec.Model}' answers.");
    }

    private async Task ReadAsync(RunningSequence reader, SequenceDecoder decoder, SequenceRun run)
    {
        int counted = decoder.OutputIds.Count;
        while (decoder.FinishReason is null && await _inbox.Reader.WaitToReadAsync())
        {
            // Whatever has gathered becomes one update.
            while (decoder.FinishReason is null && _inbox.Reader.TryRead(out var item))
            {
                reader.Left.ThrowIfCancellationRequested();
                if (!_cachedKnown && item.Batch is { } batch && batch.Sequences[item.Index].Started)
                {
                    _cachedKnown = true;
                    reader.CachedTokens = Math.Min(batch.Sequences[item.Index].CachedTokens, _promptTokens); // Not those of an earlier run's output.
                }

                await run.TakeAsync(item);
            }

            Publish(reader, decoder);
            admission.Count(_place!, decoder.OutputIds.Count - counted);
            counted = decoder.OutputIds.Count;
        }
    }

    /// <summary>Ends it from this side, whether it has begun or not; nothing happens where it has ended.</summary>
    private void End(string reason, string? error)
    {
        if (_reader is { } reader)
        {
            if (!reader.Begun.IsCompletedSuccessfully && reader.IsAborted)
            {
                reader.Begin(_launcher?.PromptIds ?? _spec?.PromptIds ?? [], _launcher?.MaxNewTokens ?? 0);
            }
            else if (!reader.Begun.IsCompletedSuccessfully)
            {
                reader.Refuse(Refusal.Unavailable(error ?? "The sequence was cancelled."));
            }

            _decoder?.Finish(reason, error: error);
            Publish(reader, _decoder);
            if (_decoder is null)
            {
                reader.Write(new SequenceUpdate { FinishReason = reason, Error = error });
            }
        }
    }

    private void Publish(RunningSequence reader, SequenceDecoder? decoder)
    {
        if (decoder?.TakeUpdate() is { } update)
        {
            reader.Write(update.Refusal is { } refusal ? update with { Refusal = AsSeenHere(refusal) } : update);
        }
    }

    /// <summary>On a node that stops, workers that are gone are its own: it is the node that its reader should leave.</summary>
    private Refusal AsSeenHere(Refusal refusal) =>
        drain.HasBegun && refusal.Kind is (RefusalKind.Unavailable or RefusalKind.WorkerLost) ? refusal with { Kind = RefusalKind.Draining } : refusal;

    private static SequenceUpdate Refused(string reason) => new() { Refusal = Refusal.Unavailable(reason) };

    /// <summary>Whether a sequence failed for where it ran, and not for what it computes: this silo is leaving, or has lost the
    /// workers that could go on with it. Another silo, or the same a little later, may have them.</summary>
    private bool MayGoOnElsewhere(SequenceSpec spec) =>
        drain.HasBegun
        || workers.Live.Count(worker => worker.State == WorkerState.Live && worker.Status.ModelId == spec.Model && worker.Status.NumericsId == spec.NumericsId) < (spec.CrossCheck ? 2 : 1);

    private async Task<bool> ComesInTimeAsync(Task task, CancellationToken cancellationToken)
    {
        if (!task.IsCompleted)
        {
            // Its timer ends with the task: updates come by the hundred a second.
            await task.WaitAsync(s_heartbeat, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
        }

        return task.IsCompleted;
    }

    private async Task LetGoAsync(Task ended)
    {
        await ended;
        LetGo();
    }

    /// <summary>What still runs here after the silo has let go of the grain must not ask it to do so: Orleans throws then, and
    /// nobody would wait for that.</summary>
    private void LetGo()
    {
        if (!_gone)
        {
            DeactivateOnIdle();
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Sequence {Sequence} resumes {Name}: workers remember {Tokens} of its {Known} known tokens")]
    private partial void LogResumed(Guid sequence, Guid name, int tokens, int known);

    [LoggerMessage(Level = LogLevel.Error, Message = "Sequence {Sequence} broke off")]
    private partial void LogBroken(Exception exception, Guid sequence);
}
