using Grid.Gateway.Http;
using Grid.Gateway.Requests;
using Grid.Gateway.Running;
using Grid.Sequences;
using Grid.Sequences.Routing;

namespace Grid.Gateway.Endpoints;

/// <summary>Health, and the cache.</summary>
internal sealed class OperationEndpoints(ISequenceService service, ActiveRequests requests)
{
    /// <summary>GET /livez: the process answers.</summary>
    public static Task LiveAsync(HttpContext context) => OkAsync(context);

    /// <summary>GET /readyz and /health: 200 while a worker serves and the gateway is not asked to stop, otherwise 503 with
    /// the reason.</summary>
    public Task ReadyAsync(HttpContext context)
    {
        requests.RequireOpen();
        if (service.Models.Count == 0)
        {
            throw ApiErrors.Unavailable(ModelDirectory.NothingServed);
        }
        WorkerSnapshot[] workers = [.. service.Snapshot.Workers.Where(worker => worker.Condition != WorkerCondition.Failed)];
        return workers.Length > 0 && workers.All(worker => worker.Condition == WorkerCondition.Quarantined)
            ? throw ApiErrors.Unavailable("Every worker is in quarantine: it was found to compute wrongly (GET /v1/grid says more).")
            : OkAsync(context);
    }

    /// <summary>POST or GET /flush_cache: drops the prefix caches; an empty 200 when a worker did.</summary>
    public async Task FlushAsync(HttpContext context)
    {
        await RequestBody.RequireEmptyAsync(context);
        if (await service.FlushCacheAsync(context.RequestAborted) == 0)
        {
            throw ApiErrors.Unavailable(ModelDirectory.NothingServed);
        }
        context.Response.ContentLength = 0;
    }

    private static Task OkAsync(HttpContext context)
    {
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync("ok\n", context.RequestAborted);
    }
}
