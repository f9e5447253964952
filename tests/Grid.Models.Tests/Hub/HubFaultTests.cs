using System.Diagnostics;
using System.Text;
using Grid.Models.Hub;

namespace Grid.Models.Tests.Hub;

/// <summary>Connections that break, servers that lie or stall, and other processes on the same cache.</summary>
public sealed class HubFaultTests
{
    private const string Weights = "model.safetensors";

    [Fact]
    public async Task A_connection_that_breaks_again_and_again_costs_no_byte_twice()
    {
        await using var bench = new HubBench(LoopbackHub.WithDemoModel());
        byte[] content = bench.Hub.Files[Weights];
        int step = content.Length / 40;
        int sent = 0;
        bench.Hub.AtStorage = asked => asked.Path[1..] == bench.Hub.ETag(Weights)
            ? Count(LoopbackHub.Part(asked, content, "\"t\"") with { BreakAfter = Math.Min(step, content.Length - asked.RangeStart) })
            : null;
        await bench.DownloadAsync();
        bench.AssertSnapshot("config.json", "generation_config.json", Weights, "tokenizer.json", "tokenizer_config.json");
        Assert.Equal(content.Length, sent);
        Assert.All(bench.Hub.StorageRequests.Where(asked => asked.RangeStart > 0), asked => Assert.Equal("\"t\"", asked.Header("If-Range")));
        Assert.All(bench.Time.Waits, wait => Assert.Equal(TimeSpan.FromSeconds(1), wait));

        Reply Count(Reply reply)
        {
            Interlocked.Add(ref sent, reply.BreakAfter!.Value);
            return reply;
        }
    }

    [Fact]
    public async Task A_connection_that_brings_nothing_is_given_up_after_growing_waits()
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(1, 1000));
        string shard = LoopbackHub.Shard(1, 1);
        bench.Hub.AtStorage = asked => asked.Path[1..] == bench.Hub.ETag(shard)
            ? LoopbackHub.Part(asked, bench.Hub.Files[shard], "\"t\"") with { BreakAfter = asked.RangeStart == 0 ? 300 : 0 }
            : null;
        Assert.Contains($"{shard}: the connection", await bench.RefusalAsync(), StringComparison.Ordinal);
        Assert.Equal([1, 2, 4, 8, 16], bench.Time.Waits.Select(wait => wait.TotalSeconds));
        Assert.Equal(bench.Hub.Files[shard][..300], File.ReadAllBytes(bench.Incomplete(shard)));

        bench.Hub.AtStorage = _ => null;
        await bench.DownloadAsync();
        Assert.Equal(300, bench.Hub.StorageRequests[^1].RangeStart);
        Assert.Equal(bench.Hub.Files[shard], File.ReadAllBytes(Path.Combine(bench.SnapshotFolder, shard)));
        Assert.False(File.Exists(bench.Incomplete(shard)));
    }

    [Fact]
    public async Task Cancelling_leaves_what_has_come_for_the_next_time()
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(1, 1000));
        string shard = LoopbackHub.Shard(1, 1);
        bench.Hub.AtStorage = asked => asked.Path[1..] == bench.Hub.ETag(shard)
            ? LoopbackHub.Part(asked, bench.Hub.Files[shard], "\"t\"") with { StallAfter = 400 }
            : null;
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(HubBench.Cancellation);
        using var client = bench.Client();
        long small = bench.Hub.Files.Where(file => file.Key != shard).Sum(file => file.Value.Length);
        var download = client.DownloadAsync(
            HubModelName.Parse(LoopbackHub.Repository), HubSelection.All, new At(cancel.Cancel, small + 400), cancellationToken: cancel.Token);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => download);
        Assert.Equal(bench.Hub.Files[shard][..400], File.ReadAllBytes(bench.Incomplete(shard)));
        bench.Hub.AtStorage = _ => null;
        Assert.Equal(400, (await bench.DownloadAsync()).Progress.PresentBytes - small);
    }

    [Fact]
    public async Task A_stalled_server_is_left_and_asked_again()
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(1, 1000));
        string shard = LoopbackHub.Shard(1, 1);
        bench.Hub.AtStorage = asked => asked.Path[1..] == bench.Hub.ETag(shard) && asked.RangeStart < 600
            ? LoopbackHub.Part(asked, bench.Hub.Files[shard], "\"t\"") with { StallAfter = 300 }
            : null;
        long small = bench.Hub.Files.Where(file => file.Key != shard).Sum(file => file.Value.Length);
        await bench.DownloadAsync(progress: new At(bench.Time.Stall, small + 300, small + 600));
        Assert.Contains(bench.Notices, notice => notice.Contains("nothing came for 31 s", StringComparison.Ordinal));
        Assert.Equal(bench.Hub.Files[shard], File.ReadAllBytes(Path.Combine(bench.SnapshotFolder, shard)));
    }

    [Theory]
    [InlineData("too short, honest length", "the server offers 900 bytes, and the hub promises 1000")]
    [InlineData("too long, honest length", "the server offers 1100 bytes, and the hub promises 1000")]
    [InlineData("too short, chunked", "the connection ended after 900 of 1000 bytes, 6 times in a row")]
    [InlineData("too long, chunked", "more than the 1000 bytes come")]
    [InlineData("short of its length", "the connection broke, 6 times in a row")]
    [InlineData("linked size", "serves", true)]
    [InlineData("linked etag", "serves", true)]
    [InlineData("encoded", "encoded as gzip")]
    [InlineData("another part", "another part comes")]
    public async Task A_lie_about_a_file_ends_the_download(string lie, string message, bool atHub = false)
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(1, 1000));
        string shard = LoopbackHub.Shard(1, 1);
        byte[] content = bench.Hub.Files[shard];
        Reply? Lie(Asked asked) => !asked.Path.EndsWith(atHub ? shard : bench.Hub.ETag(shard), StringComparison.Ordinal) ? null : lie switch
        {
            "too short, honest length" => new Reply(200, content[..900]),
            "too long, honest length" => new Reply(200, [.. content, .. new byte[100]]),
            "too short, chunked" => new Reply(200, content[..900]) { Length = null },
            "too long, chunked" => new Reply(200, [.. content, .. new byte[100]]) { Length = null },
            "short of its length" => new Reply(200, content[..900]) { Length = 1000 },
            "linked size" => new Reply(200, content).With("X-Linked-Etag", $"\"{bench.Hub.ETag(shard)}\"").With("X-Linked-Size", "999"),
            "linked etag" => new Reply(200, content).With("X-Linked-Etag", $"\"{new string('a', 64)}\"").With("X-Linked-Size", "1000"),
            "encoded" => new Reply(200, content).With("Content-Encoding", "gzip"),
            _ => new Reply(206, content).With("Content-Range", "bytes 5-1004/1005"),
        };
        bench.Hub.AtHub = atHub ? Lie : _ => null;
        bench.Hub.AtStorage = atHub ? _ => null : Lie;
        Assert.Contains(message, await bench.RefusalAsync(), StringComparison.Ordinal);
        Assert.False(File.Exists(bench.Blob(shard)));
        Assert.False(File.Exists(Path.Combine(bench.SnapshotFolder, shard)));
        Assert.False(File.Exists(Path.Combine(bench.RepositoryFolder, "refs", "main")));
    }

    [Theory]
    [InlineData("model-00001-of-00001.safetensors")]
    [InlineData("config.json")]
    public async Task A_wrong_checksum_never_becomes_a_model(string name)
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(1, 1000));
        byte[] content = (byte[])bench.Hub.Files[name].Clone();
        content[^1] ^= 1;
        bench.Hub.AtStorage = asked => asked.Path[1..] == bench.Hub.ETag(name) ? LoopbackHub.Part(asked, content, "\"t\"") : null;
        bench.Hub.AtHub = asked => asked.Path.EndsWith(name, StringComparison.Ordinal) && !LoopbackHub.IsLarge(name) ? new Reply(200, content) : null;
        string message = await bench.RefusalAsync();
        Assert.Contains($"{name}: its content has the checksum", message, StringComparison.Ordinal);
        Assert.Contains("it was deleted", message, StringComparison.Ordinal);
        Assert.False(File.Exists(bench.Blob(name)));
        Assert.False(File.Exists(bench.Incomplete(name)));
        Assert.False(File.Exists(Path.Combine(bench.SnapshotFolder, name)));

        bench.Hub.AtStorage = bench.Hub.AtHub = _ => null;
        await bench.DownloadAsync();
        Assert.Equal(bench.Hub.Files[name], File.ReadAllBytes(Path.Combine(bench.SnapshotFolder, name)));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_file_that_changes_between_its_parts_is_begun_anew(bool honoursIfRange)
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(1, 1000));
        string shard = LoopbackHub.Shard(1, 1);
        byte[] old = new byte[1000];
        int asks = 0;
        bench.Hub.AtStorage = asked => asked.Path[1..] != bench.Hub.ETag(shard) ? null
            : Interlocked.Increment(ref asks) == 1 ? LoopbackHub.Part(asked, old, "\"old\"") with { BreakAfter = 500 }
            : LoopbackHub.Part(asked, bench.Hub.Files[shard], honoursIfRange ? "\"new\"" : asked.Header("If-Range") ?? "\"new\"");
        await bench.DownloadAsync();
        Assert.Equal(bench.Hub.Files[shard], File.ReadAllBytes(Path.Combine(bench.SnapshotFolder, shard)));
        Assert.Equal(honoursIfRange ? 2 : 3, asks);
    }

    [Theory]
    [InlineData("wrong bytes")]
    [InlineData("too long")]
    [InlineData("complete")]
    [InlineData("no ranges")]
    [InlineData("not satisfiable")]
    public async Task What_an_earlier_download_left_behind_is_used_only_as_far_as_it_is_right(string state)
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(1, 1000));
        string shard = LoopbackHub.Shard(1, 1);
        byte[] content = bench.Hub.Files[shard];
        Directory.CreateDirectory(Path.Combine(bench.RepositoryFolder, "blobs"));
        File.WriteAllBytes(bench.Incomplete(shard), state switch
        {
            "wrong bytes" => new byte[700],
            "too long" => new byte[1001],
            "complete" => content,
            _ => content[..700],
        });
        bench.Hub.AtStorage = asked => asked.Path[1..] != bench.Hub.ETag(shard) ? null : state switch
        {
            "no ranges" => new Reply(200, content),
            "not satisfiable" when asked.RangeStart > 0 => new Reply(416, []).With("Content-Range", "bytes */1000"),
            _ => null,
        };
        await bench.DownloadAsync();
        Assert.Equal(content, File.ReadAllBytes(Path.Combine(bench.SnapshotFolder, shard)));
        Assert.Equal(state == "complete" ? 0 : state is "wrong bytes" or "not satisfiable" ? 2 : 1, bench.Hub.StorageRequests.Count(asked => asked.Path[1..] == bench.Hub.ETag(shard)));
    }

    [Fact]
    public async Task Several_clients_at_once_download_each_file_once()
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(6, 20_000));
        var snapshots = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => bench.DownloadAsync())));
        Assert.All(snapshots, snapshot => Assert.Equal(snapshot.Progress.TotalBytes, snapshot.Progress.Bytes));
        bench.AssertSnapshot([.. bench.Hub.Files.Keys]);
        Assert.Equal(bench.Hub.Files.Count, bench.Hub.Requests.Count(asked => asked.Path.Contains("/resolve/", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_lock_of_another_process_is_waited_for_and_a_dead_ones_is_not()
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(1, 1000));
        string shard = LoopbackHub.Shard(1, 1);
        string lockFile = Path.Combine(bench.CacheFolder, ".locks", "models--grid--demo", bench.Hub.ETag(shard) + ".lock");
        Directory.CreateDirectory(Path.GetDirectoryName(lockFile)!);

        // flock(2) is what the filelock package under huggingface_hub takes.
        using var holder = Process.Start(new ProcessStartInfo("flock", [lockFile, "sh", "-c", "echo held; exec cat"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        Assert.Equal("held", await holder.StandardOutput.ReadLineAsync(HubBench.Cancellation));
        var waiting = new TaskCompletionSource();
        using var client = new HubClient(new HubSettings { Endpoint = bench.Hub.Address, CacheFolder = bench.CacheFolder }, bench.Time)
        {
            Notice = notice => _ = notice.Contains("another process is downloading it", StringComparison.Ordinal) && waiting.TrySetResult(),
        };
        var download = client.DownloadAsync(HubModelName.Parse(LoopbackHub.Repository), HubSelection.All, cancellationToken: HubBench.Cancellation);
        Assert.Same(waiting.Task, await Task.WhenAny(waiting.Task, download));
        Assert.DoesNotContain(bench.Hub.StorageRequests, asked => asked.Path[1..] == bench.Hub.ETag(shard));
        holder.Kill(entireProcessTree: true);
        await download;
        bench.AssertSnapshot([.. bench.Hub.Files.Keys]);
    }

    [Theory]
    [InlineData("../../../outside.safetensors")]
    [InlineData("/tmp/outside.safetensors")]
    [InlineData("..\\outside.safetensors")]
    [InlineData("c:outside.safetensors")]
    [InlineData("a\0b.safetensors")]
    public async Task An_index_that_reaches_elsewhere_is_refused(string name)
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(1, 1000));
        bench.Hub.Files[name] = [1, 2, 3];
        bench.Hub.SetIndex(name);
        Assert.Contains("must be the name of a .safetensors file in the same folder", await bench.RefusalAsync(), StringComparison.Ordinal);
        Assert.DoesNotContain(bench.Hub.StorageRequests, asked => asked.Path[1..] == bench.Hub.ETag(name));
    }

    [Theory]
    [InlineData("../x")]
    [InlineData("/x")]
    [InlineData("a/../../x")]
    [InlineData("a//x")]
    [InlineData("./x")]
    [InlineData("a\\..\\x")]
    [InlineData("c:x")]
    [InlineData("x\n")]
    [InlineData("")]
    public async Task A_file_name_that_reaches_elsewhere_gets_no_path(string name)
    {
        await using var bench = new HubBench(new LoopbackHub());
        var cache = new HubCache(bench.CacheFolder, LoopbackHub.Repository);
        Assert.Throws<HubException>(() => cache.Prepare(LoopbackHub.Commit, new HubFile(name, 1, new string('a', 40))));
    }

    [Theory]
    [InlineData("\"sha\":\"0123456789abcdef0123456789abcdef01234567\"", "\"sha\":\"../../../../tmp\"", "its commit is not 40 hexadecimal digits")]
    [InlineData("\"siblings\"", "\"brothers\"", "its list of files is not in the hub's form")]
    [InlineData("{", "<html>", "its list of files is not in the hub's form")]
    [InlineData("\"sha256\":\"", "\"sha256\":\"../", "no checksum of it")]
    public async Task A_listing_that_is_none_is_refused(string truth, string lie, string message)
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(1, 1000));
        bench.Hub.Listing = text => text.Replace(truth, lie, StringComparison.Ordinal);
        bench.Hub.AtHub = asked => asked.Method == "HEAD" ? new Reply(200, Encoding.ASCII.GetBytes("x")).With("ETag", "\"../../x\"") : null;
        Assert.Contains(message, await bench.RefusalAsync(), StringComparison.Ordinal);
    }

    private sealed class At(Action act, params long[] bytes) : IProgress<HubProgress>
    {
        public void Report(HubProgress value)
        {
            if (bytes.Contains(value.Bytes))
            {
                act();
            }
        }
    }
}
