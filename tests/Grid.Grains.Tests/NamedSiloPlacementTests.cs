using System.Collections.Concurrent;
using Grid.Grains.Placement;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Placement;
using Orleans.TestingHost;

namespace Grid.Grains.Tests;

public sealed class NamedSiloPlacementTests
{
    [Fact]
    public async Task A_grain_is_activated_on_the_silo_that_its_key_names_whoever_calls_it()
    {
        await using var cluster = await StartAsync(3);
        foreach (var caller in cluster.Silos)
        {
            var grains = cluster.GetSiloServiceProvider(caller.SiloAddress).GetRequiredService<IGrainFactory>();
            foreach (var named in cluster.Silos)
            {
                var grain = grains.GetGrain<IPlacedGrain>(new SiloKey(named.SiloAddress, $"from {caller.Name}").ToString());
                Assert.Equal(named.SiloAddress, await grain.WhereAreYou());
            }
        }
    }

    /// <summary>The test cluster's own directory outlives its silos, so that the harm of using one does not show in
    /// <see cref="The_death_of_another_silo_leaves_grains_alone"/>; it was measured with real processes.</summary>
    [Fact]
    public void The_grain_directory_is_not_used() => Assert.False(new NamedSiloPlacement().IsUsingGrainDirectory);

    [Fact]
    public async Task The_death_of_another_silo_leaves_grains_alone()
    {
        await using var cluster = await StartAsync(3);
        var survivor = cluster.Silos[0];
        var grains = cluster.GetSiloServiceProvider(survivor.SiloAddress).GetRequiredService<IGrainFactory>();
        var placed = Enumerable.Range(0, 100)
            .Select(i => grains.GetGrain<IPlacedGrain>(new SiloKey(survivor.SiloAddress, $"{i}").ToString())).ToArray();
        var before = await Task.WhenAll(placed.Select(grain => grain.WhoAreYou()));
        await cluster.KillSiloAsync(cluster.Silos[2]);
        await cluster.StopSiloAsync(cluster.Silos[1]);
        var after = await Task.WhenAll(placed.Select(grain => grain.WhoAreYou()));
        Assert.Equal(before, after);
        Assert.DoesNotContain(before, activation => PlacedGrain.Ended.ContainsKey(activation));
    }

    [Fact]
    public async Task A_key_that_names_a_silo_which_is_not_alive_fails_at_once_and_says_so()
    {
        await using var cluster = await StartAsync(2);
        var dead = cluster.Silos[1].SiloAddress;
        await cluster.KillSiloAsync(cluster.Silos[1]);
        var grain = cluster.GetSiloServiceProvider(cluster.Silos[0].SiloAddress).GetRequiredService<IGrainFactory>()
            .GetGrain<IPlacedGrain>(new SiloKey(dead, "x").ToString());
        var error = await Assert.ThrowsAnyAsync<Exception>(() => grain.WhereAreYou().WaitAsync(TimeSpan.FromSeconds(10)));
        Assert.IsNotType<TimeoutException>(error);
        Assert.Contains("not alive", error.ToString(), StringComparison.Ordinal);
        Assert.Contains(dead.ToString(), error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("no silo here")]
    [InlineData("/x")]
    [InlineData("127.0.0.1:1@5/")]
    [InlineData("127.0.0.1:1/x")]
    [InlineData("127.0.0.1:1@x/x")]
    public async Task A_key_that_names_no_silo_is_refused(string key)
    {
        Assert.False(SiloKey.TryParse(key, out _));
        Assert.Throws<FormatException>(() => SiloKey.Parse(key));
        await using var cluster = await StartAsync(1);
        var grain = cluster.GetSiloServiceProvider(cluster.Silos[0].SiloAddress).GetRequiredService<IGrainFactory>().GetGrain<IPlacedGrain>(key);
        var error = await Assert.ThrowsAnyAsync<Exception>(() => grain.WhereAreYou().WaitAsync(TimeSpan.FromSeconds(10)));
        Assert.Contains("names no silo", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_survives_its_string_form()
    {
        var key = new SiloKey(SiloAddress.New(System.Net.IPAddress.Parse("10.1.2.3"), 11111, 42), "node/a");
        Assert.Equal(key, SiloKey.Parse(key.ToString()));
    }

    private static async Task<InProcessTestCluster> StartAsync(short silos)
    {
        var builder = new InProcessTestClusterBuilder(silos);
        builder.Options.InitializeClientOnDeploy = false;
        builder.ConfigureSilo((_, silo) => silo.AddPlacementDirector<NamedSiloPlacement, NamedSiloPlacementDirector>());
        var cluster = builder.Build();
        await cluster.DeployAsync();
        foreach (var silo in cluster.Silos)
        {
            await KnowsAllAsync(cluster.GetSiloServiceProvider(silo.SiloAddress), silos);
        }

        return cluster;
    }

    /// <summary>Placement goes by what a silo knows of the others, which it learns a moment after they have started.</summary>
    private static async Task KnowsAllAsync(IServiceProvider services, int silos)
    {
        var statuses = services.GetRequiredService<ISiloStatusOracle>();
        var manifests = services.GetRequiredService<IClusterManifestProvider>();
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(TimeSpan.FromSeconds(60));
        using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        while (statuses.GetApproximateSiloStatuses(onlyActive: true).Count < silos || manifests.Current.Silos.Count < silos)
        {
            await look.WaitForNextTickAsync(patience.Token);
        }
    }
}

public interface IPlacedGrain : IGrainWithStringKey
{
    Task<SiloAddress> WhereAreYou();

    Task<Guid> WhoAreYou();
}

[NamedSiloPlacement, Immovable]
public sealed class PlacedGrain(ILocalSiloDetails silo) : Grain, IPlacedGrain
{
    private readonly Guid _activation = Guid.NewGuid();

    public static ConcurrentDictionary<Guid, DeactivationReason> Ended { get; } = new();

    public Task<SiloAddress> WhereAreYou() => Task.FromResult(silo.SiloAddress);

    public Task<Guid> WhoAreYou() => Task.FromResult(_activation);

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        Ended[_activation] = reason;
        return base.OnDeactivateAsync(reason, cancellationToken);
    }
}
