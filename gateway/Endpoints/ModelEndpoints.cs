using System.Text.Json;
using Grid.Gateway.Http;
using Grid.Gateway.Requests;
using Grid.Numerics;
using Grid.Sequences;

namespace Grid.Gateway.Endpoints;

/// <summary>What is served.</summary>
internal sealed class ModelEndpoints(ISequenceService service)
{
    /// <summary>GET /v1/models.</summary>
    public Task ListAsync(HttpContext context)
    {
        var models = service.Models;
        return JsonResponse.WriteAsync(context, StatusCodes.Status200OK, json =>
        {
            json.WriteStartObject();
            json.WriteString("object", "list");
            json.WriteStartArray("data");
            foreach (var model in models)
            {
                WriteModel(json, model);
            }
            json.WriteEndArray();
            json.WriteEndObject();
        });
    }

    /// <summary>GET /v1/models/{id}; ids may hold slashes.</summary>
    public Task GetAsync(HttpContext context)
    {
        var id = (string)context.Request.RouteValues["id"]!;
        var model = ModelDirectory.Find(service, id);
        return JsonResponse.WriteAsync(context, StatusCodes.Status200OK, json => WriteModel(json, model));
    }

    /// <summary>GET /get_model_info, in SGLang's words.</summary>
    public Task InfoAsync(HttpContext context)
    {
        var model = ModelDirectory.Resolve(service, null);
        return JsonResponse.WriteAsync(context, StatusCodes.Status200OK, json =>
        {
            json.WriteStartObject();
            json.WriteString("model_path", model.Id);
            json.WriteString("tokenizer_path", model.Text is null ? null : model.Id);
            json.WriteBoolean("is_generation", true);
            json.WriteNumber("max_context_tokens", model.MaxContextTokens);
            json.WriteString("system_fingerprint", model.NumericsId);
            WriteSampling(json, model.Sampling);
            json.WriteEndObject();
        });
    }

    private static void WriteModel(Utf8JsonWriter json, ServedModel model)
    {
        json.WriteStartObject();
        json.WriteString("id", model.Id);
        json.WriteString("object", "model");
        json.WriteNumber("created", model.Created.ToUnixTimeSeconds());
        json.WriteString("owned_by", "grid");
        json.WriteNumber("max_model_len", model.MaxContextTokens);
        json.WriteString("system_fingerprint", model.NumericsId);
        WriteSampling(json, model.Sampling);
        json.WriteEndObject();
    }

    private static void WriteSampling(Utf8JsonWriter json, SamplingParameters sampling)
    {
        json.WriteStartObject("default_sampling_params");
        SamplingFields.WriteDefaults(json, sampling);
        json.WriteEndObject();
    }
}
