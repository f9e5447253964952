using System.Net;
using Grid.Clustering.Options;
using Grid.Sequences;

namespace Grid.Gateway.Node;

/// <summary>Where a gateway process listens, and which cluster it joins.</summary>
public sealed class GatewayNodeOptions
{
    /// <summary>Address that HTTP listens on.</summary>
    public IPAddress Host { get; set; } = IPAddress.Loopback;

    /// <summary>Port that HTTP listens on; 0 takes a free one.</summary>
    public int Port { get; set; } = 8001;

    /// <summary>How its sequences run.</summary>
    public SequencesOptions Sequences { get; } = new();

    /// <summary>How long requests may go on at shutdown, in seconds; null leaves <see cref="GatewayOptions.DrainSeconds"/>
    /// as it is.</summary>
    public int? DrainSeconds { get; set; }

    /// <summary>Its place in the cluster.</summary>
    public ClusterNodeOptions Cluster { get; } = new();
}

/// <summary>An option that is unknown, lacks its value or has one that is not allowed.</summary>
public sealed class GatewayOptionException(string message) : Exception(message);
