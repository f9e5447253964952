using Grid.Grains.Messages;
using Grid.Sequences.Decoding;
using Grid.Sequences.Routing;

namespace Grid.Sequences.Attempts;

/// <summary>
/// What workers remember of an earlier run of a sequence, so that a resumption goes on where it was instead of from its beginning. All of
/// it is a function of the sequence: whoever drew the ids drew the right ones, and with none of them it is only slower.
/// </summary>
/// <param name="Known">The first ids, as many of the known ones as a worker remembers: they are taken for output. Where that is not taken on
/// trust, as many workers as the quorum says must remember the same.</param>
/// <param name="Expected">The longest output that a worker remembers: it is drawn again, many tokens in a step, so that nothing is taken on
/// trust.</param>
internal readonly record struct RememberedOutput(int[] Known, int[] Expected)
{
    /// <summary>How long the workers are waited for. One that hangs is given up before; the others may be busy: a gateway that dies
    /// has all its streams resumed at once.</summary>
    private static readonly TimeSpan s_deadline = TimeSpan.FromSeconds(2);

    /// <summary>Asks the workers. Throws nothing.</summary>
    /// <param name="run">The run; null, or one of which nothing was reported, gives none.</param>
    /// <param name="workers">Those with the sequence's bits.</param>
    /// <param name="quorum">How many must agree on what is known, one or two.</param>
    public static async Task<RememberedOutput> FindAsync(ResumedRun? run, IEnumerable<LiveWorker> workers, int quorum)
    {
        RememberedOutput found = new([], []);
        if (run is not { ReportedTokens: > 0 })
        {
            return found;
        }

        var answers = new List<int[]>();
        var late = Task.Delay(s_deadline);
        var asked = workers.Where(worker => worker.Quarantine is null).Select(worker => worker.FindOutputAsync(run.Name, int.MaxValue)).ToList();
        while (asked.Count > 0 && (found.Known.Length < run.KnownTokens || found.Expected.Length < run.ReportedTokens))
        {
            if (await Task.WhenAny([.. asked, late]) is not Task<int[]> answer)
            {
                break;
            }

            int[] ids = await answer;
            asked.Remove(answer);
            int sure = quorum == 1 ? ids.Length : answers.Select(other => ids.AsSpan().CommonPrefixLength(other)).DefaultIfEmpty().Max();
            sure = Math.Min(sure, run.KnownTokens);
            answers.Add(ids);
            found = new(sure > found.Known.Length ? ids[..sure] : found.Known, ids.Length > found.Expected.Length ? ids : found.Expected);
        }

        return found;
    }

    /// <summary>A decoder that has taken the ids, without their logprobs. Ids that end the sequence are not those of its run,
    /// whose client has more: then one that has taken none.</summary>
    public static SequenceDecoder Replay(int[] ids, Func<SequenceDecoder> create)
    {
        var decoder = create();
        for (int i = 0; i < ids.Length; i++)
        {
            decoder.Take(new StepItem(StepItemKind.Output, i, new ScoredToken(ids[i], float.NaN, [])));
        }

        return decoder.FinishReason is null ? decoder : create();
    }
}
