using System.Net;

namespace Grid.Clustering.Options;

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

/// <summary>A node's place in its cluster (configuration section "Grid"; <see cref="ClusterOptionTable"/> has the
/// spellings). The same for silos and gateways.</summary>
public sealed class ClusterNodeOptions
{
    /// <summary>Where the nodes find each other.</summary>
    public ClusterStoreKind Store { get; set; }

    /// <summary>How the store is reached, in its own client's form. A secret: it is never printed.</summary>
    public string? Connection { get; set; }

    /// <summary>Nodes with equal ids are one cluster.</summary>
    public string ClusterId { get; set; } = "grid";

    /// <summary>What outlives a cluster (stored state) belongs to this id.</summary>
    public string ServiceId { get; set; } = "grid";

    /// <summary>The node's name; null takes the machine's name with the silo port.</summary>
    public string? NodeName { get; set; }

    /// <summary>The address that other nodes reach this one at; null takes this machine's address towards the store, or
    /// the loopback address without one.</summary>
    public IPAddress? AdvertisedAddress { get; set; }

    /// <summary>The address that connections of other nodes are taken at; null takes the advertised one.</summary>
    public IPAddress? ListenAddress { get; set; }

    /// <summary>Port between silos; 0 takes a free one.</summary>
    public int SiloPort { get; set; }

    /// <summary>Port for grid clients; 0 takes a free one. A gateway has none.</summary>
    public int ClientPort { get; set; }

    /// <summary>The silo that holds the cluster's membership when there is no store; null for this one itself.</summary>
    public IPEndPoint? Primary { get; set; }

    /// <summary>How long the request of a stream is kept after the stream's end, for a client that comes back; zero keeps
    /// none, and streams cannot be resumed.</summary>
    public TimeSpan SequenceRetention { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>Whether the store's tables are made when they are missing.</summary>
    public bool ApplySchema { get; set; }
}
