using Grid.Engine.Scheduling;
using Grid.Engine.Sequences;
using Grid.Models.Operations;

namespace Grid.Engine.Batching;

/// <summary>Turns a plan into the rows of a forward pass and the tasks of its logits.</summary>
internal sealed class BatchBuilder(int maxRows)
{
    private readonly BatchLayout _batch = new(maxRows, maxRows);
    private readonly LogitTask[] _tasks = new LogitTask[maxRows];

    /// <summary>Tasks of the batch last built; task i is about logit row i.</summary>
    public ReadOnlySpan<LogitTask> Tasks => _tasks.AsSpan(0, _batch.LogitRowCount);

    /// <summary>Builds the batch; it is reused by the next call.</summary>
    public BatchLayout Build(StepPlan plan)
    {
        _batch.RowCount = 0;
        _batch.SequenceCount = 0;
        _batch.LogitRowCount = 0;
        foreach (var slice in plan.Slices)
        {
            AddRows(slice);
        }

        return _batch;
    }

    private void AddRows(PlannedSlice slice)
    {
        var (sequence, rows, drawnBy) = slice;
        int first = _batch.RowCount;
        _batch.Sequences[_batch.SequenceCount++] = new SequenceSlice(first, rows, sequence.PageTable);
        if (drawnBy >= 0)
        {
            _batch.TokenIds[first] = ~drawnBy;
            _batch.Positions[first] = sequence.TokenCount;
            AddTask(new LogitTask(sequence, sequence.TokenCount + 1, Draws: true), first);
            _batch.RowCount++;
            return;
        }

        for (int i = 0; i < rows; i++)
        {
            int position = sequence.ComputedTokens + i;
            _batch.TokenIds[first + i] = sequence.Tokens[position];
            _batch.Positions[first + i] = position;
            AddTask(sequence, first + i, position + 1);
        }

        _batch.RowCount += rows;
    }

    /// <summary>A row may be asked for the token after it: to draw it when it is not known yet (but perhaps expected), to score it when it is
    /// a prompt token whose logprob is owed.</summary>
    private void AddTask(Sequence sequence, int row, int target)
    {
        bool draws = target >= sequence.TokenCount;
        if (draws || (target >= sequence.NextPromptIndexToScore && target < sequence.PromptLength))
        {
            AddTask(new LogitTask(sequence, target, draws), row);
        }
    }

    private void AddTask(LogitTask task, int row)
    {
        _tasks[_batch.LogitRowCount] = task;
        _batch.LogitRows[_batch.LogitRowCount++] = row;
    }
}
