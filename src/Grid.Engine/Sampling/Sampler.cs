using Grid.Engine.Batching;
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

    /// <summary>One result per task, in order; valid until the next call.</summary>
    public ReadOnlySpan<SampledToken> Sample(ReadOnlySpan<LogitTask> tasks)
    {
        for (int first = 0; first < tasks.Length; first += _rows.Length)
        {
            int count = Math.Min(_rows.Length, tasks.Length - first);
            for (int i = 0; i < count; i++)
            {
                Fill(_rows[i], tasks[first + i]);
            }

            _model.ComputeLogits(first, count, _logits);
            _operations.Sample(_logits, _rows.AsSpan(0, count), _results.AsSpan(first, count));
        }

        return _results.AsSpan(0, tasks.Length);
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
        row.History = task.Draws ? sequence.History : null;
        row.BannedTokens = task.Draws ? sequence.BannedNow : [];
        row.ScoredToken = task.Draws ? -1 : sequence.Tokens[task.TargetPosition];
        row.Logprobs = logprobs;
        row.TopLogprobs = logprobs ? request.TopLogprobs : 0;
    }
}
