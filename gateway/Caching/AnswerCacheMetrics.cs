using System.Diagnostics.Metrics;
using Grid.Gateway.Metrics;

namespace Grid.Gateway.Caching;

/// <summary>What the answer cache does, as instruments of the meter <see cref="RequestMetrics.MeterName"/>.</summary>
internal sealed class AnswerCacheMetrics
{
    public const string Hits = "grid.answer_cache.hits";
    public const string Misses = "grid.answer_cache.misses";
    public const string Coalesced = "grid.answer_cache.coalesced";
    public const string Bytes = "grid.answer_cache.bytes";
    public const string Audited = "grid.answer_cache.audited";
    public const string Differing = "grid.answer_cache.differing";

    private readonly Counter<long> _hits;
    private readonly Counter<long> _misses;
    private readonly Counter<long> _coalesced;
    private readonly Counter<long> _audited;
    private readonly Counter<long> _differing;

    public AnswerCacheMetrics(IMeterFactory meters, RememberedAnswers answers)
    {
        var meter = meters.Create(RequestMetrics.MeterName);
        _hits = meter.CreateCounter<long>(Hits, "{sequence}", "Sequences whose answer was remembered.");
        _misses = meter.CreateCounter<long>(Misses, "{sequence}", "Sequences that were looked for in the answer cache and computed.");
        _coalesced = meter.CreateCounter<long>(Coalesced, "{sequence}", "Sequences that read an equal one that ran already.");
        _audited = meter.CreateCounter<long>(Audited, "{sequence}", "Remembered answers that were computed again and compared.");
        _differing = meter.CreateCounter<long>(Differing, "{sequence}", "Remembered answers that differed from what was computed.");
        meter.CreateObservableGauge(Bytes, () => answers.Bytes, "By", "Bytes of the remembered answers.");
    }

    /// <summary>An answer began.</summary>
    public void Count(string model, AnswerSource source) =>
        (source switch { AnswerSource.Remembered => _hits, AnswerSource.Shared => _coalesced, _ => _misses }).Add(1, ModelOf(model));

    /// <summary>An answer was computed again.</summary>
    public void CountAudit(string model, bool differs)
    {
        if (differs)
        {
            _differing.Add(1, ModelOf(model));
        }
        _audited.Add(1, ModelOf(model));
    }

    private static KeyValuePair<string, object?> ModelOf(string model) => new("model", model);
}
