using System.Globalization;
using System.Text.Json.Nodes;
using Grid.Clustering;
using Grid.Gateway.Http;
using Grid.Gateway.Requests;
using Grid.Grains.Messages;
using Grid.Options;
using Grid.Sequences;

namespace Grid.Gateway.Endpoints;

/// <summary>What launch scripts, routers and benchmarks ask a server about itself, in SGLang's and vLLM's words.</summary>
internal static class ServerEndpoints
{
    /// <summary>GET /version, as vLLM has it.</summary>
    public static Task VersionAsync(HttpContext context) => JsonResponse.WriteAsync(context, new JsonObject { ["version"] = GridProgram.Version });

    /// <summary>GET /server_info and /get_server_info: the model, its limits on all workers together, and each worker's load.</summary>
    public static Task InfoAsync(HttpContext context, ISequenceService service, NodeHealth node)
    {
        var model = ModelDirectory.Resolve(service, null);
        var workers = Live(service);
        return JsonResponse.WriteAsync(context, new JsonObject
        {
            ["status"] = "ready",
            ["version"] = GridProgram.Version,
            ["model_path"] = model.Id,
            ["served_model_name"] = model.Id,
            ["tokenizer_path"] = model.Text is null ? null : model.Id,
            ["context_length"] = model.MaxContextTokens,
            ["dtype"] = "bfloat16",
            ["dp_size"] = workers.Length,
            ["max_total_num_tokens"] = workers.Sum(worker => worker.Status.Limits.KvCacheTokens),
            ["max_running_requests"] = workers.Sum(worker => worker.Status.Limits.MaxRunningSequences),
            ["enable_deterministic_inference"] = true,
            ["system_fingerprint"] = model.NumericsId,
            ["weight_version"] = model.WeightVersion,
            ["uptime_seconds"] = (long)node.Uptime.TotalSeconds,
            ["internal_states"] = new JsonArray([.. workers.Select(Load)]),
        });
    }

    /// <summary>GET /v1/loads: each worker's load, and all of them together.</summary>
    public static Task LoadsAsync(HttpContext context, ISequenceService service, TimeProvider clock)
    {
        RequireKnown(context.Request.Query, "include", "core", "all");
        RequireKnown(context.Request.Query, "format", "json");
        var workers = Live(service);
        long capacity = workers.Sum(worker => (long)worker.Status.Limits.KvCacheTokens), used = workers.Sum(UsedTokens);
        return JsonResponse.WriteAsync(context, new JsonObject
        {
            ["timestamp"] = clock.GetUtcNow().ToString("o", CultureInfo.InvariantCulture),
            ["version"] = GridProgram.Version,
            ["dp_rank_count"] = workers.Length,
            ["loads"] = new JsonArray([.. workers.Select(Load)]),
            ["aggregate"] = new JsonObject
            {
                ["total_running_reqs"] = workers.Sum(worker => worker.Load.Running),
                ["total_waiting_reqs"] = workers.Sum(worker => worker.Load.Waiting) + service.Snapshot.Waiting.Values.Sum(),
                ["total_reqs"] = workers.Sum(worker => worker.Load.Running + worker.Load.Waiting) + service.Snapshot.Waiting.Values.Sum(),
                ["total_used_tokens"] = used,
                ["avg_token_usage"] = Share(used, capacity),
            },
        });
    }

    private static WorkerSnapshot[] Live(ISequenceService service) =>
        [.. service.Snapshot.Workers.Where(worker => worker.State is WorkerState.Live or WorkerState.Draining)];

    private static JsonNode Load(WorkerSnapshot worker, int rank)
    {
        var (limits, load) = (worker.Status.Limits, worker.Load);
        return new JsonObject
        {
            ["dp_rank"] = rank,
            ["worker"] = worker.Status.Worker.Key,
            ["num_running_reqs"] = load.Running,
            ["num_waiting_reqs"] = load.Waiting,
            ["num_total_reqs"] = load.Running + load.Waiting,
            ["num_used_tokens"] = UsedTokens(worker),
            ["max_total_num_tokens"] = limits.KvCacheTokens,
            ["max_running_requests"] = limits.MaxRunningSequences,
            ["token_usage"] = Share(UsedTokens(worker), limits.KvCacheTokens),
            ["cache_hit_rate"] = Share(load.CachedPromptTokens, load.PromptTokens),
        };
    }

    /// <summary>Tokens in pages that sequences hold; what only the prefix cache holds can be had.</summary>
    private static long UsedTokens(WorkerSnapshot worker) =>
        (long)(worker.Load.TotalPages - worker.Load.FreePages - worker.Load.CachedPages) * worker.Status.PageTokens;

    private static double Share(long part, long whole) => whole > 0 ? (double)part / whole : 0;

    private static void RequireKnown(IQueryCollection query, string name, params string[] values)
    {
        foreach (string? given in query[name].SelectMany(value => (value ?? "").Split(',')))
        {
            if (!values.Contains(given, StringComparer.Ordinal))
            {
                throw ApiErrors.WrongValue(name, JsonShown.Text(given ?? ""), string.Join(" or ", values));
            }
        }
    }
}
