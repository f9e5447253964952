using System.Threading.Channels;
using Grid.Grains;
using Grid.Grains.Messages;
using Grid.Grains.Placement;
using Grid.Sequences.Attempts;
using Grid.Sequences.Decoding;
using Grid.Sequences.Routing;
using Microsoft.Extensions.Hosting;
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
    SequenceTable table, WorkerDirectory workers, IOptions<SequencesOptions> options, IHostApplicationLifetime lifetime,
    ILogger<SequenceGrain> logger)
    : Grain, ISequenceGrain
{
    private readonly Channel<SequenceEvent> _inbox =
        Channel.CreateUnbounded<SequenceEvent>(new() { SingleReader = true });

    private SequenceStart? _start;
    private RunningSequence? _reader;
    private SequenceDecoder? _decoder;
    private AttemptLauncher? _launcher;
    private SequenceAttempt? _attempt;
    private int _promptTokens;
    private bool _cachedKnown;

    private Guid Id => Guid.ParseExact(SiloKey.Parse(this.GetPrimaryKeyString()).Rest, "N");

    /// <inheritdoc/>
    public async Task<SubmitReply> Start(SequenceStart start)
    {
        if (_start is not null)
        {
            throw new InvalidOperationException($"Sequence {Id:N} was started already.");
        }

        bool running = false;
        try
        {
            _start = start;
            _reader = table.Find(Id) ?? throw new InvalidOperationException($"Nobody on this silo reads sequence {Id:N}.");
            var reply = await BeginAsync(start, _reader);
            running = reply.Refusal == RefusalKind.None;
            return reply;
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
                DeactivateOnIdle();
            }
        }
    }

    /// <inheritdoc/>
    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        // The silo stops while the sequence runs: its reader must not wait for ever.
        if (_decoder is { FinishReason: null } decoder && _reader is { } reader)
        {
            decoder.Finish("error", error: "The gateway is shutting down.");
            Publish(reader, decoder);
            _inbox.Writer.TryComplete();
        }

        return base.OnDeactivateAsync(reason, cancellationToken);
    }

    /// <inheritdoc/>
    public Task Cancel()
    {
        if (_decoder is { FinishReason: null } decoder && _reader is { } reader)
        {
            decoder.Finish("abort");
            Leave();
            Publish(reader, decoder);
            End();
        }

        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task<SequenceState?> GetState()
    {
        if (_start is not { } start)
        {
            DeactivateOnIdle();
            return Task.FromResult<SequenceState?>(null);
        }

        return Task.FromResult<SequenceState?>(new SequenceState
        {
            Id = Id,
            Model = start.Model,
            Worker = _attempt?.Worker.Status.Worker,
            Epoch = _launcher?.Epoch ?? 0,
            PromptTokens = _promptTokens,
            OutputTokens = _decoder?.OutputIds.Count ?? 0,
            FinishReason = _decoder?.FinishReason,
        });
    }

    private async Task<SubmitReply> BeginAsync(SequenceStart start, RunningSequence reader)
    {
        // All attempts must give the same bits: those the client was told, or that the model's name stands for.
        string? served = workers.Representative(start.Model)?.Status.NumericsId;
        string? numericsId = start.NumericsId ?? served;
        bool Serves(LiveWorker worker) => worker.Status.NumericsId == numericsId && worker.Status.ModelId == start.Model;
        var candidates = await workers.FindExpectedAsync(Serves, lifetime.ApplicationStopping);
        if (candidates.Length == 0)
        {
            return served is null
                ? SubmitReply.Refused(RefusalKind.ModelNotFound, $"Model '{start.Model}' is not served here.", "model")
                : SubmitReply.Refused(RefusalKind.Unavailable, workers.Live.Any(Serves)
                    ? $"Every worker of model '{start.Model}' is shutting down."
                    : $"No worker of model '{start.Model}' answers.");
        }

        var tokenizer = candidates[0].Text?.Tokenizer;
        if (tokenizer is null && (start.PromptIds is null || start.StopStrings.Length > 0))
        {
            return SubmitReply.Refused(
                RefusalKind.Invalid, $"Model '{start.Model}' is served without a tokenizer: it takes token ids, and no text or stop strings.",
                start.PromptIds is null ? nameof(SequenceSpec.PromptText) : nameof(SequenceSpec.StopStrings));
        }

        int[] promptIds = start.PromptIds ?? tokenizer!.Encode(start.PromptText!, start.ParseSpecialTokens, start.AddSpecialTokens);
        _promptTokens = promptIds.Length;
        _decoder = new SequenceDecoder(tokenizer, start.StopStrings);

        _launcher = new AttemptLauncher(
            Id, start, promptIds, numericsId!, _decoder, _inbox.Writer, workers, options.Value,
            lifetime.ApplicationStopping);
        reader.SetPrompt(promptIds);
        (_attempt, var reply) = await _launcher.BeginAsync(candidates);
        return reply;
    }

    private async Task RunAsync(RunningSequence reader, SequenceDecoder decoder)
    {
        try
        {
            while (decoder.FinishReason is null && await _inbox.Reader.WaitToReadAsync())
            {
                // Whatever has gathered becomes one update.
                while (decoder.FinishReason is null && _inbox.Reader.TryRead(out var item))
                {
                    await TakeAsync(item, reader, decoder);
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

        Leave();
        End();
    }

    private async Task TakeAsync(SequenceEvent item, RunningSequence reader, SequenceDecoder decoder)
    {
        if (item.Attempt != _attempt?.Id)
        {
            return; // An older epoch's news.
        }

        if (item.Batch is not { } batch)
        {
            await RestartAsync(reader, decoder);
            return;
        }

        if (!_cachedKnown && batch.Sequences[item.Index].Started)
        {
            _cachedKnown = true;
            reader.SetCachedTokens(batch.Sequences[item.Index].CachedTokens);
        }

        decoder.Apply(batch, item.Index);
    }

    /// <summary>The worker was lost: goes on elsewhere with a new epoch, prompt and output so far.</summary>
    private async Task RestartAsync(RunningSequence reader, SequenceDecoder decoder)
    {
        LogRestart(Id, _attempt!.Id.Epoch, _attempt.Worker.Status.Worker.Key);
        _attempt = null;
        Publish(reader, decoder);
        (_attempt, var reply) = await _launcher!.RelaunchAsync();
        if (_attempt is null)
        {
            decoder.Finish("error", error: $"The worker was lost and the sequence could not go on elsewhere: {reply.Message}");
        }
    }

    private static void Publish(RunningSequence reader, SequenceDecoder decoder)
    {
        if (decoder.TakeUpdate() is { } update)
        {
            reader.Write(update);
        }
    }

    private void Leave()
    {
        _attempt?.Leave();
        _attempt = null;
    }

    private void End()
    {
        _inbox.Writer.TryComplete();
        DeactivateOnIdle();
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Sequence {Sequence} lost worker {Worker} in epoch {Epoch} and restarts")]
    private partial void LogRestart(Guid sequence, int epoch, string? worker);

    [LoggerMessage(Level = LogLevel.Error, Message = "Sequence {Sequence} broke off")]
    private partial void LogBroken(Exception exception, Guid sequence);
}
