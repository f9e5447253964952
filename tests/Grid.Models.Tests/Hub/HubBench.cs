using System.Collections.Concurrent;
using Grid.Models.Hub;
using Grid.Models.Tests.Support;

namespace Grid.Models.Tests.Hub;

/// <summary>A hub, an empty cache and a client between them.</summary>
public sealed class HubBench : IAsyncDisposable
{
    public static readonly TimeSpan Stall = TimeSpan.FromSeconds(31);

    private readonly TemporaryFolder _folder = new();

    public HubBench(LoopbackHub hub)
    {
        Hub = hub;
        Time = new ObedientTime(Stall);
    }

    public LoopbackHub Hub { get; }

    public ObedientTime Time { get; }

    public string CacheFolder => _folder.Path;

    public string RepositoryFolder => Path.Combine(CacheFolder, "models--grid--demo");

    public string SnapshotFolder => Path.Combine(RepositoryFolder, "snapshots", LoopbackHub.Commit);

    public ConcurrentQueue<string> Notices { get; } = [];

    public static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public string Blob(string name) => Path.Combine(RepositoryFolder, "blobs", Hub.ETag(name));

    public string Incomplete(string name) => Blob(name) + ".incomplete";

    public HubClient Client(string? token = null, bool offline = false, Uri? endpoint = null, long free = long.MaxValue) => new(
        new HubSettings
        {
            Endpoint = endpoint ?? Hub.Address,
            CacheFolder = CacheFolder,
            Token = token,
            TokenSource = token is null ? null : "HF_TOKEN",
            Offline = offline,
            StallTimeout = Stall,
        },
        Time)
    {
        Notice = Notices.Enqueue,
        FreeBytes = _ => free,
    };

    public async Task<HubSnapshot> DownloadAsync(
        string name = LoopbackHub.Repository, HubSelection selection = HubSelection.All, string? token = null, bool offline = false,
        IProgress<HubProgress>? progress = null)
    {
        using var client = Client(token, offline);
        return await client.DownloadAsync(HubModelName.Parse(name), selection, progress, cancellationToken: Cancellation);
    }

    public async Task<string> RefusalAsync(string name = LoopbackHub.Repository, string? token = null, bool offline = false, HubSelection selection = HubSelection.All) =>
        (await Assert.ThrowsAsync<HubException>(() => DownloadAsync(name, selection, token, offline))).Message;

    /// <summary>Every file of the repository that is in the snapshot has the repository's bytes.</summary>
    public void AssertSnapshot(params string[] names)
    {
        string[] present = [.. Directory.GetFiles(SnapshotFolder, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(SnapshotFolder, file))];
        Assert.Equal(names.Order(StringComparer.Ordinal), present.Order(StringComparer.Ordinal));
        Assert.All(names, name => Assert.Equal(Hub.Files[name], File.ReadAllBytes(Path.Combine(SnapshotFolder, name))));
    }

    public async ValueTask DisposeAsync()
    {
        await Hub.DisposeAsync();
        _folder.Dispose();
    }
}
