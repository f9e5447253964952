using System.Threading.Channels;
using Grid.Grains;
using Grid.Grains.Messages;
using Grid.Sequences.Decoding;
using Grid.Sequences.Routing;

namespace Grid.Sequences.Attempts;

/// <summary>
/// Makes one sequence's attempts: asks workers whose bits are the sequence's, in order, each under an epoch of its own,
/// with the output so far. All attempts' events come to one inbox.
/// </summary>
/// <param name="sequence">The sequence.</param>
/// <param name="start">What was asked for.</param>
/// <param name="promptIds">The prompt as ids.</param>
/// <param name="numericsId">All attempts must give these bits.</param>
/// <param name="decoder">Holds the output so far.</param>
/// <param name="inbox">Gets the events.</param>
/// <param name="workers">Who may run it.</param>
/// <param name="options">How often and how long to try.</param>
/// <param name="stopping">This gateway is stopping.</param>
internal sealed class AttemptLauncher(
    Guid sequence, SequenceStart start, int[] promptIds, string numericsId, SequenceDecoder decoder,
    ChannelWriter<SequenceEvent> inbox, WorkerDirectory workers, SequencesOptions options, CancellationToken stopping)
{
    private int _nextEpoch;
    private int _outputAtRestart;
    private int _fruitless;
    private bool _resumed;

    /// <summary>The epoch of the last attempt.</summary>
    public int Epoch => Math.Max(0, _nextEpoch - 1);

    /// <summary>Workers whose bits are the sequence's.</summary>
    public bool Fits(LiveWorker worker) => worker.Status.NumericsId == numericsId;

    /// <summary>A new attempt, for <see cref="SubmitAsync"/>.</summary>
    public SequenceAttempt On(LiveWorker worker) => new(new AttemptId(sequence, _nextEpoch++), worker);

    /// <summary>Offers an attempt to its worker, with the output so far.</summary>
    public Task<SubmitReply> SubmitAsync(SequenceAttempt attempt) => attempt.SubmitAsync(Request(attempt.Id), inbox);

    /// <summary>Puts the news that an attempt is lost into the inbox.</summary>
    public void ReportLost(SequenceAttempt attempt) => inbox.TryWrite(SequenceEvent.WorkerLost(attempt.Id));

    /// <summary>Offers an attempt to the candidates, cheapest first, as long as one may still take it.</summary>
    public async Task<Launch> LaunchAsync(IEnumerable<LiveWorker> candidates)
    {
        var reply = SubmitReply.Refused(RefusalKind.Unavailable, "No worker is left.");
        var cheapestFirst = WorkerChoice.Order(candidates.Where(Fits), Request(new AttemptId(sequence, _nextEpoch)));
        foreach (var candidate in cheapestFirst)
        {
            // A call that failed may have arrived all the same; another attempt must not share its name.
            var attempt = On(candidate);
            reply = await SubmitAsync(attempt);
            if (reply.Refusal == RefusalKind.None)
            {
                if (decoder.FinishReason is not null)
                {
                    attempt.Leave(); // Cancelled meanwhile.
                }

                return new Launch(attempt, reply);
            }

            if (reply.Refusal == RefusalKind.Invalid || decoder.FinishReason is not null)
            {
                break; // No other worker of this model would take it, or nobody wants it any more.
            }
        }

        return Launch.Failed(reply);
    }

    /// <summary>Launches among the workers that fit: those that are there, and where they are lost or hang just now, those
    /// that may be back.</summary>
    /// <param name="fits">Which workers; of them those with the sequence's bits.</param>
    /// <param name="first">Whom to ask first; null looks for them.</param>
    public async Task<Launch> BeginAsync(Func<LiveWorker, bool> fits, IEnumerable<LiveWorker>? first = null)
    {
        var launch = await LaunchAsync(first ?? await workers.FindExpectedAsync(Both(fits), stopping));
        for (int lost = 1; launch.Reply.Refusal == RefusalKind.Unavailable && lost < options.MaxFruitlessAttempts; lost++)
        {
            var others = await workers.FindExpectedAsync(Both(fits), stopping);
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
        var launch = Launch.Failed(SubmitReply.Refused(RefusalKind.Unavailable, "No worker with the same NumericsId is left."));
        _fruitless = decoder.OutputIds.Count > _outputAtRestart ? 0 : _fruitless + 1;
        _outputAtRestart = decoder.OutputIds.Count;
        for (; _fruitless < options.MaxFruitlessAttempts; _fruitless++)
        {
            // A gateway that is stopping itself takes what is there, and does not wait for what may come.
            var patience = stopping.IsCancellationRequested ? TimeSpan.Zero : options.FailoverWait;
            bool found = await workers.WaitForAsync(Both(fits), patience, CancellationToken.None);
            if (!found || decoder.FinishReason is not null)
            {
                break;
            }

            launch = await LaunchAsync(workers.Find(Both(fits)));
            if (launch.Reply.Refusal is RefusalKind.None or RefusalKind.Invalid)
            {
                break;
            }

            await Task.Delay(options.ReconnectDelay, CancellationToken.None);
        }

        return launch;
    }

    private Func<LiveWorker, bool> Both(Func<LiveWorker, bool> fits) => worker => Fits(worker) && fits(worker);

    private SubmitRequest Request(AttemptId attempt)
    {
        var generation = start.Generation;
        if (generation.PromptLogprobsFrom is { } from && decoder.NextPromptIndex > from)
        {
            // Reported already by an earlier attempt, wholly or in part.
            int next = decoder.NextPromptIndex;
            generation = generation with { PromptLogprobsFrom = next < promptIds.Length ? next : null };
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
        };
    }
}
