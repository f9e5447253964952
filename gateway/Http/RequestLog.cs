using System.Diagnostics;

namespace Grid.Gateway.Http;

/// <summary>A line for each request that has ended (<c>--log-requests</c>): who asked, for what, and what came of it. Neither body nor
/// query is in it.</summary>
internal sealed partial class RequestLog(RequestDelegate next, ILogger<RequestLog> logger)
{
    public async Task InvokeAsync(HttpContext context)
    {
        long began = Stopwatch.GetTimestamp();
        try
        {
            await next(context);
        }
        finally
        {
            var request = context.Request;
            string client = $"{context.Connection.RemoteIpAddress}:{context.Connection.RemotePort}";
            string path = GatewayLog.PathOf(context);
            double milliseconds = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
            LogRequest(client, request.Method, path, request.Protocol, context.Response.StatusCode, milliseconds, context.TraceIdentifier);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Client} \"{Method} {Path} {Protocol}\" {Status} {Milliseconds:F1} ms, request {RequestId}")]
    private partial void LogRequest(string client, string method, string path, string protocol, int status, double milliseconds, string requestId);
}

/// <summary>Puts the log of requests around everything else.</summary>
internal sealed class RequestLogStartupFilter : IStartupFilter
{
    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        app.UseMiddleware<RequestLog>();
        next(app);
    };
}
