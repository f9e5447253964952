using System.Text.Json;
using System.Text.Json.Nodes;
using Grid.Gateway.Http;
using Grid.Gateway.Requests;
using Grid.Numerics;
using Grid.Sequences;

namespace Grid.Gateway.Endpoints;

/// <summary>What is served.</summary>
internal static class ModelEndpoints
{
    /// <summary>GET /v1/models.</summary>
    public static Task ListAsync(HttpContext context, ISequenceService service) => JsonResponse.WriteAsync(context, new JsonObject
    {
        ["object"] = "list",
        ["data"] = new JsonArray([.. service.Models.Select(Model)]),
    });

    /// <summary>GET /v1/models/{id}; ids may hold slashes, escaped or not.</summary>
    public static Task GetAsync(HttpContext context, ISequenceService service, string id) =>
        JsonResponse.WriteAsync(context, Model(ModelDirectory.Find(service, id.Replace("%2F", "/", StringComparison.OrdinalIgnoreCase))));

    /// <summary>GET /get_model_info, in SGLang's words.</summary>
    public static Task InfoAsync(HttpContext context, ISequenceService service)
    {
        var model = ModelDirectory.Resolve(service, null);
        return JsonResponse.WriteAsync(context, new JsonObject
        {
            ["model_path"] = model.Id,
            ["tokenizer_path"] = model.Text is null ? null : model.Id,
            ["is_generation"] = true,
            ["max_context_tokens"] = model.MaxContextTokens,
            ["system_fingerprint"] = model.NumericsId,
            ["weight_version"] = model.WeightVersion,
            ["default_sampling_params"] = Sampling(model.Sampling),
        });
    }

    private static JsonObject Model(ServedModel model) => new()
    {
        ["id"] = model.Id,
        ["object"] = "model",
        ["created"] = model.Created.ToUnixTimeSeconds(),
        ["owned_by"] = "grid",
        ["max_model_len"] = model.MaxContextTokens,
        ["system_fingerprint"] = model.NumericsId,
        ["default_sampling_params"] = Sampling(model.Sampling),
    };

    /// <summary>The values that hold where a request is silent, as a request would say them.</summary>
    private static JsonObject Sampling(SamplingParameters sampling) => new(RecommendedParameter.All.Select(
        parameter => KeyValuePair.Create(parameter.Name, JsonSerializer.SerializeToNode(parameter.Get(sampling)))));
}
