using Grid.Client;
using Grid.Cluster.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Grid.Cluster.Tests;

/// <summary>Who knows the cluster's secret is let in, as a node or as a client; a stranger is not.</summary>
public sealed class TrustTests(RedisServer redis, PostgresServer postgres)
{
    private const string Secret = "correct-horse-battery-staple";
    private const string Wrong = "incorrect-horse-battery-staple";
    private const string Refused = "was refused: it did not prove the cluster's secret";

    [Theory]
    [InlineData(null)]
    [InlineData(Wrong)]
    public async Task A_client_without_the_secret_is_refused_and_one_with_it_generates(string? other)
    {
        await using var cluster = await TestCluster.CreateAsync("redis", redis, postgres);
        string file = Path.Combine(Directory.CreateTempSubdirectory("grid-secret-").FullName, "secret");
        await File.WriteAllTextAsync(file, Secret + "\n");
        var silo = cluster.StartSilo("--cluster-secret", Secret);
        var gateway = cluster.StartGateway("--cluster-secret-file", file);
        await gateway.SeesLiveAsync(1);

        using (var host = await ConnectAsync(cluster, Secret))
        {
            var client = host.Services.GetRequiredService<GridClient>();
            var model = Assert.Single(await client.GetModelsAsync());
            var answer = await client.GenerateAsync(new GenerationRequest { Model = model.Id, PromptText = "The dog", Seed = 1, MaxNewTokens = 5 });
            Assert.Equal((model.NumericsId, 1ul), (answer.NumericsId, answer.Seed));
        }

        // It may try for ever; when it has been refused it is not connected.
        using var enough = new CancellationTokenSource();
        var stranger = ConnectAsync(cluster, other, enough.Token);
        await silo.SaysAsync(Refused);
        await enough.CancelAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => stranger);
        Assert.Equal(["live"], await gateway.StatesAsync());
        Assert.DoesNotContain(Secret, silo.Output + gateway.Output, StringComparison.Ordinal);
        Directory.Delete(Path.GetDirectoryName(file)!, recursive: true);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(Wrong)]
    public async Task A_node_without_the_secret_is_not_let_in(string? other)
    {
        await using var cluster = await TestCluster.CreateAsync("localhost", redis, postgres);
        var silo = cluster.StartSilo("--cluster-secret", Secret);
        await silo.ServesAsync();
        var stranger = cluster.StartGateway(other is null ? [] : ["--cluster-secret", other]);
        Assert.True(await stranger.EndsWithinAsync(Programs.Patience), stranger.Output);
        Assert.Equal(1, await stranger.EndsAsync());
        Assert.Contains(other is null ? "lets only nodes in that know its cluster's secret" : "does not have this node's cluster secret", stranger.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", stranger.Output, StringComparison.Ordinal);
        if (other is not null) // Who has none has been told so before it said anything.
        {
            await silo.SaysAsync(Refused);
        }

        Assert.Equal(["live"], await silo.StatesAsync());
    }

    private async Task<IHost> ConnectAsync(TestCluster cluster, string? secret, CancellationToken cancellationToken = default)
    {
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Logging.ClearProviders();
        builder.UseOrleansClient(client =>
        {
            client.UseGridOverRedis(redis.Connection, cluster.Id);
            if (secret is not null)
            {
                client.UseClusterSecret(secret);
            }
        });
        var host = builder.Build();
        await host.StartAsync(cancellationToken).WaitAsync(cancellationToken);
        return host;
    }
}
