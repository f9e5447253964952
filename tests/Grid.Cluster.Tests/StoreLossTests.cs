using Grid.Cluster.Tests.Support;
using Npgsql;
using StackExchange.Redis;

namespace Grid.Cluster.Tests;

/// <summary>A store that forgets splits no cluster: every node that it has forgotten says so in a sentence and ends, and nodes that start
/// then are one cluster again.</summary>
public sealed class StoreLossTests(PostgresServer postgres)
{
    [Theory]
    [InlineData("redis")]
    [InlineData("postgres")]
    public async Task An_emptied_store_ends_its_nodes_with_a_sentence_and_those_that_start_then_find_each_other(string store)
    {
        await using var redis = new RedisServer(); // Not the one that other clusters are in.
        await redis.InitializeAsync();
        await using var cluster = await TestCluster.CreateAsync(store, redis, postgres);
        var (gateway, silos) = await cluster.StartAsync(1);
        Assert.Contains($"\"store\":{{\"kind\":\"{store}\",\"state\":\"well\"}}", await gateway.Client.GetStringAsync("/v1/grid"), StringComparison.Ordinal);
        if (store == "redis")
        {
            await using var connection = await ConnectionMultiplexer.ConnectAsync(redis.Connection);
            await connection.GetDatabase().ExecuteAsync("FLUSHALL");
        }
        else
        {
            await using var connection = new NpgsqlConnection(cluster.Connection);
            await connection.OpenAsync();
            await using var drop = new NpgsqlCommand("DROP SCHEMA public CASCADE; CREATE SCHEMA public", connection);
            await drop.ExecuteNonQueryAsync();
        }

        await EndsAsync(silos[0], "its membership table is gone");
        await EndsAsync(gateway, "its membership table is gone");
        var (next, _) = await cluster.StartAsync(2);
        await next.SeesLiveAsync(2);
    }

    [Fact]
    public async Task A_store_that_went_back_ends_its_nodes_with_a_sentence()
    {
        await using var redis = new RedisServer();
        await redis.InitializeAsync();
        await using var cluster = await TestCluster.CreateAsync("redis", redis, postgres);
        var (gateway, silos) = await cluster.StartAsync(1);
        await using var connection = await ConnectionMultiplexer.ConnectAsync(redis.Connection);
        await connection.GetDatabase().HashSetAsync($"grid/members/{cluster.Id}", "Version", "0");
        await EndsAsync(silos[0], "its version went back from ");
        await EndsAsync(gateway, "its version went back from ");
    }

    private static async Task EndsAsync(NodeProcess node, string what)
    {
        Assert.True(await node.EndsWithinAsync(Programs.Patience), node.Output);
        Assert.Equal(1, await node.EndsAsync());
        Assert.Equal(1, node.Count($"The cluster's store has lost what was written to it ({what}"));
        Assert.DoesNotContain("   at ", node.Output, StringComparison.Ordinal);
    }
}
