using System.Net;
using Grid.Options;

namespace Grid.Clustering;

/// <summary>Where the nodes of a cluster find each other.</summary>
public enum ClusterStoreKind
{
    /// <summary>In the memory of one of the silos, the primary. No store to run; the cluster ends with that silo.</summary>
    Localhost,

    /// <summary>In Redis.</summary>
    Redis,

    /// <summary>In PostgreSQL.</summary>
    Postgres,
}

/// <summary>A node's place in its cluster. The same for silos and gateways.</summary>
public sealed class ClusterNodeOptions
{
    [ChoiceOption("Where the nodes find each other; localhost: in the memory of one silo", "localhost", "redis", "postgres", Key = "Cluster")]
    public ClusterStoreKind Store { get; set; }

    /// <summary>In the form of the store's own client. A secret: it is never printed.</summary>
    [TextOption("How Redis or PostgreSQL is reached; better as Grid__ClusterConnection in the environment, where no process list shows it", "string", Key = "ClusterConnection")]
    public string? Connection { get; set; }

    /// <summary>A secret: it is never printed.</summary>
    [TextOption("What all nodes of the cluster know and nobody else; better as Grid__ClusterSecret in the environment, or in a file", "string")]
    public string? ClusterSecret { get; set; }

    [TextOption("File that holds the cluster secret", "file")]
    public string? ClusterSecretFile { get; set; }

    [TextOption("PEM file with this node's certificate for connections between nodes; read again when it changes", "file")]
    public string? ClusterTlsCert { get; set; }

    [TextOption("PEM file with that certificate's private key", "file")]
    public string? ClusterTlsKey { get; set; }

    [TextOption("PEM file with the cluster's own authority: who has a certificate of it is let in, and nobody else", "file")]
    public string? ClusterTlsCa { get; set; }

    [NameOption("Nodes with the same id are one cluster")]
    public string ClusterId { get; set; } = "grid";

    [NameOption("What is stored beyond a cluster's life belongs to this id")]
    public string ServiceId { get; set; } = "grid";

    [SwitchOption("Make the membership tables in PostgreSQL when they are missing")]
    public bool ApplySchema { get; set; }

    [NameOption("The node's name in logs and membership", Default = "the machine's name and the silo port")]
    public string? NodeName { get; set; }

    /// <summary>Null: this machine's address towards the store, or the loopback address without one.</summary>
    [AddressOption("Address that other nodes reach this one at", OfOthers = true, Default = "this machine's address towards the store")]
    public IPAddress? AdvertisedAddress { get; set; }

    [AddressOption("Address that other nodes' connections are taken at; 0.0.0.0 is every interface", Default = "the advertised one")]
    public IPAddress? ListenAddress { get; set; }

    /// <summary>0 takes a free one.</summary>
    [NumberOption("Port between nodes", 0, 65535, Default = "a free one")]
    public int SiloPort { get; set; }

    /// <summary>Null: this one itself.</summary>
    [EndPointOption("With --cluster localhost: the silo to join, as started with --silo-port")]
    public IPEndPoint? Primary { get; set; }

    [DurationOption("How long a stream can be resumed after its end, on any node of the cluster; 0: never, and events have no ids", 0, 86_400)]
    public TimeSpan SequenceRetention { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>Whether the store is to remember answers; an option of the gateway's says so.</summary>
    public bool KeepsAnswers { get; set; }
}
