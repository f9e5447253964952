using Grid.Cpu;
using Grid.Models.Hub;

namespace Grid.Models.Tests.Hub;

/// <summary>What comes into the cache, what stays away, and what is asked of the network.</summary>
public sealed class HubDownloadTests
{
    private static readonly string[] s_demoFiles = ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];

    [Fact]
    public async Task The_demo_model_is_downloaded_and_loads()
    {
        await using var bench = new HubBench(LoopbackHub.WithDemoModel());
        var reports = new List<HubProgress>();
        var snapshot = await bench.DownloadAsync(progress: new Reports(reports));

        Assert.Equal((bench.SnapshotFolder, LoopbackHub.Commit), (snapshot.Path, snapshot.Commit));
        bench.AssertSnapshot(s_demoFiles);
        long bytes = s_demoFiles.Sum(name => (long)bench.Hub.Files[name].Length);
        Assert.Equal(new HubProgress(5, 5, bytes, bytes, 0), snapshot.Progress);
        Assert.Equal(snapshot.Progress, reports[^1]);
        Assert.All(reports.Zip(reports.Skip(1)), pair => Assert.True(pair.First.Bytes <= pair.Second.Bytes && pair.Second.Bytes <= pair.Second.TotalBytes));

        using var operations = new CpuOperations(new CpuOptions());
        using var downloaded = ModelLoader.Load(snapshot.Path, operations, new ModelLoadOptions { MaxBatchTokens = 1 });
        using var original = ModelLoader.Load(DemoModel.Path, operations, new ModelLoadOptions { MaxBatchTokens = 1 });
        Assert.Equal(original.NumericsId, downloaded.NumericsId);
        Assert.Equal(ModelFolder.Open(DemoModel.Path).ReadTextFiles().Keys, ModelFolder.Open(snapshot.Path).ReadTextFiles().Keys);
    }

    [Fact]
    public async Task The_cache_has_the_layout_of_huggingface_hub()
    {
        await using var bench = new HubBench(LoopbackHub.WithDemoModel());
        await bench.DownloadAsync($"{LoopbackHub.Repository}@refs/pr/7");
        await bench.DownloadAsync();

        string[] entries = [.. Directory.GetFileSystemEntries(bench.CacheFolder, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 })
            .Where(path => !Directory.Exists(path))
            .Select(path => Path.GetRelativePath(bench.CacheFolder, path) + (new FileInfo(path).LinkTarget is { } target ? $" -> {target}" : ""))
            .Order(StringComparer.Ordinal)];
        string[] expected = [.. s_demoFiles.SelectMany(name => (string[])[
                $".locks/models--grid--demo/{bench.Hub.ETag(name)}.lock",
                $"models--grid--demo/blobs/{bench.Hub.ETag(name)}",
                $"models--grid--demo/snapshots/{LoopbackHub.Commit}/{name} -> ../../blobs/{bench.Hub.ETag(name)}"])
            .Concat(["CACHEDIR.TAG", "models--grid--demo/refs/main", "models--grid--demo/refs/refs/pr/7"])
            .Order(StringComparer.Ordinal)];
        Assert.Equal(expected, entries);
        Assert.Equal(LoopbackHub.Commit, File.ReadAllText(Path.Combine(bench.RepositoryFolder, "refs", "main")));
        Assert.StartsWith("Signature: 8a477f597d28d172789f06886806bc55\n", File.ReadAllText(Path.Combine(bench.CacheFolder, "CACHEDIR.TAG")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_in_a_folder_is_linked_through_as_many_parents()
    {
        await using var bench = new HubBench(new LoopbackHub());
        var cache = new HubCache(bench.CacheFolder, LoopbackHub.Repository);
        var file = new HubFile("deep/er/x.json", 3, new string('a', 40));
        cache.Prepare(LoopbackHub.Commit, file);
        File.WriteAllText(cache.Blob(file.ETag), "abc");
        cache.Link(LoopbackHub.Commit, file);
        cache.Link(LoopbackHub.Commit, file);
        Assert.Equal($"../../../../blobs/{file.ETag}", new FileInfo(Path.Combine(bench.SnapshotFolder, "deep", "er", "x.json")).LinkTarget);
        Assert.True(cache.HasFile(LoopbackHub.Commit, file));
    }

    [Fact]
    public async Task What_is_complete_costs_one_question_and_no_byte()
    {
        await using var bench = new HubBench(LoopbackHub.WithDemoModel());
        await bench.DownloadAsync();
        int before = bench.Hub.Requests.Count;
        var again = await bench.DownloadAsync();
        var lookUp = Assert.Single(bench.Hub.Requests.Skip(before));
        Assert.Equal(("/api/models/grid/demo/revision/main", "blobs=true"), (lookUp.Path, lookUp.Query));
        Assert.Equal(again.Progress.TotalBytes, again.Progress.PresentBytes);
    }

    [Fact]
    public async Task A_commit_that_is_complete_costs_no_question()
    {
        await using var bench = new HubBench(LoopbackHub.WithDemoModel());
        string name = $"{LoopbackHub.Repository}@{LoopbackHub.Commit}";
        await bench.DownloadAsync(name);
        int before = bench.Hub.Requests.Count;

        var again = await bench.DownloadAsync(name);

        Assert.Equal((bench.SnapshotFolder, LoopbackHub.Commit), (again.Path, again.Commit));
        Assert.Equal(before, bench.Hub.Requests.Count);
    }

    [Theory]
    [InlineData("config.json")]
    [InlineData("generation_config.json")]
    [InlineData("model.safetensors")]
    [InlineData("tokenizer.json")]
    [InlineData("tokenizer_config.json")]
    public async Task A_commit_that_lacks_a_file_gets_it(string file)
    {
        await using var bench = new HubBench(LoopbackHub.WithDemoModel());
        string name = $"{LoopbackHub.Repository}@{LoopbackHub.Commit}";
        await bench.DownloadAsync(name);
        File.Delete(Path.Combine(bench.SnapshotFolder, file));

        await bench.DownloadAsync(name);

        bench.AssertSnapshot(s_demoFiles);
    }

    [Fact]
    public async Task A_commit_without_any_chat_template_is_asked_for_one()
    {
        await using var bench = new HubBench(LoopbackHub.WithDemoModel());
        string name = $"{LoopbackHub.Repository}@{LoopbackHub.Commit}";
        bench.Hub.Files["tokenizer_config.json"] = "{}"u8.ToArray();
        bench.Hub.Files["chat_template.jinja"] = "x"u8.ToArray();
        await bench.DownloadAsync(name);
        File.Delete(Path.Combine(bench.SnapshotFolder, "chat_template.jinja"));

        await bench.DownloadAsync(name);

        bench.AssertSnapshot([.. s_demoFiles, "chat_template.jinja"]);
    }

    [Fact]
    public async Task A_cache_that_another_program_began_is_used()
    {
        // As huggingface_hub leaves it: one file copied into the snapshot where links do not work, one blob without its
        // link, one link without its blob.
        await using var bench = new HubBench(LoopbackHub.WithDemoModel());
        Directory.CreateDirectory(bench.SnapshotFolder);
        Directory.CreateDirectory(Path.Combine(bench.RepositoryFolder, "blobs"));
        File.WriteAllBytes(Path.Combine(bench.SnapshotFolder, "config.json"), bench.Hub.Files["config.json"]);
        File.WriteAllBytes(bench.Blob("model.safetensors"), bench.Hub.Files["model.safetensors"]);
        File.CreateSymbolicLink(Path.Combine(bench.SnapshotFolder, "tokenizer_config.json"), "../../blobs/gone");
        await bench.DownloadAsync();
        bench.AssertSnapshot(s_demoFiles);
        Assert.DoesNotContain(bench.Hub.Requests, asked => asked.Path.EndsWith("/config.json", StringComparison.Ordinal) || asked.Path.EndsWith("/model.safetensors", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_blob_of_the_wrong_length_is_not_used()
    {
        await using var bench = new HubBench(LoopbackHub.WithDemoModel());
        await bench.DownloadAsync();
        File.WriteAllText(bench.Blob("model.safetensors"), "cut");
        await bench.DownloadAsync();
        bench.AssertSnapshot(s_demoFiles);
    }

    [Fact]
    public async Task Without_weights_no_weights_come()
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(2, 100));
        await bench.DownloadAsync(selection: HubSelection.WithoutWeights);
        bench.AssertSnapshot("config.json", "tokenizer.json");
    }

    [Fact]
    public async Task A_repository_without_a_tokenizer_is_still_a_model()
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(1, 100));
        bench.Hub.Files.Remove("tokenizer.json");
        await bench.DownloadAsync();
        bench.AssertSnapshot([.. bench.Hub.Files.Keys]);
        await bench.DownloadAsync(offline: true);
    }

    [Fact]
    public async Task Exactly_the_shards_that_the_index_names_come()
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(9, 5000));
        bench.Hub.SetIndex([.. Enumerable.Range(1, 8).Select(i => LoopbackHub.Shard(i, 9))]);
        await bench.DownloadAsync();
        bench.AssertSnapshot(["config.json", "tokenizer.json", "model.safetensors.index.json", .. Enumerable.Range(1, 8).Select(i => LoopbackHub.Shard(i, 9))]);
    }

    [Fact]
    public async Task A_folder_can_be_looked_at_before_the_weights_come()
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(2, 100));
        using var client = bench.Client();
        await Assert.ThrowsAsync<NotSupportedException>(() => client.DownloadAsync(
            HubModelName.Parse(LoopbackHub.Repository), HubSelection.All, null,
            folder => throw new NotSupportedException(File.ReadAllText(Path.Combine(folder, "config.json"))), HubBench.Cancellation));
        bench.AssertSnapshot("config.json", "tokenizer.json", "model.safetensors.index.json");
    }

    [Theory]
    [InlineData("config.json", "grid/demo holds no config.json")]
    [InlineData("model.safetensors", "neither model.safetensors nor model.safetensors.index.json")]
    public async Task A_repository_without_a_file_that_is_needed_is_refused_before_anything_comes(string file, string message)
    {
        await using var bench = new HubBench(LoopbackHub.WithDemoModel());
        bench.Hub.Files.Remove(file);
        Assert.Contains(message, await bench.RefusalAsync(), StringComparison.Ordinal);
        Assert.Single(bench.Hub.Requests);
    }

    [Fact]
    public async Task An_index_that_names_a_shard_the_repository_lacks_is_refused()
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(2, 100));
        bench.Hub.Files.Remove(LoopbackHub.Shard(2, 2));
        Assert.Contains("names model-00002-of-00002.safetensors, which the repository does not hold", await bench.RefusalAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Offline_a_complete_cache_is_used_without_the_network()
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(3, 100));
        await bench.DownloadAsync();
        int before = bench.Hub.Requests.Count;
        Assert.Equal(bench.SnapshotFolder, (await bench.DownloadAsync(offline: true)).Path);
        Assert.Equal(bench.SnapshotFolder, (await bench.DownloadAsync($"{LoopbackHub.Repository}@{LoopbackHub.Commit}", offline: true)).Path);
        Assert.Equal(before, bench.Hub.Requests.Count);
    }

    [Fact]
    public async Task Offline_what_is_missing_is_named()
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(3, 100));
        Assert.Contains("knows no revision 'main' of grid/demo, and HF_HUB_OFFLINE is set", await bench.RefusalAsync(offline: true), StringComparison.Ordinal);
        Assert.Contains($"nothing of grid/demo at {LoopbackHub.Commit}", await bench.RefusalAsync($"grid/demo@{LoopbackHub.Commit}", offline: true), StringComparison.Ordinal);
        await bench.DownloadAsync(selection: HubSelection.WithoutWeights);
        await bench.DownloadAsync(selection: HubSelection.WithoutWeights, offline: true);
        Assert.Contains($"lacks model.safetensors of grid/demo at {LoopbackHub.Commit}", await bench.RefusalAsync(offline: true), StringComparison.Ordinal);
        await bench.DownloadAsync();
        File.Delete(bench.Blob(LoopbackHub.Shard(2, 3)));
        File.Delete(Path.Combine(bench.SnapshotFolder, "config.json"));
        Assert.Contains("lacks config.json, model-00002-of-00003.safetensors of", await bench.RefusalAsync(offline: true), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_hub_that_cannot_be_reached_is_said_and_the_cache_offered()
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(1, 100));
        var dead = new LoopbackServer(_ => new Reply(200, []));
        var nowhere = dead.Address;
        await dead.DisposeAsync();
        using var client = bench.Client(endpoint: nowhere);
        var model = HubModelName.Parse(LoopbackHub.Repository);
        string message = (await Assert.ThrowsAsync<HubException>(() => client.DownloadAsync(model, HubSelection.All, cancellationToken: HubBench.Cancellation))).Message;
        Assert.Contains("no connection", message, StringComparison.Ordinal);
        Assert.DoesNotContain("HF_HUB_OFFLINE", message, StringComparison.Ordinal);
        await bench.DownloadAsync();
        message = (await Assert.ThrowsAsync<HubException>(() => client.DownloadAsync(model, HubSelection.All, cancellationToken: HubBench.Cancellation))).Message;
        Assert.Contains("HF_HUB_OFFLINE=1 serves it", message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_hub_whose_name_nobody_knows_is_not_asked_again()
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(1, 100));
        using var client = bench.Client(endpoint: new Uri("http://no-such-hub.invalid/"));
        var model = HubModelName.Parse(LoopbackHub.Repository);
        string message = (await Assert.ThrowsAsync<HubException>(() => client.DownloadAsync(model, HubSelection.All, cancellationToken: HubBench.Cancellation))).Message;
        Assert.Contains("the hub's name cannot be resolved; check the network, HF_ENDPOINT and HTTPS_PROXY", message, StringComparison.Ordinal);
        Assert.Empty(bench.Notices);
    }

    [Fact]
    public async Task A_disk_that_is_too_small_is_noticed_before_the_first_byte()
    {
        await using var bench = new HubBench(LoopbackHub.WithDemoModel());
        using var client = bench.Client(free: 1000);
        string message = (await Assert.ThrowsAsync<HubException>(() => client.DownloadAsync(HubModelName.Parse(LoopbackHub.Repository), HubSelection.All, cancellationToken: HubBench.Cancellation))).Message;
        Assert.Contains("has 1000 bytes free", message, StringComparison.Ordinal);
        Assert.Single(bench.Hub.Requests);
    }

    [Fact]
    public async Task A_mirror_without_checksums_in_its_listing_is_asked_for_each_file()
    {
        await using var bench = new HubBench(LoopbackHub.WithDemoModel());
        bench.Hub.Listing = text => text.Replace("\"size\"", "\"bytes\"", StringComparison.Ordinal).Replace("\"lfs\"", "\"large\"", StringComparison.Ordinal);
        await bench.DownloadAsync();
        bench.AssertSnapshot(s_demoFiles);
        Assert.Equal(s_demoFiles.Length, bench.Hub.Requests.Count(asked => asked.Method == "HEAD"));
    }

    private sealed class Reports(List<HubProgress> list) : IProgress<HubProgress>
    {
        public void Report(HubProgress value) => list.Add(value);
    }
}
