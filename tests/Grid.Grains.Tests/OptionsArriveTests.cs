using System.Reflection;
using Grid.Clustering;
using Grid.Gateway;
using Grid.Gateway.Node;
using Grid.Sequences;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Grid.Grains.Tests;

/// <summary>What a process was told is what its rooms get, every property of it.</summary>
public sealed class OptionsArriveTests
{
    [Fact]
    public void Sequences_get_every_option()
    {
        var given = Changed(new SequencesOptions());
        var silo = new SiloBuilder();
        silo.AddGridSequences(given);
        Assert.Equal(given, Got<SequencesOptions>(silo.Services));
    }

    [Fact]
    public async Task A_node_hands_on_every_option_of_sequences_and_of_the_HTTP_face()
    {
        var options = new GatewayNodeOptions { DrainGrace = TimeSpan.FromSeconds(7) };
        Changed(options.Sequences);
        Changed(options.Gateway);
        var cluster = await ClusterNode.PrepareAsync(options.Cluster, clientPort: null, TextWriter.Null, CancellationToken.None);
        var services = NodeHost.CreateBuilder(options, cluster).Services;
        Assert.Equal(options.Sequences, Got<SequencesOptions>(services));
        Assert.Equal(TimeSpan.FromSeconds(7), Got<DrainOptions>(services).Grace);
        Assert.Equal(options.Gateway with { DrainGrace = TimeSpan.FromSeconds(7) }, Got<GatewayOptions>(services));
    }

    private static T Got<T>(IServiceCollection services) where T : class =>
        ((IOptions<T>)services.Last(service => service.ServiceType == typeof(IOptions<T>)).ImplementationInstance!).Value;

    /// <summary>Gives every property a value that is not its default.</summary>
    private static T Changed<T>(T options) where T : class
    {
        foreach (var property in typeof(T).GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => property.CanWrite))
        {
            property.SetValue(options, property.GetValue(options) switch
            {
                int number => number + 1,
                long number => number + 1,
                bool flag => !flag,
                TimeSpan time => time + TimeSpan.FromSeconds(1),
                null when property.PropertyType == typeof(TimeSpan?) => TimeSpan.FromSeconds(1),
                null when property.PropertyType == typeof(ulong?) => 1UL,
                null when property.PropertyType == typeof(int?) => 1,
                _ => throw new NotSupportedException($"{property} is of a type that this test does not know yet."),
            });
        }

        return options;
    }

    private sealed class SiloBuilder : ISiloBuilder
    {
        public IServiceCollection Services { get; } = new ServiceCollection();

        public IConfiguration Configuration { get; } = new ConfigurationBuilder().Build();
    }
}
