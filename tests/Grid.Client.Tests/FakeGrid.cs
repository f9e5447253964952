using System.Net;
using System.Reflection;
using System.Runtime.CompilerServices;
using Grid.Grains;
using Grid.Grains.Messages;
using Grid.Grains.Placement;
using Grid.Numerics;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Grid.Client.Tests;

/// <summary>A grid of three silos whose sequences say what a test wants, in order of the attempts.</summary>
public class FakeGrid : DispatchProxy
{
    private static readonly SiloAddress[] s_silos =
        [.. Enumerable.Range(1, 3).Select(port => SiloAddress.New(new IPEndPoint(IPAddress.Loopback, port), 1))];

    private readonly Queue<SequenceUpdate[]> _attempts = [];
    private int _asked;

    /// <summary>Silos that were asked for the sequence, in order.</summary>
    public List<SiloAddress> Asked { get; } = [];

    /// <summary>What they were asked for.</summary>
    public List<SequenceSpec> Starts { get; } = [];

    /// <summary>What silos say they serve, by the number of the question.</summary>
    public Func<int, string[]> Models { get; set; } = _ => ["demo"];

    public static FakeGrid Create(params SequenceUpdate[][] attempts)
    {
        var grid = (FakeGrid)(object)Create<IClusterClient, FakeGrid>();
        foreach (var attempt in attempts)
        {
            grid._attempts.Enqueue(attempt);
        }

        return grid;
    }

    /// <summary>A client of it.</summary>
    public GridClient Connect(int attempts = 20) => new(
        (IClusterClient)(object)this, Options.Create(new GridClientOptions { RetryDelay = TimeSpan.Zero, MaxFruitlessAttempts = attempts }),
        TimeProvider.System, NullLogger<GridClient>.Instance);

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) => args?[0] switch
    {
        long when targetMethod!.ReturnType == typeof(ICatalogGrain) => new Catalog(this),
        string key when targetMethod!.ReturnType == typeof(ISequenceGrain) => new Sequence(this, SiloKey.Parse(key).Silo),
        _ => throw new NotSupportedException($"{targetMethod}"),
    };

    private sealed class Catalog(FakeGrid grid) : ICatalogGrain
    {
        public Task<ModelDescription[]> GetModels() => Task.FromResult<ModelDescription[]>([.. grid.Models(grid._asked++).Select(id => new ModelDescription
        {
            Id = id,
            NumericsId = "grid-1-fake",
            MaxContextTokens = 100,
            HasTokenizer = true,
            Sampling = new SamplingParameters(),
        })]);

        public Task<SiloAddress[]> GetSilos() => Task.FromResult(s_silos);
    }

    private sealed class Sequence(FakeGrid grid, SiloAddress silo) : ISequenceGrain
    {
        public async IAsyncEnumerable<SequenceUpdate> Run(
            SequenceSpec spec, [EnumeratorCancellation] CancellationToken cancellationToken)
        {
            grid.Asked.Add(silo);
            grid.Starts.Add(spec);
            await Task.Yield();
            foreach (var update in grid._attempts.Dequeue())
            {
                yield return update;
            }
        }

        public Task Start(SequenceSpec spec) => throw new NotSupportedException();

        public Task<SequenceState?> GetState() => throw new NotSupportedException();
    }
}
