using Grid.Cpu.Memory;
using Grid.Cpu.Threading;
using Grid.Models.Operations;

namespace Grid.Cpu.Sampling;

/// <summary>Samples or scores rows of logits, a row a part.</summary>
internal sealed class SamplingTask : CrewTask
{
    [ThreadStatic]
    private static CpuSampler? s_sampler;

    private SamplingRow[] _rows = [];
    private SampledToken[] _results = [];
    private CpuLogits _logits = null!;

    public void Run(WorkCrew crew, CpuLogits logits, ReadOnlySpan<SamplingRow> rows, Span<SampledToken> results)
    {
        if (_rows.Length < rows.Length)
        {
            _rows = new SamplingRow[rows.Length];
            _results = new SampledToken[rows.Length];
        }

        _logits = logits;
        rows.CopyTo(_rows);
        crew.Run(this, rows.Length);
        _results.AsSpan(0, rows.Length).CopyTo(results);
    }

    public override void Execute(int part)
    {
        if (s_sampler is null || s_sampler.Vocabulary != _logits.Width)
        {
            s_sampler = new CpuSampler(_logits.Width);
        }

        s_sampler.Sample(_logits.Row(_rows[part].LogitRow), _rows[part], out _results[part]);
    }
}
