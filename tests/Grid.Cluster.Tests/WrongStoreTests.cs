using Grid.Cluster.Tests.Support;

namespace Grid.Cluster.Tests;

/// <summary>A store that is wrong or away ends the start with one sentence and an exit code, and gives no secret away.</summary>
public sealed class WrongStoreTests(RedisServer redis, PostgresServer postgres)
{
    private const string Secret = "hush-hush";

    [Theory]
    [InlineData(2, "--cluster is redis, but --cluster-connection does not say how it is reached", "redis", null)]
    [InlineData(2, "--cluster is postgres, but --cluster-connection does not say how it is reached", "postgres", null)]
    [InlineData(2, "--cluster-connection is given, but --cluster is localhost", "localhost", "127.0.0.1:1")]
    [InlineData(2, "--cluster-connection cannot be read; for Redis it is host:port", "redis", $"127.0.0.1:1,pasword={Secret}")]
    [InlineData(2, "--cluster-connection holds a part that is neither host:port nor name=value; for Redis", "redis", $"127.0.0.1:1,{Secret}")]
    [InlineData(2, "--cluster-connection names no host; for Redis it is host:port", "redis", $"password={Secret}")]
    [InlineData(2, "--cluster-connection cannot be read; for PostgreSQL it is written 'Host=", "postgres", $"Host=127.0.0.1;Pasword={Secret}")]
    [InlineData(2, "--cluster-connection names no Host; for PostgreSQL", "postgres", $"Password={Secret}")]
    [InlineData(1, "The cluster's store, Redis at 127.0.0.1:1, cannot be used: nothing answers there as Redis does", "redis", $"127.0.0.1:1,password={Secret}")]
    [InlineData(1, "The cluster's store, PostgreSQL at 127.0.0.1:1, database grid, cannot be used: nothing answers there as PostgreSQL does", "postgres", $"Host=127.0.0.1;Port=1;Database=grid;Username=u;Password={Secret}")]
    public Task A_store_that_cannot_be_reached_is_named(int exitCode, string sentence, string store, string? connection) =>
        EndsWithAsync(exitCode, sentence, store, connection);

    [Fact]
    public async Task A_wrong_password_for_Redis_is_said_to_be_wrong()
    {
        redis.Require();
        await EndsWithAsync(1, "it does not accept the user or password", "redis", $"127.0.0.1:{redis.Port},password={Secret}");
        await EndsWithAsync(1, "it does not accept the user or password", "redis", $"127.0.0.1:{redis.Port}");
    }

    [Fact]
    public async Task A_database_that_is_missing_refuses_or_has_no_tables_is_named()
    {
        postgres.Require();
        await EndsWithAsync(1, "password authentication failed for user \"grid\"", "postgres", postgres.Connection("postgres").Replace(PostgresServer.Password, Secret, StringComparison.Ordinal));
        await EndsWithAsync(1, "database \"nowhere\" does not exist", "postgres", postgres.Connection("nowhere"));
        await EndsWithAsync(1, "database empty, lacks the membership tables; start one node with --apply-schema", "postgres", await postgres.CreateDatabaseAsync("empty"));
    }

    [Fact]
    public async Task A_store_of_another_kind_is_not_taken_for_the_right_one()
    {
        postgres.Require();
        redis.Require();
        await EndsWithAsync(1, "nothing answers there as Redis does", "redis", $"127.0.0.1:{postgres.Port},password={Secret}");
        await EndsWithAsync(1, "nothing answers there as PostgreSQL does", "postgres", $"Host=127.0.0.1;Port={redis.Port};Database=grid;Username=u;Password={Secret}");
    }

    /// <summary>The same for a silo and a gateway.</summary>
    private static async Task EndsWithAsync(int exitCode, string sentence, string store, string? connection)
    {
        var environment = new Dictionary<string, string> { ["Grid__Cluster"] = store };
        if (connection is not null)
        {
            environment["Grid__ClusterConnection"] = connection;
        }

        await using var silo = NodeProcess.Silo(environment);
        await using var gateway = NodeProcess.Gateway(environment);
        foreach (var (node, name) in new[] { (silo, "grid: "), (gateway, "gateway: ") })
        {
            int code = await node.EndsAsync();
            string error = Assert.Single(node.Output.Split('\n'), line => !line.StartsWith("Grid ", StringComparison.Ordinal));
            Assert.StartsWith(name, error, StringComparison.Ordinal);
            Assert.Contains(sentence, error, StringComparison.Ordinal);
            Assert.DoesNotContain(Secret, error, StringComparison.Ordinal);
            Assert.Equal(exitCode, code);
        }
    }
}
