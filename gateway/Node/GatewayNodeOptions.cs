using System.Net;

namespace Grid.Gateway.Node;

/// <summary>Where a gateway process listens, and which cluster it joins.</summary>
public sealed class GatewayNodeOptions
{
    /// <summary>Address that HTTP listens on.</summary>
    public IPAddress Host { get; set; } = IPAddress.Loopback;

    /// <summary>Port that HTTP listens on; 0 takes a free one.</summary>
    public int Port { get; set; } = 8001;

    /// <summary>Port that the other silos reach this one on; 0 takes a free one.</summary>
    public int SiloPort { get; set; }

    /// <summary>The silo to join: its silo endpoint.</summary>
    public IPEndPoint Primary { get; set; } = new(IPAddress.Loopback, 11111);
}

/// <summary>An option that is unknown, lacks its value or has one that is not allowed.</summary>
public sealed class GatewayOptionException(string message) : Exception(message);
