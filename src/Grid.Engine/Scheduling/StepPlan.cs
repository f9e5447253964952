using Grid.Engine.Sequences;

namespace Grid.Engine.Scheduling;

/// <summary>What one step computes; reused from step to step.</summary>
internal sealed class StepPlan
{
    /// <summary>Rows by sequence, in batch order; a sequence has one slice at most.</summary>
    public List<PlannedSlice> Slices { get; } = [];

    /// <summary>Sequences admitted for the first time, with what the prefix cache gave them.</summary>
    public List<Admission> Admissions { get; } = [];

    /// <summary>Rows of all slices.</summary>
    public int RowCount { get; private set; }

    public void Clear()
    {
        Slices.Clear();
        Admissions.Clear();
        RowCount = 0;
    }

    /// <summary>Gives a sequence rows for its next tokens.</summary>
    public void Add(Sequence sequence, int rows)
    {
        Slices.Add(new PlannedSlice(sequence, rows));
        RowCount += rows;
    }

    /// <summary>Gives a sequence the row of the token that a task of the step before draws.</summary>
    public void AddDrawn(Sequence sequence, int task)
    {
        Slices.Add(new PlannedSlice(sequence, 1, task));
        RowCount++;
    }
}

/// <summary>The next RowCount tokens of a sequence, from its ComputedTokens on; or the one that a task of the step before draws, which is
/// not published yet.</summary>
internal readonly record struct PlannedSlice(Sequence Sequence, int RowCount, int DrawnBy = -1);

/// <summary>A first admission; CachedTokens counts prompt tokens.</summary>
internal readonly record struct Admission(Sequence Sequence, int CachedTokens);
