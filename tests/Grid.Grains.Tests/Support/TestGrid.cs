using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Sequences;
using Grid.Sequences.Routing;
using Grid.Workers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Configuration;
using Orleans.TestingHost;

namespace Grid.Grains.Tests.Support;

/// <summary>Silos in one process, each with a gateway and a scripted device.</summary>
internal sealed class TestGrid : IAsyncDisposable
{
    private readonly InProcessTestCluster _cluster;

    private TestGrid(InProcessTestCluster cluster, List<ScriptedEngine> engines)
    {
        _cluster = cluster;
        Engines = engines;
    }

    public static TimeSpan Patience { get; } = TimeSpan.FromSeconds(60);

    /// <summary>By silo.</summary>
    public IReadOnlyList<ScriptedEngine> Engines { get; }

    /// <summary>In the order of the engines; the cluster starts them in any order.</summary>
    public IReadOnlyList<InProcessSiloHandle> Silos { get; private set; } = [];

    public static async Task<TestGrid> StartAsync(int silos, Func<int, ScriptedEngine> engine, bool differentModels = false, Func<int, int>? kvTokens = null,
        Func<int, Func<WeightsRequest, INewWeights>>? weights = null)
    {
        var engines = Enumerable.Range(0, silos).Select(engine).ToList();
        int next = -1;
        var builder = new InProcessTestClusterBuilder((short)silos);
        builder.Options.InitializeClientOnDeploy = false;
        builder.ConfigureSilo((_, silo) =>
        {
            int index = Interlocked.Increment(ref next);
            silo.Services.AddSingleton(engines[index]);
            int kv = kvTokens?.Invoke(index) ?? TestModel.MaxModelTokens;
            silo.Services.AddSingleton(provider => new DeviceWorker(
                differentModels ? TestModel.Worker($"{TestModel.Name}-{index}", $"{TestModel.NumericsId}-{index}") : TestModel.Worker(kvTokens: kv), engines[index],
                new WorkerOptions(), provider.GetRequiredService<ISiloProbe>(), TimeProvider.System, NullLogger<DeviceWorker>.Instance)
            { WeightsReader = weights?.Invoke(index) });
            silo.Configure<ClusterMembershipOptions>(membership => membership.NumVotesForDeathDeclaration = 1);
            silo.Configure<GrainDirectoryOptions>(directory => directory.CacheSize = 4); // A grain whose place is forgotten is found again.
            silo.AddGridWorkers();
            silo.AddGridSequences();
            silo.Services.AddSingleton<ISiloProbe>(new FakeSiloProbe()); // These silos have no address that could be asked.
        });
        var grid = new TestGrid(builder.Build(), engines);
        await grid._cluster.DeployAsync();
        grid.Silos = [.. grid._cluster.Silos.OrderBy(silo => engines.IndexOf(
            grid._cluster.GetSiloServiceProvider(silo.SiloAddress).GetRequiredService<ScriptedEngine>()))];
        for (int i = 0; i < silos; i++)
        {
            var gateway = grid.Service<WorkerDirectory>(i);
            await gateway.OpenAsync(CancellationToken.None);
            while (gateway.Live.Count < silos)
            {
                int seen = gateway.Live.Count;
                Assert.True(await gateway.WaitForAsync(_ => gateway.Live.Count > seen, Patience, default), "A worker did not come up.");
            }
        }

        return grid;
    }

    public T Service<T>(int silo)
        where T : notnull => _cluster.GetSiloServiceProvider(Silos[silo].SiloAddress).GetRequiredService<T>();

    public ISequenceService Sequences(int silo = 0) => Service<ISequenceService>(silo);

    public DeviceWorker Worker(int silo = 0) => Service<DeviceWorker>(silo);

    public Task StopAsync(int silo) => _cluster.StopSiloAsync(Silos[silo]);

    public Task KillAsync(int silo) => _cluster.KillSiloAsync(Silos[silo]);

    public async ValueTask DisposeAsync()
    {
        await _cluster.DisposeAsync();
        foreach (var engine in Engines)
        {
            engine.Dispose();
        }
    }
}

/// <summary>What a sequence gave, put together.</summary>
internal sealed record Answer(string Text, int[] Tokens, string? FinishReason, object? MatchedStop, string? Error, int Endings)
{
    public static async Task<Answer> ReadAsync(TestSequence sequence)
    {
        var text = new System.Text.StringBuilder();
        var tokens = new List<int>();
        SequenceUpdate? last = null;
        int endings = 0;
        using var patience = new CancellationTokenSource(TestGrid.Patience);
        await foreach (var update in sequence.ReadUpdatesAsync(patience.Token))
        {
            text.Append(update.Text);
            tokens.AddRange(update.Tokens.Select(token => token.TokenId));
            endings += update.FinishReason is null ? 0 : 1;
            last = update;
        }

        return new Answer(text.ToString(), [.. tokens], last?.FinishReason, last?.MatchedStop, last?.Error, endings);
    }

    public static SequenceSpec Spec(
        int[] prompt, int maxNewTokens, Func<GenerationParameters, GenerationParameters>? with = null)
    {
        var generation = new GenerationParameters { Sampling = new() { Seed = 1 }, MaxNewTokens = maxNewTokens };
        return new() { Model = TestModel.Name, PromptIds = prompt, Generation = with?.Invoke(generation) ?? generation };
    }

    public static int[] Expected(int[] prompt, int count) =>
        [.. Enumerable.Range(0, count).Select(i => ScriptedEngine.TokenAt(prompt, i))];

    public static string TextOf(IEnumerable<int> tokens) => new([.. tokens.Select(token => (char)token)]);
}
