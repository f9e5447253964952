using System.Diagnostics.Metrics;
using System.Text;
using System.Text.RegularExpressions;
using Grid.Sequences;
using Prometheus;

namespace Grid.Gateway.Metrics;

/// <summary>
/// Gathers this host's instruments under the names of <see cref="PrometheusNames"/>, and writes them in Prometheus' text format. What is
/// observable is read when somebody asks. The process's own figures (memory, CPU time, threads) come with them.
/// </summary>
internal sealed partial class PrometheusExport : IHostedService, IDisposable
{
    private static readonly ILookup<string, PrometheusName> s_names = PrometheusNames.All.ToLookup(name => name.Instrument);

    private readonly CollectorRegistry _registry = Prometheus.Metrics.NewCustomRegistry();
    private readonly MeterListener _listener = new();
    private readonly SemaphoreSlim _reading = new(1);
    private readonly List<Action> _forget = []; // Of observable gauges.
    private readonly IMeterFactory _meters;
    private readonly ISequenceService _service;

    /// <param name="meters">Whose instruments: those of other hosts in the process are theirs to show.</param>
    /// <param name="service">The grid.</param>
    public PrometheusExport(IMeterFactory meters, ISequenceService service)
    {
        (_meters, _service) = (meters, service);
        DotNetStats.Register(_registry);
        _listener.InstrumentPublished = Take;
        _listener.SetMeasurementEventCallback<double>((_, value, tags, series) => Record(series, value, tags));
        _listener.SetMeasurementEventCallback<long>((_, value, tags, series) => Record(series, value, tags));
        _listener.SetMeasurementEventCallback<int>((_, value, tags, series) => Record(series, value, tags));
    }

    /// <summary>From before the first request, so that none is missed.</summary>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        SequenceMetrics.Observe(_meters, _service);
        _listener.Start();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>GET /metrics.</summary>
    public async Task WriteAsync(HttpContext context)
    {
        using var page = new MemoryStream();
        await _reading.WaitAsync(context.RequestAborted);
        try
        {
            // What nobody observes any more, a model that has gone, must not stay with its last value.
            _forget.ForEach(static forget => forget());
            _listener.RecordObservableInstruments();
            await _registry.CollectAndExportAsTextAsync(page, context.RequestAborted);
        }
        finally
        {
            _reading.Release();
        }

        context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        await context.Response.WriteAsync(HiddenColon().Replace(Encoding.UTF8.GetString(page.ToArray()), ":"), context.RequestAborted);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _listener.Dispose();
        _reading.Dispose();
    }

    /// <summary>The library takes no colon in a name, and vLLM's have one.</summary>
    private static string HideColon(string name) => name.Replace(":", "__", StringComparison.Ordinal);

    [GeneratedRegex("(?<=^(?:# (?:HELP|TYPE) )?(?:vllm|grid))__", RegexOptions.Multiline)]
    private static partial Regex HiddenColon();

    private void Take(Instrument instrument, MeterListener listener)
    {
        if (instrument.Meter.Scope == _meters && s_names.Contains(instrument.Name))
        {
            listener.EnableMeasurementEvents(instrument, s_names[instrument.Name].Select(name => Create(name, instrument)).ToArray());
        }
    }

    private Series Create(PrometheusName name, Instrument instrument)
    {
        var metrics = Prometheus.Metrics.WithCustomRegistry(_registry);
        string known = HideColon(name.Name);
        string[] labels = [.. name.Labels.Select(label => label.Name)];
        Action<string[], double> record;
        if (name.Buckets is { } buckets)
        {
            var histogram = metrics.CreateHistogram(known, name.Help, labels, new HistogramConfiguration { Buckets = buckets });
            record = (values, value) => histogram.WithLabels(values).Observe(value);
        }
        else if (instrument.GetType().GetGenericTypeDefinition() == typeof(ObservableGauge<>))
        {
            var gauge = metrics.CreateGauge(known, name.Help, labels);
            record = (values, value) => gauge.WithLabels(values).Set(value);
            _forget.Add(() => gauge.GetAllLabelValues().ToList().ForEach(values => gauge.RemoveLabelled(values)));
        }
        else
        {
            var counter = metrics.CreateCounter($"{known}_total", name.Help, labels);
            record = instrument.IsObservable
                ? (values, value) => counter.WithLabels(values).IncTo(value)
                : (values, value) => counter.WithLabels(values).Inc(value);
        }

        return new Series(name.Labels, record);
    }

    private static void Record(object? series, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        foreach (var one in (Series[])series!)
        {
            one.Record(one.ValuesOf(tags), value);
        }
    }

    /// <summary>What one metric does with a measurement, given the values of its labels.</summary>
    private sealed record Series(Label[] Labels, Action<string[], double> Record)
    {
        public string[] ValuesOf(ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            string[] values = new string[Labels.Length];
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = Labels[i].Constant;
                foreach (var (tag, value) in tags)
                {
                    if (tag == Labels[i].Tag)
                    {
                        values[i] = $"{value}";
                    }
                }
            }

            return values;
        }
    }
}
