using System.Text.Json;
using System.Text.Json.Nodes;
using Grid.Gateway.Caching;
using Grid.Gateway.Http;
using Grid.Gateway.Requests;
using Grid.Gateway.Running;
using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Sequences;
using Microsoft.Extensions.Options;

namespace Grid.Gateway.Endpoints;

/// <summary>What trainers tell a server, in SGLang's words.</summary>
internal sealed class ControlEndpoints(ISequenceService service, AnswerCache answers, ActiveRequests requests, BodyBudget budget, IOptions<GatewayOptions> options, TimeProvider clock)
{
    /// <summary>POST /pause_generation: all workers hold what they have, or end it.</summary>
    public async Task PauseAsync(HttpContext context)
    {
        var request = await ReadAsync(context, PauseRequest.Parse);
        if (request.Mode == PauseMode.Abort)
        {
            requests.Abort(request.Model, _ => true);
        }
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

    /// <summary>POST /abort_request: a request, all whose names begin so, or all, end where they stand. An empty 200, as SGLang gives, whether there was one or not.</summary>
    public async Task AbortAsync(HttpContext context)
    {
        var request = await ReadAsync(context, AbortRequest.Parse);
        if (request.Name is { } name)
        {
            requests.Abort(null, own => SequenceName.Means(name, own, request.IsPrefix));
            answers.End(name, request.IsPrefix);
        }
        else
        {
            requests.Abort(request.Model, _ => true);
            Require(await service.AbortAllAsync(request.Model, context.RequestAborted));
        }
        context.Response.ContentLength = 0;
    }

    /// <summary>POST /update_weights_from_disk: other weights on all workers of a model, or on none. What runs ends with the old ones.</summary>
    public async Task UpdateWeightsAsync(HttpContext context)
    {
        var request = await ReadAsync(context, (body, service) => UpdateWeightsRequest.Parse(body, service, clock.GetUtcNow()));
        long started = clock.GetTimestamp();
        UpdatedWeights updated;
        try
        {
            updated = await service.UpdateWeightsAsync(request.Model.Id, request.Weights, context.RequestAborted);
        }
        catch (RefusedException exception)
        {
            throw new ApiException(ErrorMapping.ToApiError(exception.Refusal, UpdateWeightsRequest.NameOf(exception.Refusal.Field)));
        }
        await JsonResponse.WriteAsync(context, new JsonObject
        {
            ["success"] = true,
            ["message"] = "Succeeded to update model weights.",
            ["num_paused_requests"] = 0,
            ["weight_version"] = updated.Version,
            ["system_fingerprint"] = updated.NumericsId,
            ["workers"] = updated.Workers,
            ["seconds"] = clock.GetElapsedTime(started).TotalSeconds,
        });
    }

    /// <summary>GET /get_weight_version and /weight_version.</summary>
    public static Task WeightVersionAsync(HttpContext context, ISequenceService service)
    {
        var model = ModelDirectory.Resolve(service, null);
        return JsonResponse.WriteAsync(context, new JsonObject { ["weight_version"] = model.WeightVersion, ["system_fingerprint"] = model.NumericsId });
    }

    /// <summary>What SGLang has of the kind and Grid has not, with what to do instead.</summary>
    public static IEnumerable<(string Path, string Instead)> Unsupported { get; } =
    [
        .. new[] { "/init_weights_update_group", "/destroy_weights_update_group", "/update_weights_from_distributed", "/update_weights_from_tensor", "/update_weights_from_ipc" }
            .Select(path => (path, "weights come from a folder alone: write them as safetensors where the workers' nodes can read them (shared memory, /dev/shm, is a folder too), and call /update_weights_from_disk")),
        .. new[] { "/release_memory_occupation", "/resume_memory_occupation" }
            .Select(path => (path, "weights and KV cache keep their place on the device while a node runs: leave room for the trainer with --mem-fraction-static, or stop the node meanwhile")),
    ];

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
