using System.Threading.Channels;
using Grid.Grains;
using Grid.Grains.Messages;
using Grid.Grains.Placement;
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
    private LiveWorker? _worker;
    private string _numericsId = "";
    private int[] _promptIds = [];
    private int _epoch;
    private int _outputAtRestart;
    private int _fruitless;
    private bool _cachedKnown;

    private Guid Id => Guid.ParseExact(SiloKey.Parse(this.GetPrimaryKeyString()).Rest, "N");

    private AttemptId Attempt => new(Id, _epoch);

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
            Worker = _worker?.Status.Worker,
            Epoch = _epoch,
            PromptTokens = _promptIds.Length,
            OutputTokens = _decoder?.OutputIds.Count ?? 0,
            FinishReason = _decoder?.FinishReason,
        });
    }

    private async Task<SubmitReply> BeginAsync(SequenceStart start, RunningSequence reader)
    {
        bool Serves(LiveWorker worker) => worker.Status.ModelId == start.Model;
        var candidates = await FindCandidatesAsync(Serves);
        if (candidates.Length == 0)
        {
            return !workers.Expected.Any(Serves)
                ? SubmitReply.Refused(RefusalKind.ModelNotFound, $"Model '{start.Model}' is not served here.", "model")
                : SubmitReply.Refused(RefusalKind.Unavailable, workers.Live.Any(Serves)
                    ? $"Every worker of model '{start.Model}' is shutting down."
                    : $"No worker of model '{start.Model}' answers.");
        }

        // All attempts must give the same bits: the least loaded worker's contract is the sequence's from here on.
        _numericsId = candidates[0].Status.NumericsId;
        var tokenizer = candidates[0].Text?.Tokenizer;
        if (tokenizer is null && (start.PromptIds is null || start.StopStrings.Length > 0))
        {
            return SubmitReply.Refused(
                RefusalKind.Invalid, $"Model '{start.Model}' is served without a tokenizer: it takes token ids, and no text or stop strings.",
                start.PromptIds is null ? nameof(SequenceSpec.PromptText) : nameof(SequenceSpec.StopStrings));
        }

        _promptIds = start.PromptIds ?? tokenizer!.Encode(start.PromptText!, start.ParseSpecialTokens, start.AddSpecialTokens);
        _decoder = new SequenceDecoder(tokenizer, start.StopStrings);
        reader.SetPrompt(_promptIds);
        var reply = await SubmitAsync(candidates, start, _decoder);
        for (int lost = 1; reply.Refusal == RefusalKind.Unavailable && lost < options.Value.MaxFruitlessAttempts; lost++)
        {
            candidates = await FindCandidatesAsync(worker => worker.Status.NumericsId == _numericsId);
            if (candidates.Length == 0 || _decoder.FinishReason is not null)
            {
                break;
            }

            reply = await SubmitAsync(candidates, start, _decoder);
        }

        return reply;
    }

    /// <summary>Workers that may take the sequence. Where the last one has just been lost, it or another is waited for, as
    /// running sequences wait.</summary>
    private async Task<LiveWorker[]> FindCandidatesAsync(Func<LiveWorker, bool> serves)
    {
        if (!workers.Live.Any(serves) && workers.Expected.Any(serves) && !lifetime.ApplicationStopping.IsCancellationRequested)
        {
            try
            {
                await workers.WaitForAsync(serves, options.Value.FailoverWait, lifetime.ApplicationStopping);
            }
            catch (OperationCanceledException)
            {
                // A gateway that is stopping takes what is there.
            }
        }

        return workers.Find(serves);
    }

    /// <summary>Offers the current attempt to the candidates in order; the first that takes it becomes the worker.</summary>
    private async Task<SubmitReply> SubmitAsync(LiveWorker[] candidates, SequenceStart start, SequenceDecoder decoder)
    {
        var reply = SubmitReply.Refused(RefusalKind.Unavailable, "No worker is left.");
        foreach (var candidate in candidates.Where(candidate => candidate.Status.NumericsId == _numericsId))
        {
            reply = await candidate.SubmitAsync(Request(start, decoder), _inbox.Writer);
            if (reply.Refusal == RefusalKind.None)
            {
                _worker = candidate;
                if (decoder.FinishReason is not null)
                {
                    Leave(); // Cancelled meanwhile.
                }

                return reply;
            }

            if (reply.Refusal == RefusalKind.Invalid)
            {
                return reply; // No other worker of this model would take it.
            }

            // A call that failed may have arrived all the same; another attempt must not share its name.
            _epoch++;
        }

        return reply;
    }

    private SubmitRequest Request(SequenceStart start, SequenceDecoder decoder)
    {
        var generation = start.Generation;
        if (generation.PromptLogprobsFrom is { } from && decoder.NextPromptIndex > from)
        {
            // Reported already by an earlier attempt, wholly or in part.
            int next = decoder.NextPromptIndex;
            generation = generation with { PromptLogprobsFrom = next < _promptIds.Length ? next : null };
        }

        return new SubmitRequest
        {
            Attempt = Attempt,
            Gateway = workers.Gateway,
            NumericsId = _numericsId,
            PromptIds = _promptIds,
            PriorOutputIds = [.. decoder.OutputIds],
            Generation = generation,
        };
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
        if (item.Attempt != Attempt)
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
        LogRestart(Id, _epoch, _worker?.Status.Worker.Key);
        _worker = null;
        Publish(reader, decoder);
        var reply = SubmitReply.Refused(RefusalKind.Unavailable, "No worker with the same NumericsId is left.");
        bool Fits(LiveWorker worker) => worker.Status.NumericsId == _numericsId;
        _fruitless = decoder.OutputIds.Count > _outputAtRestart ? 0 : _fruitless + 1;
        _outputAtRestart = decoder.OutputIds.Count;
        for (_epoch++; _fruitless < options.Value.MaxFruitlessAttempts; _epoch++, _fruitless++)
        {
            // A gateway that is stopping itself takes what is there, and does not wait for what may come.
            var patience = lifetime.ApplicationStopping.IsCancellationRequested ? TimeSpan.Zero : options.Value.FailoverWait;
            bool found = await workers.WaitForAsync(Fits, patience, CancellationToken.None);
            if (!found || decoder.FinishReason is not null)
            {
                break;
            }

            reply = await SubmitAsync(workers.Find(Fits), _start!, decoder);
            if (reply.Refusal is RefusalKind.None or RefusalKind.Invalid)
            {
                break;
            }

            await Task.Delay(options.Value.ReconnectDelay);
        }

        if (reply.Refusal != RefusalKind.None)
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

    /// <summary>Stops listening, and ends the attempt at the worker in case it still runs there.</summary>
    private void Leave()
    {
        if (_worker is not { } worker)
        {
            return;
        }

        _worker = null;
        worker.Demultiplexer.Remove(Attempt);
        if (worker.IsOpen)
        {
            worker.Grain.Cancel(Attempt).Ignore();
        }
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
