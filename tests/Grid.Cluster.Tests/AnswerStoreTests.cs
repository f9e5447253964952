using System.Text;
using System.Text.Json.Nodes;
using Grid.Cluster.Tests.Support;
using Grid.Clustering.Stores;
using Grid.Gateway.Node;
using Grid.Options;
using Grid.Resumption;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using StackExchange.Redis;

namespace Grid.Cluster.Tests;

/// <summary>Both shared stores remember answers alike.</summary>
public sealed class AnswerStoreTests(RedisServer redis, PostgresServer postgres, SharedClusters shared)
{
    private const string Database = "answers";

    private static readonly TimeSpan s_long = TimeSpan.FromHours(1);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("redis")]
    [InlineData("postgres")]
    public async Task An_answer_is_found_by_every_gateway_of_its_service_until_it_is_forgotten_or_expires(string kind)
    {
        var store = await CreateAsync(kind, "one", s_long, 1 << 20);
        var same = await CreateAsync(kind, "one", s_long, 1 << 20);
        var other = await CreateAsync(kind, "another", s_long, 1 << 20);
        await using var owned = (IAsyncDisposable)store;
        await using var ownedSame = (IAsyncDisposable)same;
        await using var ownedOther = (IAsyncDisposable)other;
        byte[] answer = [0, 255, 10, 13, 0];
        Assert.Null(await store.FindAsync("a", Token));
        await store.PutAsync("a", answer, Token);
        Assert.Equal(answer, await same.FindAsync("a", Token));
        Assert.Null(await other.FindAsync("a", Token));
        Assert.Null(await store.FindAsync("b", Token));
        Assert.Equal(answer.Length, store.Bytes);

        // The later one counts, for another may have been found wrong.
        await same.PutAsync("a", new byte[] { 7 }, Token);
        Assert.Equal([7], await store.FindAsync("a", Token));
        await store.RemoveAsync("a", Token);
        await store.RemoveAsync("a", Token);
        Assert.Null(await same.FindAsync("a", Token));

        var brief = await CreateAsync(kind, "brief", TimeSpan.FromMilliseconds(150), 1 << 20);
        await using var ownedBrief = (IAsyncDisposable)brief;
        await brief.PutAsync("a", answer, Token);
        await Programs.UntilAsync(async () => await brief.FindAsync("a", Token) is null, "The answer never expired.");
    }

    [Theory]
    [InlineData("redis", 10_000)]
    [InlineData("postgres", 10_700)] // It looks at what there is once a sixteenth is new.
    public async Task What_all_gateways_put_is_bounded_and_the_oldest_go(string kind, int most)
    {
        var store = await CreateAsync(kind, "bounded", s_long, 10_000);
        var same = await CreateAsync(kind, "bounded", s_long, 10_000);
        await using var owned = (IAsyncDisposable)store;
        await using var ownedSame = (IAsyncDisposable)same;
        for (int i = 0; i < 40; i++)
        {
            await (i % 2 == 0 ? store : same).PutAsync($"{i}", new byte[700], Token);
        }

        await store.PutAsync("too long", new byte[10_001], Token);
        byte[]?[] found = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => same.FindAsync($"{i}", Token)));
        int kept = found.Count(answer => answer is not null);
        Assert.InRange(kept * 700, 7000, most);
        Assert.All(found[^kept..], Assert.NotNull);
        Assert.Null(await store.FindAsync("too long", Token));
        Assert.InRange(store.Bytes, 7000, most);
    }

    [Theory]
    [InlineData("redis", typeof(RedisAnswerStore))]
    [InlineData("postgres", typeof(PostgresAnswerStore))]
    public async Task A_node_has_the_store_that_it_was_told(string kind, Type type)
    {
        await using var made = (IAsyncDisposable)await CreateAsync(kind, "any", s_long, 1);
        string connection = kind == "redis" ? redis.Connection : postgres.Connection(Database);
        var options = GatewayNode.Program.Read(["--cluster", kind, "--cluster-connection", connection, "--answer-cache", kind], new ConfigurationBuilder().Build());
        NodeHost.CheckAccess(options);
        var cluster = await Clustering.ClusterNode.PrepareAsync(options.Cluster, "test", clientPort: null, TextWriter.Null, Token);
        await using var host = NodeHost.CreateBuilder(options, cluster).Build();
        Assert.IsType(type, host.Services.GetRequiredService<IAnswerStore>());
    }

    [Fact]
    public async Task What_one_gateway_has_computed_another_remembers_and_finds_right()
    {
        await using var cluster = await shared.UseAsync("redis", redis, postgres);
        NodeProcess[] gateways = [.. Enumerable.Range(0, 2).Select(_ => cluster.Cluster.StartGateway("--answer-cache", "redis", "--answer-cache-audit", "1"))];
        foreach (var gateway in gateways)
        {
            await gateway.ServesAsync();
            await gateway.SeesLiveAsync(2);
        }

        const string Request = """{"text":"Remembered","sampling_params":{"temperature":0.8,"sampling_seed":8,"max_new_tokens":20},"return_logprob":true}""";
        var computed = await AskAsync(gateways[0]);
        Assert.Null(computed["meta_info"]!["remembered"]);
        JsonNode remembered = null!;
        await Programs.UntilAsync(async () => (remembered = await AskAsync(gateways[1]))["meta_info"]!["remembered"] is not null, "It was not remembered."); // Written after its answer.
        foreach (string what in (string[])["text", "output_ids"])
        {
            Assert.Equal(computed[what]!.ToJsonString(), remembered[what]!.ToJsonString());
        }

        Assert.Equal(computed["meta_info"]!["output_token_logprobs"]!.ToJsonString(), remembered["meta_info"]!["output_token_logprobs"]!.ToJsonString());
        await Programs.UntilAsync(async () => (await gateways[1].Client.GetStringAsync("/metrics")).Contains("grid:answer_cache_audited_total{model_name=\"small\"} 1\n", StringComparison.Ordinal), "It was not computed again.");
        Assert.DoesNotContain("grid:answer_cache_differing_total{", await gateways[1].Client.GetStringAsync("/metrics"), StringComparison.Ordinal);

        static async Task<JsonNode> AskAsync(NodeProcess gateway)
        {
            using var response = await gateway.Client.PostAsync("/generate", new StringContent(Request, Encoding.UTF8, "application/json"));
            return JsonNode.Parse(await response.EnsureSuccessStatusCode().Content.ReadAsStringAsync())!;
        }
    }

    /// <summary>As Redis does where it is told to evict.</summary>
    [Fact]
    public async Task A_Redis_that_has_lost_a_part_of_them_begins_anew()
    {
        var store = await CreateAsync("redis", "evicted", s_long, 1000);
        await using var owned = (IAsyncDisposable)store;
        await using var connection = await ConnectionMultiplexer.ConnectAsync(redis.Connection);
        foreach (string part in new[] { "", "/expiries", "/bytes" })
        {
            await store.PutAsync("a", new byte[900], Token);
            await connection.GetDatabase().KeyDeleteAsync($"{{evicted/answers}}{part}");
            for (int i = 0; i < 4; i++)
            {
                await store.PutAsync($"{i}", new byte[400], Token);
            }

            await store.PutAsync("last", new byte[300], Token);
            await store.PutAsync("last", new byte[300], Token);
            Assert.NotNull(await store.FindAsync("last", Token));
            Assert.InRange(store.Bytes, 300, 1000);
        }
    }

    [Fact]
    public async Task A_database_without_the_table_of_answers_is_named_where_they_are_remembered()
    {
        await CreateAsync("postgres", "any", s_long, 1);
        await using var connection = new NpgsqlConnection(postgres.Connection(Database));
        await connection.OpenAsync(Token);
        await ExecuteAsync("ALTER TABLE grid_answer RENAME TO grid_answer_away");
        try
        {
            await new PostgresStore(postgres.Connection(Database), applySchema: false).PrepareAsync(TextWriter.Null, Token);
            var lacking = await Assert.ThrowsAsync<StartException>(() =>
                new PostgresStore(postgres.Connection(Database), applySchema: false, keepsAnswers: true).PrepareAsync(TextWriter.Null, Token));
            Assert.Contains("lacks the table of answers; start one node with --apply-schema", lacking.Message, StringComparison.Ordinal);
        }
        finally
        {
            await ExecuteAsync("ALTER TABLE grid_answer_away RENAME TO grid_answer");
        }

        async Task ExecuteAsync(string text)
        {
            await using var command = new NpgsqlCommand(text, connection);
            await command.ExecuteNonQueryAsync(Token);
        }
    }

    private async Task<IAnswerStore> CreateAsync(string kind, string service, TimeSpan retention, long maxBytes)
    {
        if (kind == "redis")
        {
            redis.Require();
            return new RedisAnswerStore(retention, maxBytes, service, ConfigurationOptions.Parse(redis.Connection));
        }

        postgres.Require();
        string connection = postgres.Connection(Database);
        if (!await postgres.ExistsAsync(Database))
        {
            await postgres.CreateDatabaseAsync(Database);
            await new PostgresStore(connection, applySchema: true).PrepareAsync(TextWriter.Null, Token);
        }

        return new PostgresAnswerStore(retention, maxBytes, service, connection);
    }
}
