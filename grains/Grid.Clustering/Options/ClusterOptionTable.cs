using System.Globalization;
using System.Net;

namespace Grid.Clustering.Options;

/// <summary>The options of a node's place in its cluster; silos and gateways spell them alike.</summary>
public static class ClusterOptionTable
{
    /// <summary>Those of every node, in the order of the help text.</summary>
    public static IReadOnlyList<ClusterOption> All { get; } =
    [
        new("--cluster", "Cluster", "localhost|redis|postgres", "Where the nodes find each other (default localhost: in the memory of one silo)",
            (options, value) => options.Store = Store(value)),
        new("--cluster-connection", "ClusterConnection", "string", "How Redis or PostgreSQL is reached; better as Grid__ClusterConnection in the environment, where no process list shows it",
            (options, value) => options.Connection = value.Length > 0 ? value : throw new ClusterOptionException("not be empty")),
        new("--cluster-id", "ClusterId", "name", "Nodes with the same id are one cluster (default grid)",
            (options, value) => options.ClusterId = Name(value)),
        new("--service-id", "ServiceId", "name", "What is stored beyond a cluster's life belongs to this id (default grid)",
            (options, value) => options.ServiceId = Name(value)),
        new("--apply-schema", "ApplySchema", "true|false", "Make the membership tables in PostgreSQL when they are missing (default false)",
            (options, value) => options.ApplySchema = bool.TryParse(value, out bool apply) ? apply : throw new ClusterOptionException("be true or false"), IsSwitch: true),
        new("--node-name", "NodeName", "name", "The node's name in logs and membership (default: the machine's name and the silo port)",
            (options, value) => options.NodeName = Name(value)),
        new("--advertised-address", "AdvertisedAddress", "address", "Address that other nodes reach this one at (default: this machine's address towards the store)",
            (options, value) => options.AdvertisedAddress = IPAddress.TryParse(value, out var address) && !IsAny(address)
                ? address
                : throw new ClusterOptionException("be an IP address that other nodes can reach")),
        new("--listen-address", "ListenAddress", "address", "Address that other nodes' connections are taken at (default: the advertised one; 0.0.0.0 is every interface)",
            (options, value) => options.ListenAddress = IPAddress.TryParse(value, out var address)
                ? address
                : throw new ClusterOptionException("be an IP address of this machine")),
        new("--silo-port", "SiloPort", "number", "Port between nodes (default: a free one)",
            (options, value) => options.SiloPort = Port(value)),
        new("--primary", "Primary", "address:port", "With --cluster localhost: the silo to join, as started with --silo-port",
            (options, value) => options.Primary = IPEndPoint.TryParse(value, out var primary) && primary.Port > 0
                ? primary
                : throw new ClusterOptionException("be an IP address with a port, such as 127.0.0.1:11111")),
        new("--sequence-retention", "SequenceRetention", "seconds", "How long a stream can be resumed after its end, on any node of the cluster (default 300; 0: never, and events have no ids)",
            (options, value) => options.SequenceRetention = TimeSpan.FromSeconds(Seconds(value))),
    ];

    /// <summary>The one that only silos have.</summary>
    public static ClusterOption ClientPort { get; } =
        new("--gateway-port", "GatewayPort", "number", "Port for grid clients (default: a free one)",
            (options, value) => options.ClientPort = Port(value));

    private static ClusterStoreKind Store(string value) => value switch
    {
        "localhost" => ClusterStoreKind.Localhost,
        "redis" => ClusterStoreKind.Redis,
        "postgres" => ClusterStoreKind.Postgres,
        _ => throw new ClusterOptionException("be localhost, redis or postgres"),
    };

    private static bool IsAny(IPAddress address) => address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);

    private static string Name(string value) =>
        value.Length is > 0 and <= 100 && value.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')
            ? value
            : throw new ClusterOptionException("be 1 to 100 letters, digits, '-', '_' or '.'");

    private static int Seconds(string value) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int seconds) && seconds <= 86_400
            ? seconds
            : throw new ClusterOptionException("be a whole number of seconds from 0 to 86400");

    private static int Port(string value) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int port) && port <= 65535
            ? port
            : throw new ClusterOptionException("be a whole number from 0 to 65535; 0 takes a free one");
}
