using Grid.Options;
using OpenTelemetry.Exporter;

namespace Grid.Gateway.Telemetry;

/// <summary>Where traces and metrics are sent.</summary>
public sealed class TelemetryOptions
{
    [UrlOption("Collector of OpenTelemetry that traces and metrics are sent to, such as http://127.0.0.1:4317; the environment's OTEL_ variables say more", Default = "none", Aliases = ["--otlp-traces-endpoint"])]
    public Uri? OtlpEndpoint { get; set; }

    [ChoiceOption("How the collector is spoken to", "grpc", "http=HttpProtobuf")]
    public OtlpExportProtocol OtlpProtocol { get; set; } = OtlpExportProtocol.Grpc;
}
