using Grid.Gateway.Metrics;
using Grid.Grains;
using Grid.Options;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace Grid.Gateway.Telemetry;

/// <summary>Sends traces and metrics to a collector of OpenTelemetry, where the options name one.</summary>
internal static class TelemetryHosting
{
    /// <summary>Adds what sends them. Without a collector it adds nothing, and no span is made.</summary>
    /// <param name="services">The host's.</param>
    /// <param name="options">Where to.</param>
    /// <param name="program">What the node is: service.name, which OTEL_SERVICE_NAME overrides.</param>
    /// <param name="node">Its name: service.instance.id.</param>
    public static void AddGridTelemetry(this IServiceCollection services, TelemetryOptions options, string program, string node)
    {
        if (options.OtlpEndpoint is not { } endpoint)
        {
            return;
        }
        services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.Clear()
                .AddService(program, serviceVersion: GridProgram.Version, serviceInstanceId: node).AddTelemetrySdk().AddEnvironmentVariableDetector())
            .WithTracing(tracing => tracing.AddSource(Tracing.SourceName))
            .WithMetrics(metrics => metrics.AddMeter("Grid.*", "Microsoft.AspNetCore.Hosting", "System.Runtime")
                // The SDK's own buckets are for milliseconds.
                .AddView(instrument => PrometheusNames.All.FirstOrDefault(name => name.Instrument == instrument.Name && name.Buckets is not null) is { } known
                    ? new ExplicitBucketHistogramConfiguration { Boundaries = known.Buckets }
                    : null))
            .UseOtlpExporter(options.OtlpProtocol, endpoint);
    }
}
