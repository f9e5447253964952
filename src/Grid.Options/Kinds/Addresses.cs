using System.Net;

namespace Grid.Options;

/// <summary>An IP address of this machine, or with <see cref="OfOthers"/> one that other machines call.</summary>
public sealed class AddressOptionAttribute(string what) : OptionAttribute(what, "address")
{
    /// <summary>Whether others call it: then it is no wildcard such as 0.0.0.0.</summary>
    public bool OfOthers { get; set; }

    /// <inheritdoc/>
    public override object Read(string value, Type type) =>
        value == "localhost" && !OfOthers ? IPAddress.Loopback
        : IPAddress.TryParse(value, out var address) && !(OfOthers && (address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any))) ? address
        : throw new OptionValueException(OfOthers ? "be an IP address that other nodes can reach" : "be an IP address of this machine, or localhost");
}

/// <summary>IP addresses and networks in CIDR form, with commas between; for a property of <see cref="IPNetwork"/>[]. An address is a
/// network of one.</summary>
public sealed class NetworksOptionAttribute(string what) : OptionAttribute(what, "networks")
{
    /// <inheritdoc/>
    public override object Read(string value, Type type) =>
        value.Split(',', StringSplitOptions.TrimEntries).Select(ReadNetwork).ToArray();

    /// <inheritdoc/>
    public override string Show(object value) => string.Join(',', (IPNetwork[])value);

    private static IPNetwork ReadNetwork(string value) =>
        IPAddress.TryParse(value, out var address) ? new IPNetwork(address, address.GetAddressBytes().Length * 8)
        : IPNetwork.TryParse(value, out var network) ? network
        : throw new OptionValueException("be IP addresses or networks, with commas between, such as 10.0.0.7,192.168.0.0/16");
}

/// <summary>An IP address with a port.</summary>
public sealed class EndPointOptionAttribute(string what) : OptionAttribute(what, "address:port")
{
    /// <inheritdoc/>
    public override object Read(string value, Type type) => IPEndPoint.TryParse(value, out var place) && place.Port > 0
        ? place
        : throw new OptionValueException("be an IP address with a port, such as 127.0.0.1:11111");
}

/// <summary>An address of HTTP; for a property of <see cref="Uri"/>.</summary>
public sealed class UrlOptionAttribute(string what) : OptionAttribute(what, "url")
{
    /// <inheritdoc/>
    public override object Read(string value, Type type) => Uri.TryCreate(value, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" && url.UserInfo.Length == 0
        ? url
        : throw new OptionValueException("be an address of http or https, without a user, such as http://127.0.0.1:4317");
}
