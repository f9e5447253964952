using Grid.Cluster.Tests.Support;

namespace Grid.Cluster.Tests;

/// <summary>Silos and gateways as processes of their own, finding each other through each kind of store.</summary>
public sealed class MembershipTests(RedisServer redis, PostgresServer postgres, ITestOutputHelper output)
{
    [Theory]
    [InlineData("localhost")]
    [InlineData("redis")]
    [InlineData("postgres")]
    public async Task Nodes_join_in_any_order_and_outlive_a_worker_killed_at_work_with_the_same_bits(string store)
    {
        await using var cluster = await TestCluster.CreateAsync(store, redis, postgres);

        // The gateway first: it waits, says so, and serves once a worker is there.
        var gateway = cluster.StartGateway();
        await gateway.SaysAsync(store == "localhost" ? "Waiting for the silo at 127.0.0.1:" : "Waiting for a worker");
        cluster.StartSilo();
        await gateway.SaysAsync("Ready: workers serve small.");
        var undisturbed = await Completion.UndisturbedAsync(gateway.Client);

        // Then another worker, after the gateway.
        var second = cluster.StartSilo();
        await gateway.SeesLiveAsync(2);
        var gaps = new List<TimeSpan>();
        var streams = await Completion.BeginOnAllAsync(gateway, Completion.Mixed, gaps);
        second.Kill();
        Assert.Equal(undisturbed, await Task.WhenAll(streams));
        output.WriteLine($"Longest silence of a stream over a killed worker: {gaps.Max().TotalSeconds:F2} s");
        Assert.True(gateway.Count("and restarts") > 0, $"Nothing ran on the worker that was killed:\n{gateway.Output}");

        // And what comes after its death, whether or not the cluster has noticed it.
        Assert.Equal(undisturbed, await Completion.StreamAllAsync(gateway.Client, Completion.Mixed));
        Assert.InRange(gateway.Count("is lost"), 0, 3); // One line, however often it is tried.
        Assert.All([RedisServer.Password, PostgresServer.Password], secret => Assert.DoesNotContain(secret, gateway.Output + second.Output, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Nodes_that_are_told_to_make_the_tables_at_the_same_moment_all_start_and_one_of_them_makes_them()
    {
        await using var cluster = await TestCluster.CreateAsync("postgres", redis, postgres);
        NodeProcess[] nodes;
        await using (var held = await PostgresServer.HoldSchemaAsync(cluster.Connection!))
        {
            nodes = [cluster.StartSilo(), cluster.StartSilo(), cluster.StartGateway()];
            await Programs.UntilAsync(async () => await PostgresServer.WaitingForSchemaAsync(held) == nodes.Length, "The nodes did not all come to the tables.");
        }

        await nodes[^1].SeesLiveAsync(2);
        Assert.Equal(1, nodes.Sum(node => node.Count("Made the membership tables")));
        Assert.Equal(1, nodes.Sum(node => node.Count("Made the table of requests")));
    }
}
