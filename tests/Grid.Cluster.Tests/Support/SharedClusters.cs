namespace Grid.Cluster.Tests.Support;

/// <summary>One cluster for each kind of store, a gateway and two workers, for tests that leave them as they found them; what a test
/// does harm to it starts beside them. Its nodes are warm, too: starting one and its first steps are the most of what a short test
/// costs.</summary>
public sealed class SharedClusters : IAsyncDisposable
{
    private readonly Dictionary<string, SharedCluster> _clusters = [];

    /// <summary>The cluster of a store, for one test at a time; what its nodes printed before is left out.</summary>
    /// <param name="store">redis, postgres, or localhost for none.</param>
    /// <param name="redis">The tests' own.</param>
    /// <param name="postgres">The tests' own.</param>
    /// <returns>To be disposed of when the test has ended: the nodes that it started beside the others end with it.</returns>
    internal async Task<SharedCluster> UseAsync(string store, RedisServer redis, PostgresServer postgres)
    {
        if (!_clusters.TryGetValue(store, out var shared) || !await shared.IsWholeAsync())
        {
            if (_clusters.Remove(store, out var broken))
            {
                await broken.Cluster.DisposeAsync();
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

        shared.BeginTest();
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
/// <param name="cluster">For further nodes.</param>
/// <param name="gateway">Its gateway.</param>
/// <param name="silos">Its workers; one of them is the primary where there is no store.</param>
internal sealed class SharedCluster(TestCluster cluster, NodeProcess gateway, NodeProcess[] silos) : IAsyncDisposable
{
    private static readonly TimeSpan s_recovery = TimeSpan.FromSeconds(15);

    public TestCluster Cluster => cluster;

    public NodeProcess Gateway => gateway;

    public NodeProcess[] Silos => silos;

    private IEnumerable<NodeProcess> Own => [gateway, .. silos];

    public void BeginTest()
    {
        foreach (var node in Own)
        {
            node.BeginTest();
        }
    }

    /// <summary>Whether the test before, which may have failed, left it as it was. Otherwise the next test gets another one.</summary>
    public async Task<bool> IsWholeAsync()
    {
        using var recovery = new CancellationTokenSource(s_recovery);
        try
        {
            while (!Own.Any(node => node.HasEnded))
            {
                if (await gateway.StatesAsync(recovery.Token) is ["live", "live"])
                {
                    return true;
                }

                await Task.Delay(25, recovery.Token);
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or HttpRequestException)
        {
        }

        return false;
    }

    /// <summary>Ends what the test started beside its nodes: in good order, so that the others need not find out.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var node in cluster.Nodes.Except(Own).Where(node => !node.HasEnded))
        {
            await node.SignalAsync("TERM");
            if (!await node.EndsWithinAsync(s_recovery))
            {
                node.Kill();
            }
        }
    }
}
