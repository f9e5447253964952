using System.Text;
using Grid.Client;
using Grid.Cluster.Tests.Support;
using Grid.Numerics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Grid.Cluster.Tests;

/// <summary>Programs beside the grid that call it over an Orleans client.</summary>
public sealed class ClientTests(RedisServer redis, PostgresServer postgres, SharedClusters shared)
{
    private static readonly GenerationRequest[] s_mixed =
    [
        Request(1) with { PromptText = "The dog", Sampling = own => own with { Temperature = 0 } },
        Request(2) with { PromptText = "Once upon a time", Logprobs = true, TopLogprobs = 2 },
        Request(3) with { PromptText = "Anna", Sampling = own => own with { Temperature = 0.7f, TopP = 0.9f, PresencePenalty = 0.5f, FrequencyPenalty = 0.3f } },
        Request(4) with { PromptText = "The king", Sampling = own => own with { Temperature = 1.3f, TopK = 40, RepetitionPenalty = 1.1f } },
        Request(5) with { PromptText = "A cat", Sampling = own => own with { MinP = 0.05f }, StopStrings = ["never said", "zzzz"], PromptLogprobsFrom = 0 },
        Request(6) with { PromptIds = [300, 310, 320], Sampling = own => own with { LogitBias = [new(300, -5), new(310, 2)] } },
    ];

    [Theory]
    [InlineData("redis")]
    [InlineData("postgres")]
    public async Task A_client_s_streams_outlive_the_silos_they_were_begun_on(string store)
    {
        await using var cluster = await TestCluster.CreateAsync(store, redis, postgres);
        var (_, silos) = await cluster.StartAsync(3);
        using var host = await ConnectAsync(store, cluster);
        var client = host.Services.GetRequiredService<GridClient>();
        string model = Assert.Single(await client.GetModelsAsync()).Id;
        var requests = s_mixed.Select(request => request with { Model = model }).ToArray();
        string[] undisturbed = await Task.WhenAll(requests.Select(request => ReadAsync(client, request)));

        var begun = requests.Select(_ => new TaskCompletionSource()).ToArray();
        var streams = requests.Select((request, i) => ReadAsync(client, request, begun[i])).ToArray();
        await Task.WhenAll(begun.Select(first => first.Task)).WaitAsync(Programs.Patience);
        silos[1].Kill();
        await silos[2].SignalAsync("STOP");
        Assert.Equal(undisturbed, await Task.WhenAll(streams).WaitAsync(Programs.Patience));
        await silos[2].SignalAsync("CONT");
    }

    /// <summary>Each silo is stopped, and one takes its place that knows no worker when it joins, while sequences run and begin.</summary>
    [Fact]
    public async Task A_client_s_streams_go_on_through_a_rolling_restart_of_all_silos()
    {
        await using var cluster = await TestCluster.CreateAsync("redis", redis, postgres);
        string[] options = ["--drain-seconds", "0", "--log-level", "info"];
        NodeProcess[] silos = [cluster.StartSilo(options), cluster.StartSilo(options)];
        await Task.WhenAll(silos.Select(silo => silo.SeesLiveAsync(2)));
        using var host = await ConnectAsync("redis", cluster);
        var client = host.Services.GetRequiredService<GridClient>();
        string model = Assert.Single(await client.GetModelsAsync()).Id;
        var requests = s_mixed.Select(request => request with { Model = model, MaxNewTokens = 300 }).ToArray();
        string[] undisturbed = await Task.WhenAll(requests.Select(request => ReadAsync(client, request)));

        bool over = false;
        var streams = Task.WhenAll(requests.Select(async (request, i) =>
        {
            while (!Volatile.Read(ref over))
            {
                Assert.Equal(undisturbed[i], await ReadAsync(client, request));
            }
        }));
        foreach (var silo in silos)
        {
            await silo.SignalAsync("TERM");
            Assert.Equal(0, await silo.EndsAsync());
            await cluster.StartSilo(options).ServesAsync();
            Assert.False(streams.IsFaulted, $"{streams.Exception}");
        }

        Volatile.Write(ref over, true);
        await streams.WaitAsync(Programs.Patience);
    }

    [Fact]
    public async Task What_cannot_run_is_refused_by_field_and_value()
    {
        await using var cluster = await shared.UseAsync("redis", redis, postgres);
        using var host = await ConnectAsync("redis", cluster.Cluster);
        var client = host.Services.GetRequiredService<GridClient>();
        string model = Assert.Single(await client.GetModelsAsync()).Id;

        var unknown = await Assert.ThrowsAsync<GridClientException>(() => client.GenerateAsync(s_mixed[0] with { Model = "nobody" }));
        Assert.Equal((RefusalKind.ModelNotFound, "Model"), (unknown.Kind, unknown.Field));
        var both = await Assert.ThrowsAsync<GridClientException>(() => client.GenerateAsync(s_mixed[0] with { Model = model, PromptIds = [1] }));
        Assert.Equal((RefusalKind.Invalid, "PromptText"), (both.Kind, both.Field));
        var range = await Assert.ThrowsAsync<GridClientException>(() => client.GenerateAsync(s_mixed[0] with { Model = model, Sampling = own => own with { TopP = 1.5f } }));
        Assert.Equal(RefusalKind.Invalid, range.Kind);
        Assert.Contains("1.5", range.Message, StringComparison.Ordinal);
        Assert.Equal("length", (await client.GenerateAsync(s_mixed[0] with { Model = model, MaxNewTokens = 3 })).FinishReason);
    }

    private static GenerationRequest Request(ulong seed) => new() { Model = "", Seed = seed, IgnoreEndTokens = true, MaxNewTokens = 500 };

    private async Task<IHost> ConnectAsync(string store, TestCluster cluster)
    {
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Logging.ClearProviders();
        builder.UseOrleansClient(client => _ = store == "redis"
            ? client.UseGridOverRedis(redis.Connection, cluster.Id)
            : client.UseGridOverPostgres(cluster.Connection!, cluster.Id));
        var host = builder.Build();
        await host.StartAsync();
        return host;
    }

    /// <summary>Everything that must be the same in every run, logprobs by their bits.</summary>
    private static async Task<string> ReadAsync(GridClient client, GenerationRequest request, TaskCompletionSource? begun = null)
    {
        var text = new StringBuilder();
        var tokens = new StringBuilder();
        var prompt = new StringBuilder();
        string finish = "";
        await foreach (var update in client.StreamAsync(request))
        {
            text.Append(update.Text);
            Write(tokens, update.Tokens);
            Write(prompt, update.PromptTokens);
            finish += update.FinishReason;
            if (update.Tokens.Count > 0)
            {
                begun?.TrySetResult();
            }
        }

        return $"{text}\n{tokens}\n{prompt}\n{finish}";
    }

    private static void Write(StringBuilder to, IReadOnlyList<GeneratedToken> tokens)
    {
        foreach (var token in tokens)
        {
            to.Append(token.TokenId).Append(' ').Append(BitConverter.SingleToInt32Bits(token.Logprob));
            foreach (var (id, logprob) in token.Top)
            {
                to.Append(' ').Append(id).Append(' ').Append(BitConverter.SingleToInt32Bits(logprob));
            }

            to.AppendLine();
        }
    }
}
