using System.Text.Json;
using Grid.Gateway.Http;
using Grid.Grains.Messages;
using Grid.Sequences;

namespace Grid.Gateway.Endpoints;

/// <summary>The grid as this gateway sees it.</summary>
internal sealed class GridEndpoints(ISequenceService service)
{
    /// <summary>GET /v1/grid: workers with what they serve, limits, load and cache, and what waits and runs here.</summary>
    public Task ShowAsync(HttpContext context)
    {
        var grid = service.Snapshot;
        return JsonResponse.WriteAsync(context, StatusCodes.Status200OK, json =>
        {
            json.WriteStartObject();
            json.WriteString("object", "grid");
            json.WriteStartArray("workers");
            foreach (var worker in grid.Workers)
            {
                WriteWorker(json, worker);
            }
            json.WriteEndArray();
            json.WriteStartObject("queued");
            foreach (var (model, waiting) in grid.Waiting.OrderBy(entry => entry.Key, StringComparer.Ordinal))
            {
                json.WriteNumber(model, waiting);
            }
            json.WriteEndObject();
            json.WriteNumber("running", grid.Running);
            json.WriteEndObject();
        });
    }

    /// <summary>A worker's state in the API's words.</summary>
    internal static string NameOf(WorkerState state) => state.ToString().ToLowerInvariant();

    private static void WriteWorker(Utf8JsonWriter json, WorkerSnapshot worker)
    {
        var (status, load) = (worker.Status, worker.Load);
        json.WriteStartObject();
        json.WriteString("id", status.Worker.Key);
        json.WriteString("model", status.ModelId);
        json.WriteString("system_fingerprint", status.NumericsId);
        json.WriteString("device", status.Device);
        json.WriteString("state", NameOf(worker.State));
        if (worker.Reason is { } reason)
        {
            json.WriteString(worker.State == WorkerState.Failed ? "failure" : "quarantine", reason);
        }
        json.WriteNumber("started", status.Started.ToUnixTimeSeconds());
        json.WriteStartObject("limits");
        json.WriteNumber("max_model_len", status.Limits.MaxContextTokens);
        json.WriteNumber("max_running_requests", status.Limits.MaxRunningSequences);
        json.WriteNumber("max_queued_requests", status.Limits.MaxWaitingSequences);
        json.WriteNumber("kv_cache_tokens", status.Limits.KvCacheTokens);
        json.WriteEndObject();
        json.WriteStartObject("load");
        json.WriteNumber("running", load.Running);
        json.WriteNumber("waiting", load.Waiting);
        json.WriteNumber("queued_tokens", load.QueuedTokens);
        json.WriteNumber("steps", load.Steps);
        json.WriteNumber("prompt_tokens", load.PromptTokens);
        json.WriteNumber("cached_prompt_tokens", load.CachedPromptTokens);
        json.WriteNumber("generated_tokens", load.GeneratedTokens);
        json.WriteNumber("preemptions", load.Preemptions);
        json.WriteEndObject();
        json.WriteStartObject("pages");
        json.WriteNumber("tokens", status.PageTokens);
        json.WriteNumber("total", load.TotalPages);
        json.WriteNumber("free", load.FreePages);
        json.WriteNumber("cached", load.CachedPages);
        json.WriteNumber("known_here", worker.PrefixPages);
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
