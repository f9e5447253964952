namespace Grid.Cluster.Tests.Support;

/// <summary>One cluster for each kind of store, a gateway and two workers, for tests that leave it as they found it. Its nodes are
/// warm, too: starting one and its first steps are the most of what a short test costs.</summary>
public sealed class SharedClusters : IAsyncDisposable
{
    private readonly Dictionary<string, SharedCluster> _clusters = [];

    /// <summary>The cluster of a store, for one test at a time; what its nodes printed before is left out.</summary>
    /// <param name="store">redis, postgres, or localhost for none.</param>
    /// <param name="redis">The tests' own.</param>
    /// <param name="postgres">The tests' own.</param>
    internal async Task<SharedCluster> UseAsync(string store, RedisServer redis, PostgresServer postgres)
    {
        if (!_clusters.TryGetValue(store, out var shared) || !await shared.IsWholeAsync())
        {
            await using (shared?.Cluster)
            {
                _clusters.Remove(store);
            }

            var cluster = await TestCluster.CreateAsync(store, redis, postgres);
            try
            {
                var (gateway, silos) = await cluster.StartAsync(2);
                _clusters[store] = shared = new SharedCluster(cluster, gateway, silos);
            }
            catch
            {
                await cluster.DisposeAsync();
                throw;
            }
        }

        foreach (var node in shared.Cluster.Nodes)
        {
            node.BeginTest();
        }

        return shared;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var shared in _clusters.Values)
        {
            await shared.Cluster.DisposeAsync();
        }
    }
}

/// <summary>A cluster that tests use one after the other.</summary>
/// <param name="Cluster">For further nodes, which the test ends.</param>
/// <param name="Gateway">Its gateway.</param>
/// <param name="Silos">Its workers; one of them is the primary where there is no store.</param>
internal sealed record SharedCluster(TestCluster Cluster, NodeProcess Gateway, NodeProcess[] Silos)
{
    private static readonly TimeSpan s_recovery = TimeSpan.FromSeconds(15);

    /// <summary>Whether the test before, which may have failed, left it as it was. Otherwise the next test gets another one.</summary>
    public async Task<bool> IsWholeAsync()
    {
        if (Silos.Append(Gateway).Any(node => node.HasEnded))
        {
            return false;
        }

        using var recovery = new CancellationTokenSource(s_recovery);
        try
        {
            while (await Gateway.StatesAsync(recovery.Token) is not ["live", "live"])
            {
                await Task.Delay(25, recovery.Token);
            }

            return true;
        }
        catch (Exception exception) when (exception is OperationCanceledException or HttpRequestException)
        {
            return false;
        }
    }
}
