using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Grid.Grains.Tests.Support;

/// <summary>What the counters of one silo have counted since this was made.</summary>
internal sealed class Counted : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly ConcurrentDictionary<string, long> _counts = new();

    /// <param name="grid">The grid.</param>
    /// <param name="silo">Which of its silos.</param>
    public Counted(TestGrid grid, int silo = 0)
    {
        var meters = grid.Service<IMeterFactory>(silo);
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Scope == meters)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((instrument, count, _, _) => _counts.AddOrUpdate(instrument.Name, count, (_, before) => before + count));
        _listener.Start();
    }

    /// <summary>A counter's count.</summary>
    public long this[string instrument] => _counts.GetValueOrDefault(instrument);

    public void Dispose() => _listener.Dispose();
}
