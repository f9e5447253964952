using Grid.Cpu.Rows;
using Grid.Cpu.Threading;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cpu.Experts;

/// <summary>Chooses every row's experts by its logits, then groups the entries by expert (a stable counting sort).</summary>
internal sealed class RouteTask : RowTask
{
    private CpuExpertRouting _routing = null!;
    private bool _normalize;

    public void Run(WorkCrew crew, CpuExpertRouting routing, in RoutingSpec spec)
    {
        (_routing, _normalize) = (routing, spec.Normalize);
        RunRows(crew, routing.Rows);
        Group();
    }

    protected override void ExecuteRow(int row)
    {
        int first = row * _routing.Slots;
        MixtureOfExpertsReference.Route(
            _routing.Logits.Row(row), _normalize, _routing.Chosen.AsSpan(first, _routing.Slots), _routing.Weights.AsSpan(first, _routing.Slots));
    }

    private void Group()
    {
        ReadOnlySpan<int> chosen = _routing.Chosen.AsSpan(0, _routing.Rows * _routing.Slots);
        Span<int> starts = _routing.Starts;
        starts.Clear();
        foreach (int expert in chosen)
        {
            starts[expert]++;
        }

        int total = 0;
        for (int expert = 0; expert < starts.Length; expert++)
        {
            (starts[expert], total) = (total, total + starts[expert]);
        }

        // Each start walks to its group's end; going back by one group restores them.
        for (int entry = 0; entry < chosen.Length; entry++)
        {
            int place = starts[chosen[entry]]++;
            _routing.Grouped[place] = entry;
            _routing.GroupedRows[place] = entry / _routing.Slots;
        }

        starts[..^1].CopyTo(starts[1..]);
        starts[0] = 0;
    }
}
