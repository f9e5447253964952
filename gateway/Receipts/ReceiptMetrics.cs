using System.Diagnostics.Metrics;
using Grid.Gateway.Metrics;

namespace Grid.Gateway.Receipts;

/// <summary>What computing receipts again takes and says, as an instrument of the meter <see cref="RequestMetrics.MeterName"/>.</summary>
internal sealed class ReceiptMetrics(IMeterFactory meters, TimeProvider clock)
{
    public const string Duration = "grid.receipt.recomputation.duration";

    private readonly Histogram<double> _duration =
        meters.Create(RequestMetrics.MeterName).CreateHistogram<double>(Duration, "s", "Verifications and replays, from their request to their outcome.");

    /// <summary>A receipt was computed again.</summary>
    /// <param name="model">The model, as it is served.</param>
    /// <param name="how">How.</param>
    /// <param name="verified">Whether it is right; null where that was not found out.</param>
    /// <param name="started">When it began, by the host's clock.</param>
    public void Record(string model, Recomputation how, bool? verified, long started) => _duration.Record(
        clock.GetElapsedTime(started).TotalSeconds, new("model", model), new("kind", how.AtOnce ? "verification" : "replay"),
        new("outcome", verified switch { true => "verified", false => "different", null => "failed" }));
}
