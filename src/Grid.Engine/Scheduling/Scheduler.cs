using Grid.Engine.Admission;
using Grid.Engine.Paging;
using Grid.Engine.Sequences;

namespace Grid.Engine.Scheduling;

/// <summary>
/// Continuous batching: every step has a row of each decoding sequence, and what is left of the batch goes to prefill
/// chunks, first of running sequences, then of newly admitted ones, all in order of admission. When pages run out, the
/// most recently admitted sequence is preempted and later recomputed.
/// </summary>
/// <remarks>
/// The first running sequence is never preempted and every sequence alone fits in the pages, so something always ends.
/// A sequence has the pages of all its known tokens from admission on; only decode asks for more.
/// </remarks>
internal sealed class Scheduler(SequencePages pages, WaitingQueue waiting, EngineOptions options)
{
    private readonly int _maxRunning = Math.Min(options.MaxRunningSequences, options.MaxBatchTokens);
    private readonly List<Sequence> _running = [];
    private readonly StepPlan _plan = new();

    /// <summary>Running sequences in order of admission.</summary>
    public IReadOnlyList<Sequence> Running => _running;

    /// <summary>Preemptions so far.</summary>
    public long Preemptions { get; private set; }

    /// <summary>Counts preemptions anew from 0.</summary>
    public void ForgetCounts() => Preemptions = 0;

    /// <summary>Known tokens that running sequences have still to compute before they decode.</summary>
    public long PrefillTokens
    {
        get
        {
            long tokens = 0;
            foreach (Sequence sequence in _running)
            {
                tokens += sequence.PendingTokens - 1;
            }

            return tokens;
        }
    }

    /// <summary>Plans the next step; the plan is reused by the next call.</summary>
    public StepPlan Schedule()
    {
        _plan.Clear();
        long before = Preemptions;
        PlanDecode();
        PlanPrefill();
        if (Preemptions == before)
        {
            Admit();
        }

        return _plan;
    }

    /// <summary>Takes an ended sequence out.</summary>
    public void Remove(Sequence sequence) => _running.Remove(sequence);

    private void PlanDecode()
    {
        for (int i = 0; i < _running.Count; i++)
        {
            Sequence sequence = _running[i];
            if (sequence.PendingTokens == 1 && TryMakeRoom(sequence))
            {
                _plan.Add(sequence, 1);
            }
        }
    }

    private void PlanPrefill()
    {
        foreach (Sequence sequence in _running)
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
        int rows = Math.Min(Math.Min(sequence.PendingTokens, options.PrefillChunkTokens), left);
        if (rows > 0)
        {
            _plan.Add(sequence, rows);
        }
    }

    private void Admit()
    {
        while (_running.Count < _maxRunning && _plan.RowCount < options.MaxBatchTokens && waiting.First is { } sequence)
        {
            // One page to spare, or the newcomer would be preempted by its neighbours' next page.
            if (!pages.TryAttach(sequence, spare: _running.Count > 0 ? 1 : 0))
            {
                return;
            }

            waiting.Remove(sequence);
            sequence.Phase = SequencePhase.Running;
            _running.Add(sequence);
            if (!sequence.Started)
            {
                sequence.Started = true;
                sequence.ReserveTokens();
                _plan.Admissions.Add(new Scheduling.Admission(sequence, Math.Min(sequence.ComputedTokens, sequence.PromptLength)));
            }

            PlanChunk(sequence);
        }
    }

    /// <summary>Gets the page of a decode row, preempting from the back. False when the sequence itself had to go.</summary>
    private bool TryMakeRoom(Sequence sequence)
    {
        while (!pages.TryGrow(sequence, sequence.TokenCount))
        {
            Sequence last = _running[^1];
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
