using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Grid.Gateway.Access;

/// <summary>The port of operations, where they have one. It is known by the connection: a request's host is the client's word.</summary>
internal sealed class OperatePort
{
    private static readonly OperatePort s_instance = new();

    /// <summary>Marks the connections of a port.</summary>
    public static void Mark(ListenOptions listen) => listen.Use(next => connection =>
    {
        connection.Features.Set(s_instance);
        return next(connection);
    });

    /// <summary>Whether operations are answered on a request's connection.</summary>
    public static bool Allows(HttpContext context, AccessOptions options) =>
        options.OperatePort is null || context.Features.Get<OperatePort>() is not null;

    /// <summary>Whether a request is for an operation: what its endpoint has no policy for is one.</summary>
    public static bool IsOperation(HttpContext context) =>
        context.GetEndpoint() is RouteEndpoint endpoint && endpoint.Metadata.GetMetadata<IAuthorizeData>()?.Policy is null or Scopes.Operate;
}
