using System.Net;
using Grid.Clustering;
using Grid.Gateway.Telemetry;
using Grid.Options;
using Grid.Sequences;

namespace Grid.Gateway.Node;

/// <summary>What a process that serves HTTP can be told: a gateway, and a silo, which adds its own.</summary>
public class GatewayNodeOptions
{
    [AddressOption("Address that HTTP listens on; 0.0.0.0 is every interface")]
    public IPAddress Host { get; set; } = IPAddress.Loopback;

    [NumberOption("Port that HTTP listens on; 0 takes a free one", 0, 65535)]
    public int Port { get; set; } = 8001;

    /// <summary>Null: as <see cref="GatewayOptions.DrainGrace"/> says.</summary>
    [DurationOption("How long running requests may go on at shutdown; then their clients are told to go on elsewhere", 0, 3600, Key = "DrainSeconds", Default = "20")]
    public TimeSpan? DrainGrace { get; set; }

    /// <summary>How the sequences run that come to this node's HTTP.</summary>
    [Options]
    public SequencesOptions Sequences { get; } = new();

    /// <summary>Its place in the cluster.</summary>
    [Options]
    public ClusterNodeOptions Cluster { get; } = new();

    [ChoiceOption("Least severe log messages to print", "debug", "info=Information", "warning", "error")]
    public LogLevel LogLevel { get; set; } = LogLevel.Information;

    [ChoiceOption("Form of log lines", "text=false", "json=true", Key = "LogFormat")]
    public bool JsonLogs { get; set; }

    [SwitchOption("Log a line for each HTTP request: the client's address, the request line, the status and the time it took")]
    public bool LogRequests { get; set; }

    /// <summary>Where its traces and metrics are sent.</summary>
    [Options]
    public TelemetryOptions Telemetry { get; } = new();

    /// <summary>Limits of its HTTP face.</summary>
    [Options]
    public GatewayOptions Gateway { get; } = new();

    /// <summary>The grace time in effect.</summary>
    public TimeSpan Grace => DrainGrace ?? Gateway.DrainGrace ?? GatewayOptions.DefaultDrainGrace;
}
