using Grid.Engine.Admission;
using Grid.Engine.Batching;
using Grid.Engine.Paging;
using Grid.Engine.Sequences;
using Grid.Numerics;

namespace Grid.Engine.Scheduling;

/// <summary>
/// Continuous batching: every step has a row of each decoding sequence, and what is left of the batch goes to prefill
/// chunks, first of running sequences, then of newly admitted ones, all by rank and in order of admission. When pages run out, the
/// most recently admitted sequence of the highest rank is preempted and later recomputed; so it is when one of a lower rank waits
/// and there is no room for it.
/// </summary>
/// <remarks>
/// The first running sequence is preempted only by one of a lower rank, and every sequence alone fits in the pages, so something
/// always ends.
/// A sequence has the pages of all its known tokens from admission on; only decode asks for more.
/// </remarks>
internal sealed class Scheduler(SequencePages pages, WaitingQueue waiting, EngineOptions options)
{
    /// <summary>Steps after which the waiting ones' ranks are one lower.</summary>
    private const int AgeSteps = 16;

    /// <summary>Expected tokens in a step of a sequence whose penalties need a history for each.</summary>
    private const int ExpectedWithHistory = 64;

    private readonly int _maxRunning = Math.Min(options.MaxRunningSequences, options.MaxBatchTokens);
    private readonly List<Sequence> _running = [];
    private StepPlan _plan = new();
    private int _schedules;

    /// <summary>Running sequences by rank and in order of admission.</summary>
    public IReadOnlyList<Sequence> Running => _running;

    /// <summary>Preemptions so far.</summary>
    public long Preemptions { get; private set; }

    /// <summary>Counts preemptions anew from 0.</summary>
    public void ForgetCounts() => Preemptions = 0;

    /// <summary>Sequences that could be submitted now and would not wait for others to end for long: what may run and wait besides
    /// those that do.</summary>
    public int Room => waiting.Count == 0 ? _maxRunning - _running.Count + options.MaxWaitingSequences : options.MaxWaitingSequences - waiting.Count;

    /// <summary>A newcomer of a lower rank than this is taken although there is no room: it will have the place of one that runs. 0
    /// when none is.</summary>
    public int DisplacedRank => _running.Count > 0 && waiting.CountBelow(_running[^1].Rank) < options.MaxWaitingSequences ? _running[^1].Rank : 0;

    /// <summary>Known tokens that running sequences have still to compute before they decode.</summary>
    public long PrefillTokens
    {
        get
        {
            long tokens = 0;
            foreach (var sequence in _running)
            {
                tokens += sequence.PendingTokens - 1;
            }

            return tokens;
        }
    }

    /// <summary>Plans the next step, of which everything before is published.</summary>
    public void Schedule(StepPlan plan)
    {
        _plan = plan;
        BeginPlan();
        MakeWay();
        long before = Preemptions;
        PlanDecode();
        PlanPrefill();
        if (Preemptions == before)
        {
            Admit();
        }
    }

    /// <summary>Plans the step after one that is not published yet: a row of each token that it draws. False when the step depends on
    /// more than that: somebody waits and there is room, somebody has prompt left to compute or a history that the tokens belong to, or tokens that it
    /// expects,
    /// or pages are short.</summary>
    /// <param name="before">Tasks of the step before.</param>
    /// <param name="plan">What to fill.</param>
    public bool TryScheduleAhead(ReadOnlySpan<LogitTask> before, StepPlan plan)
    {
        if (_running.Count == 0 || (waiting.First is { } first && (_running.Count < _maxRunning || first.Rank < _running[^1].Rank)))
        {
            return false;
        }

        _plan = plan;
        BeginPlan();
        int drawing = 0;
        for (int i = 0; i < before.Length; i++)
        {
            var (sequence, position, draws) = before[i];
            if (sequence.Phase == SequencePhase.Finished)
            {
                continue; // Cancelled since.
            }

            bool last = position + 1 >= sequence.LengthLimit;
            if (!draws || sequence.ExpectedCount > 0 || sequence.History is not null || !(last || pages.TryGrow(sequence, position + 1)))
            {
                return false;
            }

            drawing++;
            if (!last)
            {
                _plan.AddDrawn(sequence, i);
            }
        }

        return drawing == _running.Count && _plan.RowCount > 0;
    }

    /// <summary>Takes an ended sequence out.</summary>
    public void Remove(Sequence sequence) => _running.Remove(sequence);

    /// <summary>Preempts all running sequences; while no step is under way.</summary>
    public void PreemptAll()
    {
        while (_running.Count > 0)
        {
            Preempt(_running[^1]);
        }
    }

    private void BeginPlan()
    {
        _plan.Clear();
        if (++_schedules % AgeSteps == 0)
        {
            // Not below those that run: who has waited comes before newcomers then, but takes no place of its own client's.
            waiting.Age(_running.Count > 0 ? _running[^1].Rank : 0);
        }
    }

    /// <summary>Preempts running sequences of higher ranks until there is room for the first that waits for room.</summary>
    private void MakeWay()
    {
        while (_running.Count > 0 && waiting.First is { } lowest && _running[^1].Rank > lowest.Rank
            && FirstOf(lowest) is { } first && _running[^1].Rank > first.Rank
            && (_running.Count == _maxRunning || !pages.CanAttach(first, SpareFor(_running.Count))))
        {
            Preempt(_running[^1]);
        }
    }

    /// <summary>The first that follows no running sequence, from one on that waits.</summary>
    private Sequence? FirstOf(Sequence? sequence)
    {
        while (sequence is not null && Follows(sequence))
        {
            sequence = WaitingQueue.After(sequence);
        }

        return sequence;
    }

    /// <summary>Whether a running sequence computes what a waiting one would compute next: it is admitted when that is there, for then it need
    /// not be computed again. Nobody follows one of a higher rank, which may have to go.</summary>
    private bool Follows(Sequence sequence)
    {
        if (sequence.Leader is { Phase: SequencePhase.Running } leader && leader.LeasedPages < sequence.LeaderPages)
        {
            return true;
        }

        if (sequence.Leader is not null)
        {
            sequence.Leader = null;
            waiting.Expect(sequence, pages.UncachedTokens(sequence));
        }

        foreach (var running in _running)
        {
            if (running.Rank > sequence.Rank)
            {
                break;
            }

            if (running.PendingTokens > 1 && pages.PagesToCome(sequence, running) is > 0 and var shared)
            {
                (sequence.Leader, sequence.LeaderPages) = (running, shared);
                waiting.Expect(sequence, sequence.RowCount - (shared * AttentionLayout.BlockTokens));
                return true;
            }
        }

        return false;
    }

    private void PlanDecode()
    {
        for (int i = 0; i < _running.Count; i++)
        {
            var sequence = _running[i];
            if (sequence.PendingTokens == 1 && TryMakeRoom(sequence))
            {
                _plan.Add(sequence, 1);
            }
        }
    }

    private void PlanPrefill()
    {
        foreach (var sequence in _running)
        {
            if (sequence.PendingTokens > 1)
            {
                PlanChunk(sequence);
            }
        }
    }

    private void PlanChunk(Sequence sequence)
    {
        int left = options.MaxBatchTokens - _plan.RowCount;
        int expected = sequence.History is null ? sequence.ExpectedCount : Math.Min(sequence.ExpectedCount, ExpectedWithHistory);
        int pending = sequence.PendingTokens - sequence.ExpectedCount + expected;
        int rows = Math.Min(Math.Min(pending, options.PrefillChunkTokens), left);
        if (rows > 0)
        {
            _plan.Add(sequence, rows);
        }
    }

    private void Admit()
    {
        var next = waiting.First;
        while (_running.Count < _maxRunning && _plan.RowCount < options.MaxBatchTokens && FirstOf(next) is { } sequence)
        {
            if (!pages.TryAttach(sequence, SpareFor(_running.Count)))
            {
                return;
            }

            next = WaitingQueue.After(sequence);
            waiting.Remove(sequence);
            sequence.Phase = SequencePhase.Running;
            _running.Insert(_running.FindLastIndex(one => one.Rank <= sequence.Rank) + 1, sequence);
            if (!sequence.Started)
            {
                sequence.Started = true;
                sequence.ReserveTokens();
                _plan.Admissions.Add(new Scheduling.Admission(sequence, Math.Min(sequence.ComputedTokens, sequence.PromptLength)));
            }

            PlanChunk(sequence);
        }
    }

    /// <summary>One page, or a newcomer would be preempted by its neighbours' next page.</summary>
    private static int SpareFor(int running) => running > 0 ? 1 : 0;

    /// <summary>Gets the page of a decode row, preempting from the back. False when the sequence itself had to go.</summary>
    private bool TryMakeRoom(Sequence sequence)
    {
        while (!pages.TryGrow(sequence, sequence.TokenCount))
        {
            var last = _running[^1];
            if (_running.Count == 1)
            {
                throw new InvalidOperationException("A sequence alone ran out of pages; admission must have refused it.");
            }

            Preempt(last);
            if (last == sequence)
            {
                return false;
            }
        }

        return true;
    }

    private void Preempt(Sequence sequence)
    {
        pages.Release(sequence);
        _running.RemoveAt(_running.Count - 1);
        sequence.ExpectedTokens = pages.UncachedTokens(sequence);
        waiting.AddFirst(sequence);
        Preemptions++;
    }
}
