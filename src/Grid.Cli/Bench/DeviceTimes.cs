using System.Globalization;

namespace Grid.Cli.Bench;

/// <summary>What a server's devices say at /metrics of their time, in seconds, all together.</summary>
internal readonly record struct DeviceTimes(double Busy, double Idle)
{
    /// <summary>Zeros where the server does not say, or is gone.</summary>
    public static async Task<DeviceTimes> ReadAsync(HttpClient client, CancellationToken cancellationToken)
    {
        string[] lines = [];
        try
        {
            using var response = await client.GetAsync(new Uri("metrics", UriKind.Relative), cancellationToken);
            lines = response.IsSuccessStatusCode ? (await response.Content.ReadAsStringAsync(cancellationToken)).Split('\n') : [];
        }
        catch (Exception exception) when (exception is HttpRequestException or OperationCanceledException)
        {
            // The requests themselves tell what is the matter.
        }

        return new DeviceTimes(Sum(lines, "grid:device_busy_seconds_total"), Sum(lines, "grid:device_idle_seconds_total"));
    }

    /// <summary>How much of the time since then, in which there were steps to compute, the devices had nothing to do; null where that is not
    /// known.</summary>
    public double? IdleShareSince(DeviceTimes before)
    {
        var (busy, idle) = (Busy - before.Busy, Idle - before.Idle);
        return busy > 0 ? idle / (busy + idle) : null;
    }

    private static double Sum(string[] lines, string name) =>
        lines.Where(line => line.StartsWith(name, StringComparison.Ordinal)).Sum(line => double.Parse(line.AsSpan(line.LastIndexOf(' ') + 1), CultureInfo.InvariantCulture));
}
