namespace Grid.Cluster.Tests.Support;

/// <summary>The nodes of one test, all pointed at the same store; they end with the test.</summary>
internal sealed class TestCluster : IAsyncDisposable
{
    /// <summary>Options of a worker that serves the demo model. Several nodes share few cores: threads that wait for each other would only
    /// take them away.</summary>
    private static readonly string[] s_demoModel = ["--cpu-threads", "1"];

    /// <summary>Options of a worker that serves the small model.</summary>
    public static readonly string[] SmallModel =
        [.. s_demoModel, "--model-path", Path.Combine(AppContext.BaseDirectory, "models", "small"), "--load-format", "dummy"];

    /// <summary>For clients that are not nodes.</summary>
    private static readonly string[] s_clientPort = ["--gateway-port", "0"];

    private static int s_number;

    private readonly List<NodeProcess> _nodes = [];
    private readonly Dictionary<string, string> _environment;
    private readonly int? _primaryPort;
    private readonly string[] _model;

    private TestCluster(Dictionary<string, string> environment, int? primaryPort, bool demoModel)
    {
        _environment = environment;
        _primaryPort = primaryPort;
        _model = demoModel ? s_demoModel : SmallModel;
        _environment["Grid__ClusterId"] = $"test-{Interlocked.Increment(ref s_number)}";
    }

    /// <summary>Every node that was started, also those that have ended; others may be started meanwhile.</summary>
    public IReadOnlyList<NodeProcess> Nodes
    {
        get
        {
            lock (_nodes)
            {
                return [.. _nodes];
            }
        }
    }

    /// <summary>The nodes' cluster id.</summary>
    public string Id => _environment["Grid__ClusterId"];

    /// <summary>How the store is reached; null without one.</summary>
    public string? Connection => _environment.GetValueOrDefault("Grid__ClusterConnection");

    /// <summary>With which its nodes are asked, where they have keys.</summary>
    public string? Key { get; set; }

    /// <summary>A setting in the environment of all nodes that are started from now on.</summary>
    public void Set(string name, string value) => _environment[name] = value;

    /// <summary>A cluster in a store of this kind; skips the test on a machine without it.</summary>
    /// <param name="store">redis, postgres, or localhost for none.</param>
    /// <param name="redis">The tests' own.</param>
    /// <param name="postgres">The tests' own.</param>
    /// <param name="demoModel">Whether workers serve the demo model, as they do when they are told nothing, and not the small one.</param>
    public static async Task<TestCluster> CreateAsync(string store, RedisServer redis, PostgresServer postgres, bool demoModel = false)
    {
        switch (store)
        {
            case "redis":
                redis.Require();
                return new(Settings(store, redis.Connection), null, demoModel);
            case "postgres":
                postgres.Require();
                var environment = Settings(store, await postgres.CreateDatabaseAsync($"grid_{Interlocked.Increment(ref s_number)}"));
                environment["Grid__ApplySchema"] = "true"; // On every node: whoever comes first makes the tables.
                return new(environment, null, demoModel);
            default:
                return new([], Programs.FreePort(), demoModel);
        }
    }

    /// <summary>Starts a worker; without a store, the first one is the primary.</summary>
    public NodeProcess StartSilo(params string[] arguments) => Add(NodeProcess.Silo(_environment, [.. Place(isSilo: true), .. s_clientPort, .. _model, .. arguments]));

    /// <summary>Starts a worker whose device can be told to be faulty.</summary>
    public NodeProcess StartFaultySilo(params string[] arguments) => Add(NodeProcess.FaultySilo(_environment, [.. Place(isSilo: true), .. s_clientPort, .. _model, .. arguments]));

    public NodeProcess StartGateway(params string[] arguments) => Add(NodeProcess.Gateway(_environment, [.. Place(isSilo: false), .. arguments]));

    /// <summary>A gateway and this many workers, once it knows them all.</summary>
    public async Task<(NodeProcess Gateway, NodeProcess[] Silos)> StartAsync(int silos, params string[] arguments)
    {
        var workers = Enumerable.Range(0, silos).Select(_ => StartSilo(arguments)).ToArray();
        var gateway = StartGateway();
        await gateway.SeesLiveAsync(silos);
        return (gateway, workers);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in Nodes)
        {
            await node.DisposeAsync();
        }
    }

    private static Dictionary<string, string> Settings(string store, string connection) =>
        new() { ["Grid__Cluster"] = store, ["Grid__ClusterConnection"] = connection };

    private string[] Place(bool isSilo) => _primaryPort is not { } port ? []
        : isSilo && !Nodes.Any(node => node.IsPrimary) ? ["--silo-port", $"{port}"]
        : ["--primary", $"127.0.0.1:{port}"];

    private NodeProcess Add(NodeProcess node)
    {
        lock (_nodes)
        {
            _nodes.Add(node);
        }

        node.Cluster = () => Nodes;
        node.Key = Key;
        return node;
    }
}
