using System.Text.RegularExpressions;
using Grid.Cluster.Tests.Support;

namespace Grid.Cluster.Tests;

/// <summary>deploy/compose's grid as processes, with its own settings: what an operator does to it while it is used.</summary>
/// <remarks>Takes two minutes; without <c>GRID_TOPOLOGY</c> it is skipped.</remarks>
public sealed partial class TopologyTests(RedisServer redis, PostgresServer postgres, ITestOutputHelper output)
{
    private const int Streams = 12;
    private const string Secret = "a-secret-that-all-nodes-share";
    private const string Key = "a-key-of-the-tests-own";

    /// <summary>Settings that are about containers, or about whoever reads the log.</summary>
    private static readonly string[] s_ofContainers = ["Grid__Host", "Grid__SiloPort", "Grid__LogFormat", "Grid__Cluster", "Grid__ClusterSecretFile", "Grid__ApiKeyFile"];

    [Fact]
    public async Task Nodes_are_restarted_lost_added_and_taken_away_while_no_stream_is_lost_or_changed()
    {
        Assert.SkipWhen(Settings.Number("GRID_TOPOLOGY", 0) == 0, "GRID_TOPOLOGY does not say 1; it takes two minutes.");
        var folder = Directory.CreateTempSubdirectory("grid-topology-");
        await using var cluster = await TestCluster.CreateAsync("redis", redis, postgres);
        var settings = await ReadSettingsAsync();
        foreach (var (name, value) in settings)
        {
            cluster.Set(name, value);
        }

        cluster.Set("Grid__ClusterSecretFile", await WriteAsync("secret", Secret));
        cluster.Set("Grid__ApiKeyFile", await WriteAsync("api-keys.json", $$"""{"keys":[{"name":"first","key":"{{Key}}","scopes":["inference","operate"]}]}"""));
        cluster.Key = Key;
        var nodes = new FaultyCluster(cluster, seed: 1) { DrainSeconds = settings.Single(setting => setting.Name == "Grid__DrainSeconds").Value };
        await nodes.StartAsync(workers: 2, gateways: 2);
        var client = new ReturningClient(() => nodes.Gateways);
        var load = await StreamLoad.CreateAsync(client, Streams);
        var readings = new List<Reading>();
        await load.RunWhileAsync(
            async streams =>
            {
                await DoAsync("all workers and gateways are restarted, one after the other", nodes.RestartAllAsync);
                await DoAsync("a worker is lost", () =>
                {
                    nodes.KillWorker();
                    return nodes.RecoverAsync();
                });
                await DoAsync("a worker is added", () => nodes.AddWorkerAsync());
                await DoAsync("a worker is taken away", () => nodes.RemoveWorkerAsync());

                async Task DoAsync(string what, Func<Task> action)
                {
                    int ended = load.Ended;
                    await action();
                    Assert.False(streams.IsFaulted, $"{streams.Exception}");
                    output.WriteLine($"{what}: {load.Ended - ended} streams ended meanwhile, clients came back {client.Returns} times so far");
                }
            },
            readings.Add);
        output.WriteLine($"{load.Ended} streams of {load.Events} events");
        Assert.True(load.Differing.Count == 0, string.Join("\n\n", load.Differing));
        Assert.Equal(0, client.Anew);
        Assert.All(readings, reading => Assert.True(reading.IsComplete));
        Assert.All([Secret, Key], secret => Assert.DoesNotContain(secret, string.Join('\n', cluster.Nodes.Select(node => node.Output)), StringComparison.Ordinal));
        folder.Delete(recursive: true);

        async Task<string> WriteAsync(string name, string text)
        {
            string file = Path.Combine(folder.FullName, name);
            await File.WriteAllTextAsync(file, text);
            return file;
        }
    }

    /// <summary>The settings that all nodes of the file have, but for those of containers.</summary>
    private static async Task<(string Name, string Value)[]> ReadSettingsAsync()
    {
        string text = await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "compose.yaml"));
        int begin = text.IndexOf("x-settings:", StringComparison.Ordinal);
        var settings = SettingPattern().Matches(text[begin..text.IndexOf("\n\n", begin, StringComparison.Ordinal)])
            .Select(match => (Name: match.Groups[1].Value, Value: match.Groups[2].Value)).ToArray();
        Assert.Contains(("Grid__DrainSeconds", "60"), settings);
        return [.. settings.Where(setting => !s_ofContainers.Contains(setting.Name))];
    }

    [GeneratedRegex("^  (Grid__[A-Za-z]+): \"?([^\"\\n]+)\"?$", RegexOptions.Multiline)]
    private static partial Regex SettingPattern();
}
