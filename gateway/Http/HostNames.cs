using System.Net;

namespace Grid.Gateway.Http;

/// <summary>
/// Keeps web pages of others away from a gateway that only its own machine, or network, can reach. A page may have its own name
/// resolve to the gateway's address (DNS rebinding); then the request's host is that name. And it may post without asking.
/// </summary>
internal static class HostNames
{
    /// <summary>Throws <see cref="ApiException"/> (403) for a host name that is not allowed. Addresses and localhost are: no page comes
    /// by such a name but the gateway's own. Without a list, what comes from other machines may use any name.</summary>
    public static void RequireAllowed(HttpContext context, string? allowed)
    {
        string host = context.Request.Host.Host;
        bool any = allowed is null ? !IPAddress.IsLoopback(context.Connection.LocalIpAddress ?? IPAddress.Loopback) : allowed == "*";
        if (!any && host is not ("" or "localhost") && !IPAddress.TryParse(host, out _)
            && allowed?.Split(',', StringSplitOptions.TrimEntries).Contains(host, StringComparer.OrdinalIgnoreCase) != true)
        {
            throw ApiErrors.Forbidden("host_not_allowed",
                $"The request is for host {JsonShown.Text(host)}; it must be for localhost, an address, or a name that --Gateway:AllowedHosts lists.");
        }
    }

    /// <summary>Throws <see cref="ApiException"/> (403) for a request that a page of another origin makes.</summary>
    public static void RequireSameOrigin(HttpRequest request)
    {
        string? origin = request.Headers.Origin;
        if (origin is not null && origin != $"{request.Scheme}://{request.Host}")
        {
            throw ApiErrors.Forbidden("cross_origin", $"The request comes from a page of {JsonShown.Text(origin)}; only the gateway's own origin may make it.");
        }
    }
}
