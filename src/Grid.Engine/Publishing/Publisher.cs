using Grid.Engine.Admission;
using Grid.Engine.Batching;
using Grid.Engine.Paging;
using Grid.Engine.Scheduling;
using Grid.Engine.Sequences;
using Grid.Models.Operations;

namespace Grid.Engine.Publishing;

/// <summary>Applies a step's results to its sequences, ends those that are done, and tells it as events.</summary>
internal sealed class Publisher(Inbox inbox, WaitingQueue waiting, Scheduler scheduler, SequencePages pages)
{
    private readonly List<EngineEvent> _events = [];

    /// <summary>Events of this step, in order; cleared by the next step.</summary>
    public IReadOnlyList<EngineEvent> Events => _events;

    public long GeneratedTokens { get; private set; }

    public long PromptTokens { get; private set; }

    public long CachedPromptTokens { get; private set; }

    /// <summary>Forgets the events of the step before.</summary>
    public void Clear() => _events.Clear();

    /// <summary>Counts anew from 0.</summary>
    public void ForgetCounts() => (GeneratedTokens, PromptTokens, CachedPromptTokens) = (0, 0, 0);

    /// <summary>Publishes a computed step: results belong to the tasks, and the tasks to the plan's slices in order.</summary>
    public void Publish(StepPlan plan, ReadOnlySpan<LogitTask> tasks, ReadOnlySpan<SampledToken> results)
    {
        foreach (var admission in plan.Admissions)
        {
            PromptTokens += admission.Sequence.PromptLength;
            CachedPromptTokens += admission.CachedTokens;
            _events.Add(new SequenceStarted(admission.Sequence.Id, admission.CachedTokens));
        }

        int first = 0;
        foreach (var slice in plan.Slices)
        {
            int count = 0;
            while (first + count < tasks.Length && tasks[first + count].Sequence == slice.Sequence)
            {
                count++;
            }

            // A step that ran ahead may have a row of a sequence that the step before ended.
            if (slice.Sequence.Phase != SequencePhase.Finished)
            {
                Advance(slice, tasks.Slice(first, count), results.Slice(first, count));
            }

            first += count;
        }
    }

    /// <summary>Ends a waiting or running sequence at the caller's wish.</summary>
    public void Cancel(Sequence sequence)
    {
        if (sequence.Phase != SequencePhase.Finished)
        {
            Finish(sequence, FinishReason.Cancelled);
        }
    }

    private void Advance(PlannedSlice slice, ReadOnlySpan<LogitTask> tasks, ReadOnlySpan<SampledToken> results)
    {
        var sequence = slice.Sequence;
        int scored = 0;
        while (scored < tasks.Length && !tasks[scored].Draws)
        {
            scored++;
        }

        // Draws count up to the first that is not what was expected, or that ends the sequence: those behind it follow other tokens.
        int kept = scored;
        bool goesOn = true;
        for (; goesOn && kept < tasks.Length; kept++)
        {
            goesOn = IsExpected(sequence, tasks[kept], results[kept]) && !sequence.EndsWith(results[kept].TokenId);
        }

        int failed = FirstNonFinite(results[..kept]);
        if (failed >= 0 && failed <= scored)
        {
            Fail(sequence, tasks[failed]);
            return;
        }

        int drawn = failed < 0 ? kept : failed;
        bool right = drawn > scored && IsExpected(sequence, tasks[drawn - 1], results[drawn - 1]);
        sequence.ComputedTokens += slice.RowCount;
        if (drawn > scored)
        {
            sequence.ComputedTokens = Math.Min(sequence.ComputedTokens, tasks[drawn - 1].TargetPosition);
        }

        pages.ShareFullPages(sequence);
        if (scored > 0)
        {
            sequence.NextPromptIndexToScore = tasks[scored - 1].TargetPosition + 1;
            _events.Add(new PromptScored(sequence.Id, tasks[0].TargetPosition, results[..scored].ToArray()));
        }

        foreach (var token in results[scored..drawn])
        {
            Append(sequence, token);
        }

        if (failed >= 0)
        {
            Fail(sequence, tasks[failed]);
        }
        else if (drawn > scored && !right && sequence.Phase != SequencePhase.Finished)
        {
            sequence.ExpectNothing();
            if (drawn < tasks.Length)
            {
                pages.Renew(sequence);
            }
        }
    }

    private static bool IsExpected(Sequence sequence, LogitTask task, SampledToken drawn) =>
        !drawn.NonFinite && task.TargetPosition < sequence.RowCount && drawn.TokenId == sequence.Tokens[task.TargetPosition];

    private static int FirstNonFinite(ReadOnlySpan<SampledToken> results)
    {
        for (int i = 0; i < results.Length; i++)
        {
            if (results[i].NonFinite)
            {
                return i;
            }
        }

        return -1;
    }

    private void Append(Sequence sequence, SampledToken token)
    {
        _events.Add(new TokenGenerated(sequence.Id, sequence.OutputCount, token));
        sequence.Append(token.TokenId);
        GeneratedTokens++;
        if (sequence.EndsWith(token.TokenId))
        {
            Finish(sequence, FinishReason.Stop, token.TokenId);
        }
        else if (sequence.TokenCount >= sequence.LengthLimit)
        {
            Finish(sequence, FinishReason.Length);
        }
    }

    private void Fail(Sequence sequence, LogitTask task)
    {
        // Its values are wrong somewhere: nobody may find them in the cache.
        pages.Discard(sequence);
        Finish(sequence, FinishReason.Failed, null, $"The logits after position {task.TargetPosition - 1} are not finite.");
    }

    private void Finish(Sequence sequence, FinishReason reason, int? stopTokenId = null, string? error = null)
    {
        if (sequence.Phase == SequencePhase.Waiting)
        {
            waiting.Remove(sequence);
        }
        else
        {
            pages.Release(sequence);
            scheduler.Remove(sequence);
        }

        sequence.Phase = SequencePhase.Finished;
        inbox.Forget(sequence);
        _events.Add(new SequenceFinished(sequence.Id, reason, stopTokenId, error));
    }
}
