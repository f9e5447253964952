using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Grid.Client;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Grid.Cluster.Tests.Support;

/// <summary>What requests leave behind in a cluster over Redis once they have ended: nothing.</summary>
internal static class Leftovers
{
    /// <summary>Waits until nothing is left; what is, after all, is the failure's text.</summary>
    /// <param name="cluster">A cluster that nobody asks anything of any more.</param>
    /// <param name="workers">Its workers.</param>
    /// <param name="gateways">Its gateways.</param>
    /// <param name="redis">Its store.</param>
    public static async Task NoneAsync(TestCluster cluster, NodeProcess[] workers, NodeProcess[] gateways, RedisServer redis)
    {
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Logging.ClearProviders();
        builder.UseOrleansClient(client => client.UseGridOverRedis(redis.Connection, cluster.Id));
        using var client = builder.Build();
        await client.StartAsync();
        var management = client.Services.GetRequiredService<IGrainFactory>().GetGrain<IManagementGrain>(0);
        await using var store = await ConnectionMultiplexer.ConnectAsync(redis.Connection);
        string[] left = [];
        try
        {
            await Programs.UntilAsync(
                async () =>
                {
                    left = [.. await OfWorkersAsync(gateways, workers.Length), .. await OfGatewaysAsync([.. gateways, .. workers]), .. await OfGrainsAsync(management), .. OfStore(store)];
                    return left.Length == 0;
                },
                "Something is left.");
        }
        catch (Xunit.Sdk.XunitException)
        {
            Assert.Fail($"This is left of requests that have ended:\n{string.Join('\n', left)}");
        }
    }

    /// <summary>Sequences that run or wait, and pages that are neither free nor only cached.</summary>
    private static async Task<IEnumerable<string>> OfWorkersAsync(NodeProcess[] gateways, int expected)
    {
        var left = new List<string>();
        foreach (var gateway in gateways)
        {
            var workers = (await gateway.Client.GetFromJsonAsync<JsonNode>("/v1/grid"))!["workers"]!.AsArray();
            if (workers.Count != expected)
            {
                left.Add($"{gateway.Url} knows {workers.Count} workers and not {expected}");
            }

            left.AddRange(workers
                .Where(worker => (int)worker!["load"]!["running"]! + (int)worker["load"]!["waiting"]! > 0
                    || (int)worker["pages"]!["free"]! + (int)worker["pages"]!["cached"]! != (int)worker["pages"]!["total"]!)
                .Select(worker => $"worker {worker!["id"]}: {worker["load"]!.ToJsonString()} {worker["pages"]!.ToJsonString()}"));
        }

        return left;
    }

    /// <summary>Sequences that a gateway still reads, or lets wait.</summary>
    private static async Task<IEnumerable<string>> OfGatewaysAsync(NodeProcess[] nodes)
    {
        var left = new List<string>();
        foreach (var node in nodes)
        {
            var grid = (await node.Client.GetFromJsonAsync<JsonNode>("/v1/grid"))!;
            if ((int)grid["running"]! > 0 || grid["queued"]!.AsObject().Any(model => (int)model.Value! > 0))
            {
                left.Add($"gateway {node.Url}: {grid["running"]} run, {grid["queued"]!.ToJsonString()} wait");
            }
        }

        return left;
    }

    /// <summary>Grains of sequences and of clients' sessions.</summary>
    private static async Task<IEnumerable<string>> OfGrainsAsync(IManagementGrain management) =>
        (await management.GetSimpleGrainStatistics())
            .Where(grains => grains.ActivationCount > 0 && grains.GrainType.Contains("SequenceGrain", StringComparison.Ordinal))
            .Select(grains => $"{grains.ActivationCount} {grains.GrainType} at {grains.SiloAddress}");

    /// <summary>Kept requests; gone once their retention is over.</summary>
    private static string[] OfStore(ConnectionMultiplexer store)
    {
        int kept = store.GetServers().Single().Keys(pattern: "*/requests/*").Count();
        return kept == 0 ? [] : [$"{kept} kept requests"];
    }
}
