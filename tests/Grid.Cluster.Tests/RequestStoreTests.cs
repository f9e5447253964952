using System.Text;
using Grid.Cluster.Tests.Support;
using Grid.Clustering.Stores;
using Grid.Options;
using Grid.Resumption;
using Npgsql;
using StackExchange.Redis;

namespace Grid.Cluster.Tests;

/// <summary>Every store keeps requests alike.</summary>
public sealed class RequestStoreTests(RedisServer redis, PostgresServer postgres)
{
    private static readonly TimeSpan s_long = TimeSpan.FromHours(1);
    private static readonly TimeSpan s_short = TimeSpan.FromMilliseconds(200);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("memory")]
    [InlineData("redis")]
    [InlineData("postgres")]
    public async Task A_request_is_kept_claimed_in_turn_and_let_go(string kind)
    {
        var store = await CreateAsync(kind);
        await using var owned = store as IAsyncDisposable;
        var id = Guid.NewGuid();
        byte[] request = [0, 255, .. Encoding.UTF8.GetBytes("{\"ü\":1}"), 10];
        await store.PutAsync(id, request, "first", s_long, Token);
        Assert.Equal(request, await store.FindAsync(id, Token));

        var claim = await store.ClaimAsync(id, "second", s_long, Token);
        Assert.Equal((1, "first"), (claim!.Epoch, claim.PreviousOwner));

        // Whoever was not told that it is kept asks again, and changes nothing.
        await store.PutAsync(id, new byte[] { 1 }, "first", s_long, Token);
        var claims = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => store.ClaimAsync(id, $"racer {i}", s_long, Token)));
        Assert.Equal(Enumerable.Range(2, 8), claims.Select(one => one!.Epoch).Order());
        Assert.Equal(8, claims.Select(one => one!.PreviousOwner).Distinct().Count());
        Assert.Equal("second", claims.MinBy(one => one!.Epoch)!.PreviousOwner);
        Assert.Equal(request, await store.FindAsync(id, Token));

        var unknown = Guid.NewGuid();
        Assert.Null(await store.FindAsync(unknown, Token));
        Assert.Null(await store.ClaimAsync(unknown, "x", s_long, Token));

        // A renewal says how long from now on; what is gone stays gone.
        await store.RenewAsync([id, unknown], s_short, Token);
        await Programs.UntilAsync(async () => await store.FindAsync(id, Token) is null, "The request never expired.");
        Assert.Null(await store.ClaimAsync(id, "late", s_long, Token));
        await store.RenewAsync([id, unknown], s_long, Token);
        Assert.Null(await store.FindAsync(id, Token));
        Assert.Null(await store.FindAsync(unknown, Token));
    }

    [Fact]
    public async Task Expired_requests_leave_no_rows_and_a_database_without_their_table_is_named()
    {
        var store = await CreateAsync("postgres");
        await using var owned = store as IAsyncDisposable;
        await store.PutAsync(Guid.NewGuid(), new byte[10], "x", s_short, Token);
        await using var connection = new NpgsqlConnection(postgres.Connection("requests_postgres"));
        await connection.OpenAsync(Token);
        await Programs.UntilAsync(async () =>
        {
            await store.RenewAsync([], s_long, Token);
            await using var count = new NpgsqlCommand("SELECT count(*) FROM grid_request WHERE octet_length(request) = 10", connection);
            return (long)(await count.ExecuteScalarAsync(Token))! == 0;
        }, "The expired request's row stayed.");

        await postgres.CreateDatabaseAsync("requests_older");
        await new PostgresStore(postgres.Connection("requests_older"), applySchema: true).PrepareAsync(TextWriter.Null, Token);
        await using var older = new NpgsqlConnection(postgres.Connection("requests_older"));
        await older.OpenAsync(Token);
        await using (var drop = new NpgsqlCommand("DROP TABLE grid_request", older))
        {
            await drop.ExecuteNonQueryAsync(Token);
        }

        var lacking = await Assert.ThrowsAsync<StartException>(() =>
            new PostgresStore(postgres.Connection("requests_older"), applySchema: false).PrepareAsync(TextWriter.Null, Token));
        Assert.Contains("lacks the table of requests; start one node with --apply-schema", lacking.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Memory_is_bounded_and_what_would_expire_first_goes_early()
    {
        var store = new MemoryRequestStore(s_long, maxBytes: 10_000, TimeProvider.System);
        var ids = Enumerable.Range(0, 20).Select(_ => Guid.NewGuid()).ToArray();
        for (int i = 0; i < ids.Length; i++)
        {
            await store.PutAsync(ids[i], new byte[1000], "x", s_long + TimeSpan.FromMinutes(i), Token);
            await store.RenewAsync([ids[0]], 3 * s_long, Token);
        }

        Assert.InRange(store.Count, 5, 9);
        Assert.NotNull(await store.FindAsync(ids[0], Token));
        Assert.Null(await store.FindAsync(ids[1], Token));
        Assert.NotNull(await store.FindAsync(ids[^1], Token));
    }

    private async Task<IRequestStore> CreateAsync(string kind)
    {
        switch (kind)
        {
            case "redis":
                redis.Require();
                return new RedisRequestStore(s_long, "store-test", ConfigurationOptions.Parse(redis.Connection));
            case "postgres":
                postgres.Require();
                string name = "requests_postgres";
                string connection = postgres.Connection(name);
                if (!await postgres.ExistsAsync(name))
                {
                    await postgres.CreateDatabaseAsync(name);
                    await new PostgresStore(connection, applySchema: true).PrepareAsync(TextWriter.Null, Token);
                }

                return new PostgresRequestStore(s_long, "store-test", connection);
            default:
                return new MemoryRequestStore(s_long, 1 << 20, TimeProvider.System);
        }
    }
}
