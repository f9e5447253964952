using System.Diagnostics;
using System.Diagnostics.Metrics;
using Grid.Engine;
using Microsoft.Extensions.Hosting;

namespace Grid.Workers;

/// <summary>
/// What the devices of this silo do, as instruments of the meter <see cref="MeterName"/>, each tagged with <c>model</c> and
/// <c>device</c>. Loads and counts are those that the engine keeps anyway, read when somebody asks; a step pays for one
/// measurement of its time.
/// </summary>
internal sealed class WorkerMetrics : IHostedService
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "Grid.Workers";

    private readonly WorkerHost _host;
    private readonly Histogram<double> _stepTime;

    public WorkerMetrics(IMeterFactory meters, WorkerHost host)
    {
        _host = host;
        var meter = meters.Create(MeterName);
        Gauge("grid.worker.running", "{sequence}", "Sequences that steps compute.", status => status.Running);
        Gauge("grid.worker.waiting", "{sequence}", "Sequences that wait on the device.", status => status.Waiting);
        Gauge("grid.worker.kv_cache.usage", "1", "Share of the KV cache's pages that sequences use.", KvCacheUsage);
        Counter("grid.worker.prompt_tokens", "{token}", "Prompt tokens of the sequences begun.", status => status.PromptTokens);
        Counter("grid.worker.prefix_cache.queries", "{token}", "Prompt tokens looked for in the prefix cache.", status => status.PromptTokens);
        Counter("grid.worker.prefix_cache.hits", "{token}", "Prompt tokens that the prefix cache gave.", status => status.CachedPromptTokens);
        Counter("grid.worker.generated_tokens", "{token}", "Output tokens, with those computed again after a fault.", status => status.GeneratedTokens);
        Counter("grid.worker.preemptions", "{sequence}", "Sequences that had to give their pages back.", status => status.Preemptions);
        Counter("grid.worker.steps", "{step}", "Forward passes.", status => status.Steps);
        Seconds("grid.worker.device.busy", "Time that the device spent on steps, by its own clock.", status => status.DeviceBusy);
        Seconds("grid.worker.device.idle", "Time between steps that followed each other in which the device had nothing to do.", status => status.DeviceIdle);
        _stepTime = meter.CreateHistogram<double>("grid.worker.step.duration", "s", "Time of a step, from its plan to its tokens.");

        void Gauge(string name, string unit, string description, Func<EngineStatus, double> value) =>
            meter.CreateObservableGauge(name, () => Read(value), unit, description);

        void Counter(string name, string unit, string description, Func<EngineStatus, long> value) =>
            meter.CreateObservableCounter(name, () => Read(value), unit, description);

        // Of devices that say it.
        void Seconds(string name, string description, Func<EngineStatus, TimeSpan?> value) =>
            meter.CreateObservableCounter(
                name,
                () => _host.Workers.Where(worker => value(worker.Status) is not null)
                    .Select(worker => new Measurement<double>(value(worker.Status)!.Value.TotalSeconds, Tags(worker))),
                "s",
                description);
    }

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var worker in _host.Workers)
        {
            TagList tags = [.. Tags(worker)];
            worker.Stepped = started => _stepTime.Record(Stopwatch.GetElapsedTime(started).TotalSeconds, tags);
        }

        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Pages that only the prefix cache holds count as free: they are given to whoever needs them.</summary>
    private static double KvCacheUsage(EngineStatus status) =>
        1 - ((double)(status.FreePages + status.UnleasedPages) / status.TotalPages);

    private static KeyValuePair<string, object?>[] Tags(DeviceWorker worker) =>
        [new("model", worker.Model.ModelId), new("device", worker.Model.Device)];

    private IEnumerable<Measurement<T>> Read<T>(Func<EngineStatus, T> value)
        where T : struct => _host.Workers.Select(worker => new Measurement<T>(value(worker.Status), Tags(worker)));
}
