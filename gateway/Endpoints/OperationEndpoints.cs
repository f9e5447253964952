using Grid.Clustering;
using Grid.Gateway.Http;
using Grid.Gateway.Requests;
using Grid.Gateway.Running;
using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Sequences;

namespace Grid.Gateway.Endpoints;

/// <summary>Health, and the cache.</summary>
internal static class OperationEndpoints
{
    /// <summary>How long /health_generate waits for tokens, as SGLang's does.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    /// <summary>GET /livez: the process answers.</summary>
    public static Task LiveAsync(HttpContext context) => OkAsync(context);

    /// <summary>GET /readyz and /health: 200 while a worker is live and the gateway is not asked to stop, otherwise 503 with
    /// the reason.</summary>
    public static async Task ReadyAsync(HttpContext context, ISequenceService service, ActiveRequests requests, NodeHealth node)
    {
        await RequireReadyAsync(context, service, requests, node);
        await OkAsync(context);
    }

    private static async Task RequireReadyAsync(HttpContext context, ISequenceService service, ActiveRequests requests, NodeHealth node)
    {
        if (node.StoreLost is { } lost)
        {
            throw ApiErrors.Unavailable(lost);
        }
        requests.RequireOpen();
        if (WhyNotReady(service) is not null)
        {
            await service.OpenAsync(context.RequestAborted); // Other nodes may be.
        }
        if (WhyNotReady(service) is { } reason)
        {
            throw ApiErrors.Unavailable(reason);
        }
    }

    /// <summary>GET /health_generate: as /health, and every model has drawn a token within <see cref="s_patience"/>.</summary>
    public static async Task GenerateAsync(HttpContext context, ISequenceService service, ActiveRequests requests, NodeHealth node)
    {
        await RequireReadyAsync(context, service, requests, node);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        patience.CancelAfter(s_patience);
        try
        {
            foreach (var model in service.Models)
            {
                var end = new TaskCompletionSource<SequenceUpdate>(TaskCreationOptions.RunContinuationsAsynchronously);
                await using var sequence = await service.StartAsync(
                    new SequenceSpec { Model = model.Id, NumericsId = model.NumericsId, PromptIds = [0], Generation = new() { MaxNewTokens = 1 } },
                    (_, update) =>
                    {
                        if (update.FinishReason is not null || update.Refusal is not null)
                        {
                            end.TrySetResult(update);
                        }
                    },
                    patience.Token);
                var last = await end.Task.WaitAsync(patience.Token);
                if (last.Refusal is { } refusal)
                {
                    throw new RefusedException(refusal);
                }
                if (last.FinishReason is "error" or "abort")
                {
                    throw ApiErrors.Unavailable($"Model {JsonShown.Text(model.Id)} drew no token: {last.Error ?? "it was stopped"}");
                }
            }
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            throw ApiErrors.Unavailable($"No token was drawn within {s_patience.TotalSeconds} s.");
        }
        await OkAsync(context);
    }

    /// <summary>POST /flush_cache: drops the prefix caches; an empty 200 when a worker did.</summary>
    public static async Task FlushAsync(HttpContext context, ISequenceService service)
    {
        HostNames.RequireSameOrigin(context.Request);
        await RequestBody.RequireEmptyAsync(context);
        if (await service.FlushCacheAsync(context.RequestAborted) == 0)
        {
            throw ApiErrors.Unavailable(ModelDirectory.NothingServed);
        }
        context.Response.ContentLength = 0;
    }

    private static string? WhyNotReady(ISequenceService service)
    {
        var states = service.Snapshot.Workers.Select(worker => worker.State).Where(state => state != WorkerState.Failed).ToArray();
        if (service.Models.Count > 0 && states.Contains(WorkerState.Live))
        {
            return null;
        }
        if (states.Length > 0 && states.All(state => state == WorkerState.Quarantined))
        {
            return "Every worker is in quarantine: it was found to compute wrongly (GET /v1/grid says more).";
        }
        var counts = states.GroupBy(GridEndpoints.NameOf).OrderBy(group => group.Key, StringComparer.Ordinal)
            .Select(group => $"{group.Count()} {group.Key}");
        return states.Length == 0 || service.Models.Count == 0
            ? ModelDirectory.NothingServed
            : $"No worker takes sequences at the moment: {string.Join(", ", counts)} (GET /v1/grid says more).";
    }

    private static Task OkAsync(HttpContext context)
    {
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync("ok\n", context.RequestAborted);
    }
}
