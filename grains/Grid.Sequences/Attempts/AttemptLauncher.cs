using System.Diagnostics;
using System.Threading.Channels;
using Grid.Grains;
using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Sequences.Decoding;
using Grid.Sequences.Routing;

namespace Grid.Sequences.Attempts;

/// <summary>
/// Makes one sequence's attempts: asks workers whose bits are the sequence's, in order, each under an epoch of its own,
/// with the output so far. All attempts' events come to one inbox.
/// </summary>
/// <param name="firstEpoch">The sequence's id, and the first epoch that it has not used.</param>
/// <param name="spec">What was asked for, with its bits and a number of new tokens.</param>
/// <param name="promptIds">The prompt as ids.</param>
/// <param name="expected">Output that is remembered of an earlier run: attempts draw it many tokens in a step.</param>
/// <param name="decoder">Holds the output so far.</param>
/// <param name="inbox">Gets the events.</param>
/// <param name="workers">Who may run it.</param>
/// <param name="options">How often and how long to try.</param>
/// <param name="waitNoMore">Cancelled when nothing is waited for any more: this gateway stops, or nobody wants the sequence.</param>
/// <param name="left">Cancelled when nobody wants the sequence any more.</param>
internal sealed class AttemptLauncher(
    AttemptId firstEpoch, SequenceSpec spec, int[] promptIds, int[] expected, SequenceDecoder decoder, ChannelWriter<SequenceEvent> inbox,
    WorkerDirectory workers, SequencesOptions options, CancellationToken waitNoMore, CancellationToken left)
{
    private readonly SequenceLength _length = new(promptIds.Length, spec.Generation);
    private int _outputAtRestart;
    private int _fruitless;
    private bool _isAccepted;

    /// <summary>The output so far.</summary>
    public SequenceDecoder Decoder => decoder;

    /// <summary>The model's name.</summary>
    public string Model => spec.Model;

    /// <summary>How many sequences its client has before it (<see cref="SubmitRequest.Rank"/>).</summary>
    public int Rank { get; set; }

    /// <summary>The prompt as ids.</summary>
    public int[] PromptIds => promptIds;

    /// <summary>Output tokens at most.</summary>
    public int MaxNewTokens => _length.MaxNewTokens;

    /// <summary>The epoch that the next attempt will have.</summary>
    public int NextEpoch { get; private set; } = firstEpoch.Epoch;

    private WorkerPool Pool => workers.Pools.Of(spec.NumericsId);

    /// <summary>The serving worker that fits and has least to do, if there is one.</summary>
    public LiveWorker? Find(Func<LiveWorker, bool> fits) =>
        Pool.Workers.Where(worker => worker.State == WorkerState.Live && Fits(worker) && fits(worker)).MinBy(worker => worker.Queue.Sequences);

    /// <summary>Whether there is a worker that fits, or one may be back.</summary>
    public bool MayBeThere(Func<LiveWorker, bool> fits) =>
        workers.Expected.Any(worker => Fits(worker) && fits(worker) && worker.State != WorkerState.Quarantined);

    /// <summary>A new attempt, for <see cref="SubmitAsync"/>.</summary>
    public SequenceAttempt On(LiveWorker worker)
    {
        var id = firstEpoch with { Epoch = NextEpoch++ };
        var span = Tracing.Start("attempt", ActivityKind.Client, spec.Trace);
        span?.SetTag("grid.worker", worker.Status.Worker.Key);
        span?.SetTag("grid.sequence.epoch", id.Epoch);
        return new SequenceAttempt(id, worker, _length.IsCutShort(worker), span);
    }

    /// <summary>Offers an attempt to its worker, with the output so far; null when it is taken.</summary>
    /// <param name="attempt">The attempt.</param>
    /// <param name="uncachedTokens">Tokens that the worker has to compute for it, where that is known already.</param>
    public async Task<Refusal?> SubmitAsync(SequenceAttempt attempt, long? uncachedTokens = null)
    {
        var request = Request(attempt.Id, _length.For(attempt.Worker, spec.Generation)) with { Trace = attempt.Trace ?? spec.Trace };
        var refusal = await attempt.Worker.SubmitAsync(request, inbox, uncachedTokens);
        if (refusal is not null)
        {
            attempt.EndSpan(refusal.Kind.ToString());
        }

        return refusal;
    }

    /// <summary>Puts the news that an attempt is lost into the inbox.</summary>
    public void ReportLost(SequenceAttempt attempt) => inbox.TryWrite(SequenceEvent.WorkerLost(attempt.Id));

    /// <summary>An attempt among the workers that fit: those that are there, and where they are lost or hang just now, those
    /// that may be back before the deadline.</summary>
    public async Task<(SequenceAttempt? Attempt, Refusal? Refusal)> BeginAsync(Func<LiveWorker, bool> fits, CancellationToken deadline)
    {
        var refusal = Refusal.Unavailable("No worker is left.");
        for (int lost = 0; refusal.Kind == RefusalKind.Unavailable && lost < options.MaxFruitlessAttempts; lost++)
        {
            var candidate = await workers.FindExpectedAsync(spec.NumericsId, Both(fits), deadline);
            (var attempt, var reason) = await LaunchAsync(fits);
            if (attempt is not null)
            {
                return (attempt, null);
            }

            refusal = reason ?? refusal;
            if (candidate is null || deadline.IsCancellationRequested)
            {
                break;
            }
        }

        return (null, refusal);
    }

    /// <summary>Another attempt after a worker was lost: waits for one that fits.</summary>
    public async Task<(SequenceAttempt? Attempt, Refusal? Refusal)> RelaunchAsync(Func<LiveWorker, bool> fits)
    {
        _isAccepted = true;
        var refusal = Refusal.Unavailable("No worker with the same NumericsId and room for the sequence is left.");
        _fruitless = decoder.OutputIds.Count > _outputAtRestart ? 0 : _fruitless + 1;
        _outputAtRestart = decoder.OutputIds.Count;
        for (; _fruitless < options.MaxFruitlessAttempts; _fruitless++)
        {
            // A gateway whose grace time is over takes what is there, and does not wait for what may come.
            if (!await workers.WaitForAsync(Both(fits), options.FailoverWait, waitNoMore))
            {
                break;
            }

            (var attempt, var reason) = await LaunchAsync(fits);
            if (attempt is not null)
            {
                return (attempt, null);
            }

            refusal = reason ?? refusal;
            if (refusal.Kind == RefusalKind.Invalid)
            {
                break;
            }

            await Task.Delay(options.ReconnectDelay, left);
        }

        left.ThrowIfCancellationRequested();
        return (null, refusal);
    }

    /// <summary>Offers an attempt to the workers that fit, cheapest first, as long as one may still take it; gives the last refusal where none
    /// did.</summary>
    private async Task<(SequenceAttempt? Attempt, Refusal? Refusal)> LaunchAsync(Func<LiveWorker, bool> fits)
    {
        left.ThrowIfCancellationRequested();
        Refusal? refusal = null;
        HashSet<LiveWorker>? asked = null;
        var next = firstEpoch with { Epoch = NextEpoch };
        var prompt = new PromptPrefix(Request(next, spec.Generation));
        fits = Both(fits);
        while (WorkerChoice.Next(Pool, prompt, next, fits, asked) is var (candidate, uncached))
        {
            (asked ??= []).Add(candidate);

            // A call that failed may have arrived all the same; another attempt must not share its name.
            var attempt = On(candidate);
            refusal = await SubmitAsync(attempt, uncached);
            if (left.IsCancellationRequested)
            {
                attempt.Leave();
                left.ThrowIfCancellationRequested();
            }

            if (refusal is null)
            {
                return (attempt, null);
            }

            if (refusal.Kind == RefusalKind.Invalid)
            {
                break; // No other worker of this model would take it.
            }
        }

        return (null, refusal);
    }

    /// <summary>Those that fit, have the sequence's bits and room for another token of it.</summary>
    private Func<LiveWorker, bool> Both(Func<LiveWorker, bool> fits) => worker => Fits(worker) && fits(worker);

    private bool Fits(LiveWorker worker) =>
        worker.Status.NumericsId == spec.NumericsId && _length.Fits(worker, decoder.OutputIds.Count)
        && (spec.Worker is null || worker.Status.Worker.Key == spec.Worker);

    private SubmitRequest Request(AttemptId attempt, GenerationParameters generation)
    {
        if (generation.PromptLogprobsFrom is { } from && decoder.NextPromptIndex > from)
        {
            // Reported already by an earlier attempt, wholly or in part.
            int next = decoder.NextPromptIndex;
            bool allReported = next >= promptIds.Length;
            generation = generation with
            {
                PromptLogprobsFrom = allReported ? null : next,
                TopLogprobs = allReported && !generation.Logprobs ? 0 : generation.TopLogprobs, // Of nothing that is still to come.
            };
        }

        int prior = decoder.OutputIds.Count;
        return new SubmitRequest
        {
            Attempt = attempt,
            Gateway = workers.Gateway,
            NumericsId = spec.NumericsId!,
            PromptIds = promptIds,
            PriorOutputIds = [.. decoder.OutputIds],
            ExpectedOutputIds = [.. expected.Skip(prior).Take(generation.MaxNewTokens!.Value - prior)],
            Generation = generation,
            BypassesQueueLimit = _isAccepted,
            Rank = Rank,
            CacheSalt = spec.CacheSalt,
            Name = spec.Resumed?.Name ?? attempt.Sequence,
        };
    }
}
