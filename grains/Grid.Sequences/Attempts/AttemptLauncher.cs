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
/// <param name="sequence">The sequence.</param>
/// <param name="spec">What was asked for.</param>
/// <param name="promptIds">The prompt as ids.</param>
/// <param name="numericsId">All attempts must give these bits.</param>
/// <param name="decoder">Holds the output so far.</param>
/// <param name="inbox">Gets the events.</param>
/// <param name="workers">Who may run it.</param>
/// <param name="options">How often and how long to try.</param>
/// <param name="patience">How long the sequence's beginning may take.</param>
/// <param name="graceOver">Cancelled when this gateway stops and waits for nothing any more.</param>
internal sealed class AttemptLauncher(
    Guid sequence, SequenceSpec spec, int[] promptIds, string numericsId, SequenceDecoder decoder,
    ChannelWriter<SequenceEvent> inbox, WorkerDirectory workers, SequencesOptions options, StartPatience patience, CancellationToken graceOver)
{
    private readonly SequenceLength _length = new(promptIds.Length, spec.Generation);
    private int _nextEpoch;
    private int _outputAtRestart;
    private int _fruitless;
    private bool _resumed;

    /// <summary>The epoch of the last attempt.</summary>
    public int Epoch => Math.Max(0, _nextEpoch - 1);

    /// <summary>Workers whose bits are the sequence's and that have room for another token of it.</summary>
    public bool Fits(LiveWorker worker) =>
        worker.Status.NumericsId == numericsId && _length.Fits(worker, decoder.OutputIds.Count);

    /// <summary>A new attempt, for <see cref="SubmitAsync"/>.</summary>
    public SequenceAttempt On(LiveWorker worker) =>
        new(new AttemptId(sequence, _nextEpoch++), worker, _length.IsCutShort(worker));

    /// <summary>Offers an attempt to its worker, with the output so far.</summary>
    public Task<Refusal?> SubmitAsync(SequenceAttempt attempt) =>
        attempt.SubmitAsync(Request(attempt.Id, _length.For(attempt.Worker, spec.Generation)), inbox);

    /// <summary>Puts the news that an attempt is lost into the inbox.</summary>
    public void ReportLost(SequenceAttempt attempt) => inbox.TryWrite(SequenceEvent.WorkerLost(attempt.Id));

    /// <summary>Offers an attempt to the candidates, cheapest first, as long as one may still take it.</summary>
    public async Task<Launch> LaunchAsync(IEnumerable<LiveWorker> candidates)
    {
        var refusal = Refusal.Unavailable("No worker is left.");
        var cheapestFirst = WorkerChoice.Order(candidates.Where(Fits), Request(new AttemptId(sequence, _nextEpoch), spec.Generation));
        foreach (var candidate in cheapestFirst)
        {
            // A call that failed may have arrived all the same; another attempt must not share its name.
            var attempt = On(candidate);
            if (await SubmitAsync(attempt) is not { } refused)
            {
                if (decoder.FinishReason is not null)
                {
                    attempt.Leave(); // Cancelled meanwhile.
                }

                return new Launch(attempt, null);
            }

            refusal = refused;
            if (refusal.Kind == RefusalKind.Invalid || decoder.FinishReason is not null)
            {
                break; // No other worker of this model would take it, or nobody wants it any more.
            }
        }

        return new Launch(null, refusal);
    }

    /// <summary>Launches among the workers that fit: those that are there, and where they are lost or hang just now, those
    /// that may be back.</summary>
    /// <param name="fits">Which workers; of them those with the sequence's bits.</param>
    /// <param name="first">Whom to ask first; null looks for them.</param>
    public async Task<Launch> BeginAsync(Func<LiveWorker, bool> fits, IEnumerable<LiveWorker>? first = null)
    {
        var launch = await LaunchAsync(first ?? await workers.FindExpectedAsync(Both(fits), patience.Left, graceOver));
        for (int lost = 1; launch.Refusal?.Kind == RefusalKind.Unavailable && lost < options.MaxFruitlessAttempts && !patience.IsOver; lost++)
        {
            var others = await workers.FindExpectedAsync(Both(fits), patience.Left, graceOver);
            if (others.Length == 0 || decoder.FinishReason is not null)
            {
                break;
            }

            launch = await LaunchAsync(others);
        }

        return launch;
    }

    /// <summary>Another launch after a worker was lost: waits for one that fits.</summary>
    public async Task<Launch> RelaunchAsync(Func<LiveWorker, bool> fits)
    {
        _resumed = true;
        var launch = new Launch(null, Refusal.Unavailable("No worker with the same NumericsId and room for the sequence is left."));
        _fruitless = decoder.OutputIds.Count > _outputAtRestart ? 0 : _fruitless + 1;
        _outputAtRestart = decoder.OutputIds.Count;
        for (; _fruitless < options.MaxFruitlessAttempts; _fruitless++)
        {
            // A gateway whose grace time is over takes what is there, and does not wait for what may come.
            bool found = await workers.WaitUnlessAsync(Both(fits), options.FailoverWait, graceOver);
            if (!found || decoder.FinishReason is not null)
            {
                break;
            }

            launch = await LaunchAsync(workers.Find(Both(fits)));
            if (launch.Refusal is null or { Kind: RefusalKind.Invalid })
            {
                break;
            }

            await Task.Delay(options.ReconnectDelay, CancellationToken.None);
        }

        return launch;
    }

    private Func<LiveWorker, bool> Both(Func<LiveWorker, bool> fits) => worker => Fits(worker) && fits(worker);

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

        return new SubmitRequest
        {
            Attempt = attempt,
            Gateway = workers.Gateway,
            NumericsId = numericsId,
            PromptIds = promptIds,
            PriorOutputIds = [.. decoder.OutputIds],
            Generation = generation,
            Resumed = _resumed,
            Name = spec.Former?.Name ?? sequence,
        };
    }
}
