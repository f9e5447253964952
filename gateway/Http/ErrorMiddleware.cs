using Grid.Numerics;
using Microsoft.Extensions.Options;

namespace Grid.Gateway.Http;

/// <summary>Turns every failure into the API's error object, the router's bare 404 and 405 included.</summary>
internal sealed class ErrorMiddleware(RequestDelegate next, IOptions<GatewayOptions> options, ILogger<ErrorMiddleware> logger)
{
    public async Task InvokeAsync(HttpContext context)
    {
        context.Response.Headers["X-Request-Id"] = context.TraceIdentifier;
        try
        {
            HostNames.RequireAllowed(context, options.Value.AllowedHosts);
            await next(context);
            if (!context.Response.HasStarted && RoutingError(context) is { } error)
            {
                await JsonResponse.WriteErrorAsync(context, error);
            }
        }
        catch (Exception exception)
        {
            await AnswerAsync(context, exception);
        }
    }

    private async Task AnswerAsync(HttpContext context, Exception exception)
    {
        if (context.RequestAborted.IsCancellationRequested)
        {
            GatewayLog.ClientLeft(logger, GatewayLog.PathOf(context), context.TraceIdentifier);
            return;
        }
        var error = ErrorMapping.ToApiError(exception, context.TraceIdentifier);
        if (error.Status >= 500 && exception is not (ApiException or RefusedException))
        {
            GatewayLog.RequestFailed(logger, GatewayLog.PathOf(context), context.TraceIdentifier, exception);
        }
        else
        {
            GatewayLog.RequestRefused(logger, GatewayLog.PathOf(context), error.Status, error.Code, context.TraceIdentifier);
        }
        if (context.Response.HasStarted)
        {
            // Too late to say anything in form: break the connection rather than end it as if all were well.
            context.Abort();
            return;
        }
        if (error.Status == StatusCodes.Status413PayloadTooLarge)
        {
            // Once the answer is out the server takes in what still comes for a while, so that the client gets to read it.
            context.Response.Headers.Connection = "close";
        }
        await JsonResponse.WriteErrorAsync(context, error);
    }

    private static ApiError? RoutingError(HttpContext context)
    {
        var request = context.Request;
        return context.Response.StatusCode switch
        {
            StatusCodes.Status404NotFound => new ApiError(StatusCodes.Status404NotFound,
                $"There is no endpoint {request.Method} {JsonShown.Text(request.Path)}.", "invalid_request_error", null, "unknown_url"),
            StatusCodes.Status405MethodNotAllowed => new ApiError(StatusCodes.Status405MethodNotAllowed,
                $"The method of {JsonShown.Text(request.Path)} is {request.Method}; it must be {context.Response.Headers.Allow}.",
                "invalid_request_error", null, "method_not_allowed"),
            _ => null,
        };
    }
}

/// <summary>Puts the error middleware before everything else in whichever application hosts the gateway.</summary>
internal sealed class ErrorStartupFilter : IStartupFilter
{
    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        var options = app.ApplicationServices.GetRequiredService<IOptions<GatewayOptions>>().Value;
        if (options.TrustedProxies is not null)
        {
            app.UseForwardedHeaders();
        }
        app.UseMiddleware<ErrorMiddleware>();
        if (options.CorsOrigins is not null)
        {
            app.UseCors();
        }
        next(app);
    };
}
