using System.Net;
using System.Reflection;
using Grid.Clustering;
using Grid.Gateway;
using Grid.Gateway.Node;
using Grid.Options;
using Grid.Sequences;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Orleans.Runtime.GrainDirectory;

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
        var cluster = await ClusterNode.PrepareAsync(options.Cluster, "test", clientPort: null, TextWriter.Null, CancellationToken.None);
        var services = NodeHost.CreateBuilder(options, cluster).Services;
        Assert.Equal(options.Sequences, Got<SequencesOptions>(services));
        Assert.Equal(TimeSpan.FromSeconds(7), Got<DrainOptions>(services).Grace);
        Assert.Equal(options.Gateway with { DrainGrace = TimeSpan.FromSeconds(7) }, Got<GatewayOptions>(services));
    }

    [Fact]
    public async Task A_silo_takes_clients_where_it_is_told_and_nowhere_unless_asked()
    {
        foreach (int? asked in new int?[] { null, 0 })
        {
            var options = new GatewayNodeOptions();
            var cluster = await ClusterNode.PrepareAsync(options.Cluster, "test", asked, TextWriter.Null, CancellationToken.None);
            await using var host = NodeHost.CreateBuilder(options, cluster).Build();
            var place = host.Services.GetRequiredService<IOptions<Orleans.Configuration.EndpointOptions>>().Value.GatewayListeningEndpoint;
            Assert.Equal(asked is null ? null : IPAddress.Loopback, place?.Address);
            Assert.Equal(asked is null, cluster.ClientPort == 0);
        }
    }

    /// <summary>Each sequence is a grain, and Orleans would remember a million of them long after their end.</summary>
    [Fact]
    public async Task A_node_remembers_the_places_of_few_grains()
    {
        var options = new GatewayNodeOptions();
        var cluster = await ClusterNode.PrepareAsync(options.Cluster, "test", clientPort: null, TextWriter.Null, CancellationToken.None);
        await using var host = NodeHost.CreateBuilder(options, cluster).Build();
        var cache = GrainDirectoryCacheFactory.CreateGrainDirectoryCache(
            host.Services, host.Services.GetRequiredService<IOptions<Orleans.Configuration.GrainDirectoryOptions>>().Value);
        for (int i = 0; i < 20_000; i++)
        {
            cache.AddOrUpdate(new GrainAddress { GrainId = GrainId.Create("sequence", $"{i}"), SiloAddress = SiloAddress.Zero }, version: 1);
        }

        Assert.InRange(cache.KeyValues.Count(), 1, 10_000);
    }

    [Theory]
    [InlineData("The cluster secret has 5 characters; it must have at least 16.", "hush!", null, null)]
    [InlineData("--cluster-secret and --cluster-secret-file are both given; leave one out.", "0123456789abcdef", "/tmp/x", null)]
    [InlineData("--cluster-secret-file is '/no/such/file', which cannot be read", null, "/no/such/file", null)]
    [InlineData("Other nodes' connections are taken at 0.0.0.0, where anybody who reaches it", null, null, "0.0.0.0")]
    public async Task A_secret_that_protects_nothing_is_refused(string sentence, string? secret, string? file, string? listen)
    {
        var options = new ClusterNodeOptions { ClusterSecret = secret, ClusterSecretFile = file, ListenAddress = listen is null ? null : IPAddress.Parse(listen) };
        var refused = await Assert.ThrowsAsync<StartException>(() => ClusterNode.PrepareAsync(options, "test", null, TextWriter.Null, CancellationToken.None));
        Assert.StartsWith(sentence, refused.Message, StringComparison.Ordinal);
        Assert.Equal(StartException.Usage, refused.ExitCode);
        Assert.DoesNotContain("hush!", refused.Message, StringComparison.Ordinal);
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
                double share => share / 2,
                AnswerCacheKind.Off => AnswerCacheKind.Memory,
                TimeSpan time => time + TimeSpan.FromSeconds(1),
                null when property.PropertyType == typeof(TimeSpan?) => TimeSpan.FromSeconds(1),
                null when property.PropertyType == typeof(ulong?) => 1UL,
                null when property.PropertyType == typeof(int?) => 1,
                null when property.PropertyType == typeof(long?) => 1L << 20,
                null when property.PropertyType == typeof(string) => "a",
                null when property.PropertyType == typeof(IPNetwork[]) => new[] { IPNetwork.Parse("10.0.0.0/8") },
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
