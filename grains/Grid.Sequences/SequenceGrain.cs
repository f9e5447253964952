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
/// One sequence: takes it from its spec to its last token, over as many attempts as that takes. Runs on the gateway's
/// own silo; kept alive until the sequence ends, then lets go of itself.
/// </summary>
[NamedSiloPlacement, GrainDirectory(NamedSiloDirectory.Name), Immovable, KeepAlive, Reentrant, GrainType("grid-sequence")]
internal sealed partial class SequenceGrain(
    SequenceTable table, WorkerDirectory workers, IOptions<SequencesOptions> options, GraceTime grace,
    TimeProvider time, ILogger<SequenceGrain> logger)
    : Grain, ISequenceGrain
{
    private readonly Channel<SequenceEvent> _inbox =
        Channel.CreateUnbounded<SequenceEvent>(new() { SingleReader = true });

    private SequenceSpec? _spec;
    private RunningSequence? _reader;
    private SequenceDecoder? _decoder;
    private AttemptLauncher? _launcher;
    private ISequenceRun? _run;
    private ITimer? _clock;
    private int _promptTokens;
    private bool _cachedKnown;
    private bool _gone;

    private Guid Id => Guid.ParseExact(SiloKey.Parse(this.GetPrimaryKeyString()).Rest, "N");

    /// <inheritdoc/>
    public async Task<Refusal?> Start(SequenceSpec spec)
    {
        if (_spec is not null)
        {
            throw new InvalidOperationException($"Sequence {Id:N} was started already.");
        }

        bool running = false;
        try
        {
            _spec = spec;
            _reader = table.Find(Id) ?? throw new InvalidOperationException($"Nobody on this silo reads sequence {Id:N}.");
            var refusal = await BeginAsync(spec, _reader);
            running = refusal is null && table.Find(Id) is not null;
            return running ? null : refusal ?? Refusal.Unavailable("Whoever asked for the sequence has not waited for it.");
        }
        finally
        {
            if (running)
            {
                // Not awaited: it runs in this grain's turns until the sequence ends.
                _ = RunAsync(_reader!, _decoder!);
            }
            else
            {
                _run?.Leave();
                LetGo();
            }
        }
    }

    /// <inheritdoc/>
    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        _gone = true;

        // The silo stops while the sequence runs: its reader must not wait for ever.
        if (_decoder is { FinishReason: null } decoder && _reader is { } reader)
        {
            decoder.Finish("error", error: "The gateway is shutting down.");
            Publish(reader, decoder);
            _inbox.Writer.TryComplete();
        }

        _clock?.Dispose();
        return base.OnDeactivateAsync(reason, cancellationToken);
    }

    /// <inheritdoc/>
    public Task Cancel()
    {
        if (_spec is null)
        {
            LetGo(); // Never begun here: this call alone has brought it up.
        }
        else if (_decoder is { FinishReason: null } decoder && _reader is { } reader)
        {
            decoder.Finish("abort");
            _run?.Leave();
            Publish(reader, decoder);
            End();
        }

        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task<SequenceState?> GetState()
    {
        if (_spec is not { } spec)
        {
            LetGo();
            return Task.FromResult<SequenceState?>(null);
        }

        return Task.FromResult<SequenceState?>(new SequenceState
        {
            Id = Id,
            Model = spec.Model,
            Worker = _run?.Current?.Worker.Status.Worker,
            Epoch = _launcher?.Epoch ?? 0,
            PromptTokens = _promptTokens,
            OutputTokens = _decoder?.OutputIds.Count ?? 0,
            FinishReason = _decoder?.FinishReason,
        });
    }

    private async Task<Refusal?> BeginAsync(SequenceSpec spec, RunningSequence reader)
    {
        // All attempts must give the same bits: those the client was told, or that the model's name stands for.
        string? served = workers.Representative(spec.Model)?.Status.NumericsId;
        string? numericsId = spec.NumericsId ?? served;
        bool Serves(LiveWorker worker) => worker.Status.NumericsId == numericsId && worker.Status.ModelId == spec.Model;
        var patience = new StartPatience(time, options.Value.StartLimit);
        var candidates = await workers.FindExpectedAsync(Serves, patience.Left, grace.Over);
        if (candidates.Length == 0)
        {
            return served is not null ? Refusal.Unavailable(WhyNone(spec.Model, workers.Live.Where(Serves)))
                : workers.KnowsAll ? Refusal.Invalid(nameof(spec.Model), spec.Model, "be a model that is served") with { Kind = RefusalKind.ModelNotFound }
                : Refusal.Unavailable("This gateway has just started and is still asking the grid's nodes what they serve; try again.");
        }

        var tokenizer = candidates[0].Text?.Tokenizer;
        if (tokenizer is null && (spec.PromptIds is null || spec.StopStrings.Length > 0))
        {
            return Unusable(
                spec.PromptIds is null ? nameof(spec.PromptText) : nameof(spec.StopStrings),
                "needs a tokenizer, and the model is served without one: it takes token ids");
        }

        bool isChecked = spec.CrossCheck || options.Value.CrossCheck;
        int[] known = await FormerOutput.FindAsync(spec.Former, [.. workers.Live.Where(Serves)], isChecked);
        if (spec.Former is { KnownTokens: > 0 } former)
        {
            LogTakenUp(Id, former.Name, known.Length, former.KnownTokens);
        }

        string field = nameof(spec.PromptText);
        int[] promptIds;
        SequenceDecoder decoder;
        try
        {
            promptIds = spec.PromptIds ?? tokenizer!.Encode(spec.PromptText!, spec.ParseSpecialTokens, spec.AddSpecialTokens);
            field = nameof(spec.StopStrings);
            decoder = FormerOutput.Take(known, () => new SequenceDecoder(tokenizer, spec.StopStrings));
        }
        catch (Exception exception) when (exception is ArgumentException or TextModelException)
        {
            return Unusable(field, $"cannot be used: {exception.Message.TrimEnd('.')}");
        }

        // Settled here for all attempts, now and after a resumption: where it ends must not depend on who runs it.
        if (SequenceLength.Settle(
            promptIds.Length, spec.Generation, workers.ContextOf(numericsId!), candidates[0].Status.Limits.MaxModelTokens, out var settled) is { } refusal)
        {
            return refusal;
        }

        _promptTokens = promptIds.Length;
        _decoder = decoder;
        _launcher = new AttemptLauncher(
            Id, spec with { Generation = settled }, promptIds, numericsId!, _decoder, _inbox.Writer, workers, options.Value, patience,
            grace.Over);
        reader.SetPrompt(promptIds, settled.MaxNewTokens!.Value);
        var context = new RunContext(Id, _launcher, _decoder, workers, () => Publish(reader, _decoder));
        _run = isChecked ? new CheckedRun(context, logger) : new SingleRun(context, logger);
        return await _run.BeginAsync(candidates);
    }

    private static Refusal Unusable(string field, string rule) => new() { Kind = RefusalKind.Invalid, Field = field, Rule = rule };

    private static string WhyNone(string model, IEnumerable<LiveWorker> workers)
    {
        var conditions = workers.Select(worker => worker.Condition).ToHashSet();
        return conditions.Contains(WorkerCondition.Draining) ? $"Every worker of model '{model}' is shutting down."
            : conditions.Contains(WorkerCondition.Stuck) ? $"Every worker of model '{model}' hangs."
            : conditions.Contains(WorkerCondition.Quarantined) ? $"Every worker of model '{model}' is in quarantine: it was found to compute wrongly."
            : $"No worker of model '{model}' answers.";
    }

    private async Task RunAsync(RunningSequence reader, SequenceDecoder decoder)
    {
        if (options.Value.HedgeAfter is { } patience)
        {
            var tick = patience / SequencesOptions.HedgeTicks;
            _clock = time.CreateTimer(_ => _inbox.Writer.TryWrite(SequenceEvent.Tick), null, tick, tick);
        }

        try
        {
            while (decoder.FinishReason is null && await _inbox.Reader.WaitToReadAsync())
            {
                // Whatever has gathered becomes one update.
                while (decoder.FinishReason is null && _inbox.Reader.TryRead(out var item))
                {
                    await TakeAsync(item, reader);
                }

                Publish(reader, decoder);
            }
        }
        catch (Exception exception)
        {
            LogBroken(exception, Id);
            decoder.Finish("error", error: "The sequence broke off inside the grid.");
            Publish(reader, decoder);
        }
        finally
        {
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
            LogBroken(exception, Id);
        }

        End();
    }

    private Task TakeAsync(SequenceEvent item, RunningSequence reader)
    {
        if (!_cachedKnown && item.Batch is { } batch && batch.Sequences[item.Index].Started)
        {
            _cachedKnown = true;
            reader.SetCachedTokens(Math.Min(batch.Sequences[item.Index].CachedTokens, _promptTokens)); // Not those of a former run's output.
        }

        return _run!.TakeAsync(item);
    }

    private static void Publish(RunningSequence reader, SequenceDecoder decoder)
    {
        if (decoder.TakeUpdate() is { } update)
        {
            reader.Write(update);
        }
    }

    private void End()
    {
        _clock?.Dispose();
        _inbox.Writer.TryComplete();
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

    [LoggerMessage(Level = LogLevel.Information, Message = "Sequence {Sequence} takes {Name} up: workers remember {Tokens} of its {Known} known tokens")]
    private partial void LogTakenUp(Guid sequence, Guid name, int tokens, int known);

    [LoggerMessage(Level = LogLevel.Error, Message = "Sequence {Sequence} broke off")]
    private partial void LogBroken(Exception exception, Guid sequence);
}
