using System.Text.Json.Nodes;
using Grid.Clustering;
using Grid.Gateway.Http;
using Grid.Gateway.Running;
using Grid.Grains.Messages;
using Grid.Options;
using Grid.Sequences;

namespace Grid.Gateway.Endpoints;

/// <summary>The grid as this gateway sees it.</summary>
internal static class GridEndpoints
{
    /// <summary>Requests shown, of those under way with more than one sequence.</summary>
    private const int LargestRequests = 32;

    /// <summary>GET /v1/grid: this node and its store, workers with what they serve, limits, load and cache, and what waits and runs
    /// here.</summary>
    public static Task ShowAsync(HttpContext context, ISequenceService service, NodeHealth node, ActiveRequests requests)
    {
        var grid = service.Snapshot;
        return JsonResponse.WriteAsync(context, new JsonObject
        {
            ["object"] = "grid",
            ["node"] = new JsonObject
            {
                ["name"] = node.Name,
                ["version"] = GridProgram.Version,
                ["started"] = node.Started.ToUnixTimeSeconds(),
                ["uptime_seconds"] = (long)node.Uptime.TotalSeconds,
            },
            ["store"] = Store(node),
            ["workers"] = new JsonArray([.. grid.Workers.Select(Worker)]),
            ["queued"] = new JsonObject(grid.Waiting.OrderBy(entry => entry.Key, StringComparer.Ordinal)
                .Select(entry => KeyValuePair.Create<string, JsonNode?>(entry.Key, entry.Value))),
            ["running"] = grid.Running,
            ["requests"] = new JsonArray([.. requests.Progress.Where(request => request.Sequences > 1)
                .OrderByDescending(request => request.Sequences).ThenBy(request => request.Started).Take(LargestRequests).Select(Request)]),
        });
    }

    /// <summary>A worker's state in the API's words.</summary>
    internal static string NameOf(WorkerState state) => state.ToString().ToLowerInvariant();

    private static JsonObject Request(RequestProgress request)
    {
        int ended = request.Ended, begun = request.Begun;
        return new JsonObject
        {
            ["id"] = request.Id,
            ["rid"] = request.FirstName,
            ["model"] = request.Model,
            ["started"] = request.Started.ToUnixTimeSeconds(),
            ["sequences"] = request.Sequences,
            ["waiting"] = request.Sequences - begun,
            ["running"] = Math.Max(0, begun - ended),
            ["ended"] = ended,
            ["generated_tokens"] = request.Tokens,
        };
    }

    private static JsonObject Store(NodeHealth node)
    {
        var json = new JsonObject { ["kind"] = node.Store, ["state"] = node.StoreState.ToString().ToLowerInvariant() };
        if (node.StoreAwaySince is { } since)
        {
            json["away_since"] = since.ToUnixTimeSeconds();
        }
        return json;
    }

    private static JsonObject Worker(WorkerSnapshot worker)
    {
        var (status, load) = (worker.Status, worker.Load);
        var json = new JsonObject
        {
            ["id"] = status.Worker.Key,
            ["model"] = status.ModelId,
            ["system_fingerprint"] = status.NumericsId,
            ["weight_version"] = status.WeightVersion,
            ["device"] = status.Device,
            ["state"] = NameOf(worker.State),
        };
        if (worker.Reason is { } reason)
        {
            json[worker.State == WorkerState.Failed ? "failure" : "quarantine"] = reason;
        }
        json["started"] = status.Started.ToUnixTimeSeconds();
        json["limits"] = new JsonObject
        {
            ["max_model_len"] = status.Limits.MaxContextTokens,
            ["max_running_requests"] = status.Limits.MaxRunningSequences,
            ["max_queued_requests"] = status.Limits.MaxWaitingSequences,
            ["kv_cache_tokens"] = status.Limits.KvCacheTokens,
        };
        json["load"] = new JsonObject
        {
            ["running"] = load.Running,
            ["waiting"] = load.Waiting,
            ["queued_tokens"] = load.QueuedTokens,
            ["steps"] = load.Steps,
            ["prompt_tokens"] = load.PromptTokens,
            ["cached_prompt_tokens"] = load.CachedPromptTokens,
            ["generated_tokens"] = load.GeneratedTokens,
            ["preemptions"] = load.Preemptions,
            ["paused"] = load.Paused,
        };
        json["pages"] = new JsonObject
        {
            ["tokens"] = status.PageTokens,
            ["total"] = load.TotalPages,
            ["free"] = load.FreePages,
            ["cached"] = load.CachedPages,
            ["known_here"] = worker.PrefixPages,
        };
        return json;
    }
}
