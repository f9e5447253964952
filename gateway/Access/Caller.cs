namespace Grid.Gateway.Access;

/// <summary>Who asks.</summary>
/// <param name="Tenant">The name of its key, where that has one; null otherwise.</param>
/// <param name="Client">What shares what there is with others: the key, or the address.</param>
internal readonly record struct Caller(string? Tenant, string Client)
{
    /// <summary>Whose request it is.</summary>
    public static Caller Of(HttpContext context) => context.User.Identity is { IsAuthenticated: true, Name: { Length: > 0 } name }
        ? new(name, ClientOf(name))
        : new(null, $"address {context.Connection.RemoteIpAddress}");

    /// <summary>The client that a named key is.</summary>
    public static string ClientOf(string key) => $"key {key}";
}
