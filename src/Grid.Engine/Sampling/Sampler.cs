using Grid.Engine.Batching;
using Grid.Engine.Scheduling;
using Grid.Models;
using Grid.Models.Operations;

namespace Grid.Engine.Sampling;

/// <summary>Computes logits a bounded group of rows at a time and samples or scores each by its own sequence's
/// parameters.</summary>
internal sealed class Sampler : IDisposable
{
    private readonly ICausalLanguageModel _model;
    private readonly IOperations _operations;
    private readonly LogitsBuffer _logits;
    private readonly SamplingRow[] _rows;
    private readonly SampledToken[] _results;

    public Sampler(ICausalLanguageModel model, IOperations operations, int maxRows, int maxLogitRows)
    {
        _model = model;
        _operations = operations;
        _rows = new SamplingRow[Math.Min(maxRows, maxLogitRows)];
        for (int i = 0; i < _rows.Length; i++)
        {
            _rows[i] = new SamplingRow { LogitRow = i };
        }

        _logits = operations.AllocateLogits(_rows.Length, model.Config.VocabularySize);
        _results = new SampledToken[maxRows];
    }

    /// <summary>Time that the device spent on steps, by its own clock; null where it does not say.</summary>
    public TimeSpan? DeviceBusy { get; private set; }

    /// <summary>Time that it had nothing to do though there were steps to come.</summary>
    public TimeSpan? DeviceIdle { get; private set; }

    /// <summary>Computes the logits of a step's tasks and samples them; true when the device is left to it, and the next step may be
    /// given to it before <see cref="End"/>.</summary>
    public bool Begin(ReadOnlySpan<LogitTask> tasks)
    {
        if (_operations.RunsAhead && tasks.Length > 0 && tasks.Length <= _rows.Length)
        {
            ComputeLogits(tasks);
            _operations.BeginSample(_logits, _rows.AsSpan(0, tasks.Length));
            return true;
        }

        Sample(tasks);
        return false;
    }

    /// <summary>One result per task, in order; valid until the next <see cref="Begin"/> that does not leave it to the device, or
    /// End.</summary>
    public ReadOnlySpan<SampledToken> End(LaunchedStep step)
    {
        var results = _results.AsSpan(0, step.Batches.Tasks.Length);
        if (step.LeftToDevice)
        {
            var time = _operations.EndSample(results);
            DeviceBusy = (DeviceBusy ?? TimeSpan.Zero) + time.Busy;
            DeviceIdle = (DeviceIdle ?? TimeSpan.Zero) + (step.AfterPause ? TimeSpan.Zero : time.IdleBefore);
        }

        return results;
    }

    /// <summary>Counts anew.</summary>
    public void ForgetTimes() => (DeviceBusy, DeviceIdle) = (null, null);

    private void Sample(ReadOnlySpan<LogitTask> tasks)
    {
        for (int first = 0; first < tasks.Length; first += _rows.Length)
        {
            int count = Math.Min(_rows.Length, tasks.Length - first);
            ComputeLogits(tasks.Slice(first, count), first);
            _operations.Sample(_logits, _rows.AsSpan(0, count), _results.AsSpan(first, count));
        }
    }

    private void ComputeLogits(ReadOnlySpan<LogitTask> tasks, int first = 0)
    {
        for (int i = 0; i < tasks.Length; i++)
        {
            Fill(_rows[i], tasks[i]);
        }

        _model.ComputeLogits(first, tasks.Length, _logits);
    }

    /// <summary>Frees the logits.</summary>
    public void Dispose() => _logits.Dispose();

    private static void Fill(SamplingRow row, LogitTask task)
    {
        var sequence = task.Sequence;
        var request = sequence.Request;
        bool logprobs = !task.Draws || request.Logprobs;
        row.Parameters = sequence.Parameters;
        row.Position = task.TargetPosition;
        row.History = task.Draws ? sequence.HistoryAt(task.TargetPosition) : null;
        row.BannedTokens = task.Draws ? sequence.BannedAt(task.TargetPosition) : [];
        row.ScoredToken = task.Draws ? -1 : sequence.Tokens[task.TargetPosition];
        row.Logprobs = logprobs;
        row.TopLogprobs = logprobs ? request.TopLogprobs : 0;
        row.Digest = task.Draws && request.Digests;
    }
}
