using System.Diagnostics.Metrics;
using Grid.Grains.Messages;

namespace Grid.Sequences;

/// <summary>
/// What happens to sequences on their way, as instruments of the meter <see cref="MeterName"/> tagged with <c>model</c>: faults that they
/// outlived, hedges, differing bits, resumptions; and what waits and which workers there are, as this gateway sees it.
/// </summary>
public sealed class SequenceMetrics
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "Grid.Sequences";

    private readonly Counter<long> _failovers;
    private readonly Counter<long> _hedges;
    private readonly Counter<long> _disagreements;
    private readonly Counter<long> _resumptions;

    /// <summary>Makes the instruments.</summary>
    public SequenceMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(MeterName);
        _failovers = Counter("grid.sequence.failovers", "Attempts that lost their worker; their sequences go on at another one.");
        _hedges = Counter("grid.sequence.hedges", "Sequences started on a second worker for the first one's silence.");
        _disagreements = Counter("grid.sequence.disagreements", "Places where workers gave different bits.");
        _resumptions = Counter("grid.sequence.resumptions", "Sequences that went on here after their stream had ended elsewhere.");

        Counter<long> Counter(string name, string description) => meter.CreateCounter<long>(name, "{sequence}", description);
    }

    /// <summary>Shows what a gateway sees of the grid, as it is when somebody asks.</summary>
    public static void Observe(IMeterFactory meters, ISequenceService service)
    {
        var meter = meters.Create(MeterName);
        meter.CreateObservableGauge(
            "grid.sequence.waiting", () => service.Snapshot.Waiting.Select(model => new Measurement<int>(model.Value, ModelOf(model.Key))), "{sequence}",
            "Sequences that wait here for a worker with room.");
        meter.CreateObservableGauge("grid.sequence.running", () => service.Snapshot.Running, "{sequence}", "Sequences that run for this gateway.");
        meter.CreateObservableGauge("grid.workers", () => Workers(service.Snapshot), "{worker}", "Workers in each state, as this gateway sees them.");
    }

    internal void CountFailover(string model) => _failovers.Add(1, ModelOf(model));

    internal void CountHedge(string model) => _hedges.Add(1, ModelOf(model));

    internal void CountDisagreement(string model) => _disagreements.Add(1, ModelOf(model));

    internal void CountResumption(string model) => _resumptions.Add(1, ModelOf(model));

    /// <summary>Also the states that no worker is in: a dashboard should show a zero and not the last value.</summary>
    private static IEnumerable<Measurement<int>> Workers(GridSnapshot grid) =>
        from model in grid.Workers.GroupBy(worker => worker.Status.ModelId)
        from state in Enum.GetValues<WorkerState>()
        select new Measurement<int>(
            model.Count(worker => worker.State == state), ModelOf(model.Key), new KeyValuePair<string, object?>("state", state.ToString().ToLowerInvariant()));

    private static KeyValuePair<string, object?> ModelOf(string model) => new("model", model);
}
