using System.Text.Json;
using System.Text.Json.Nodes;
using Grid.Gateway.Http;
using Grid.Gateway.Requests;
using Grid.Sequences;
using Microsoft.Extensions.Options;

namespace Grid.Gateway.Endpoints;

/// <summary>What trainers tell a server, in SGLang's words.</summary>
internal sealed class ControlEndpoints(ISequenceService service, BodyBudget budget, IOptions<GatewayOptions> options)
{
    /// <summary>POST /pause_generation: all workers hold what they have, or end it.</summary>
    public async Task PauseAsync(HttpContext context)
    {
        var request = await ReadAsync(context, PauseRequest.Parse);
        Require(await service.PauseAsync(request.Model, request.Mode, context.RequestAborted));
        await DoneAsync(context, "Generation paused successfully.");
    }

    /// <summary>POST /continue_generation: what is held goes on.</summary>
    public async Task ContinueAsync(HttpContext context)
    {
        var request = await ReadAsync(context, ContinueRequest.Parse);
        Require(await service.ContinueAsync(request.Model, context.RequestAborted));
        await DoneAsync(context, "Generation continued successfully.");
    }

    /// <summary>POST /abort_request: a request, or all, ends where it stands. An empty 200, as SGLang gives, whether there was one or not.</summary>
    public async Task AbortAsync(HttpContext context)
    {
        var request = await ReadAsync(context, AbortRequest.Parse);
        if (request.Name is { } name)
        {
            service.Abort(name);
        }
        else
        {
            Require(await service.AbortAllAsync(request.Model, context.RequestAborted));
        }
        context.Response.ContentLength = 0;
    }

    private Task<T> ReadAsync<T>(HttpContext context, Func<JsonElement, ISequenceService, T> parse)
    {
        HostNames.RequireSameOrigin(context.Request);
        return RequestBody.ReadOptionalAsync(context, budget, options.Value, body => parse(body, service));
    }

    /// <summary>Says so where a worker did not do as it was told.</summary>
    private static void Require(WorkersReached reached)
    {
        if (reached.Asked == 0)
        {
            throw ApiErrors.Unavailable(ModelDirectory.NothingServed);
        }
        if (reached.Answered < reached.Asked)
        {
            throw ApiErrors.Unavailable($"{reached.Answered} of {reached.Asked} workers have done it; the others were lost meanwhile (GET /v1/grid shows them).");
        }
    }

    private static Task DoneAsync(HttpContext context, string message) =>
        JsonResponse.WriteAsync(context, new JsonObject { ["status"] = "ok", ["message"] = message });
}
