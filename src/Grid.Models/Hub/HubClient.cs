namespace Grid.Models.Hub;

/// <summary>
/// Downloads models of the Hugging Face hub into the cache that other programs on the machine share. What is there is
/// used; what breaks off goes on where it ended; what has a wrong checksum never gets a name.
/// </summary>
/// <param name="settings">The hub, the cache, the token.</param>
/// <param name="time">Measures waits; null is the machine's time.</param>
public sealed class HubClient(HubSettings settings, TimeProvider? time = null) : IDisposable
{
    private const long MaxAnswerBytes = 64 << 20;

    private static readonly TimeSpan s_lockPoll = TimeSpan.FromMilliseconds(500);

    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private readonly HubHttp _http = new(settings);

    /// <summary>Gets a line about every retry and wait; never a token or a signed address.</summary>
    public Action<string>? Notice { get; init; }

    /// <summary>Bytes free for a folder; replaced in tests.</summary>
    internal Func<string, long> FreeBytes { get; init; } = static folder => new DriveInfo(folder).AvailableFreeSpace;

    /// <summary>
    /// Makes a model's files available and returns its folder. Throws <see cref="HubException"/> with a sentence for the
    /// operator; cancelling leaves parts that the next call goes on with.
    /// </summary>
    /// <param name="model">Which model.</param>
    /// <param name="selection">Which of its files.</param>
    /// <param name="progress">Gets the sums as they grow, one report at a time, on the downloading threads.</param>
    /// <param name="beforeWeights">Looks at the folder when the small files are there; what it throws ends the download
    /// before the large ones begin.</param>
    /// <param name="cancellationToken">Ends the download.</param>
    public async Task<HubSnapshot> DownloadAsync(
        HubModelName model, HubSelection selection, IProgress<HubProgress>? progress = null,
        Action<string>? beforeWeights = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        var cache = new HubCache(settings.CacheFolder, model.Repository);
        if (settings.Offline)
        {
            return FromCache(model, selection, cache);
        }

        // A commit cannot move: what it has is known without asking.
        if (model.IsCommit && selection == HubSelection.All && NeededFiles.IsWhole(cache.Snapshot(model.Revision)))
        {
            return new HubSnapshot(cache.Snapshot(model.Revision), model.Revision, default);
        }

        var counter = new ProgressCounter(progress);
        var listing = await LookUpAsync(model, cache, selection, cancellationToken);
        string snapshot = cache.Snapshot(listing.Commit);
        try
        {
            await EnsureAsync(NeededFiles.Small(model.Repository, listing, selection));
            beforeWeights?.Invoke(snapshot);
            if (selection == HubSelection.All)
            {
                await EnsureAsync(NeededFiles.Weights(model.Repository, listing, snapshot));
            }

            cache.WriteRef(model.Revision, listing.Commit);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException && !cancellationToken.IsCancellationRequested)
        {
            throw new HubException($"The cache {settings.CacheFolder} cannot be written ({exception.Message}); make room or permit it, or set HF_HUB_CACHE to another folder.", exception);
        }

        return new HubSnapshot(snapshot, listing.Commit, counter.Now);

        async Task EnsureAsync(IReadOnlyList<string> names)
        {
            var options = new ParallelOptions { MaxDegreeOfParallelism = settings.Connections, CancellationToken = cancellationToken };
            var files = new HubFile[names.Count];
            await Parallel.ForAsync(0, names.Count, options, async (i, token) =>
                files[i] = await DescribeAsync(model, listing, names[i], token));
            counter.Need(files.Length, files.Sum(file => file.Size));
            CheckFreeSpace(cache, files);
            await Parallel.ForEachAsync(files, options, async (file, token) =>
            {
                await EnsureFileAsync(model, listing.Commit, cache, file, counter, token);
                counter.Complete();
            });
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private HubSnapshot FromCache(HubModelName model, HubSelection selection, HubCache cache)
    {
        string hint = $"HF_HUB_OFFLINE is set; unset it, or download the model into {settings.CacheFolder} first";
        string commit = (model.IsCommit ? model.Revision : cache.ReadRef(model.Revision))
            ?? throw new HubException($"The cache knows no revision '{model.Revision}' of {model.Repository}, and {hint}.");
        string snapshot = cache.Snapshot(commit);
        if (!Directory.Exists(snapshot))
        {
            throw new HubException($"The cache has nothing of {model.Repository} at {commit}, and {hint}.");
        }

        var missing = NeededFiles.MissingIn(snapshot, selection);
        return missing.Count == 0
            ? new HubSnapshot(snapshot, commit, default)
            : throw new HubException($"The cache lacks {string.Join(", ", missing)} of {model.Repository} at {commit}, and {hint}.");
    }

    private async Task<HubListing> LookUpAsync(HubModelName model, HubCache cache, HubSelection selection, CancellationToken cancellationToken)
    {
        string what = $"{model} on {settings.Endpoint.Authority}";
        var retries = new Retries(what, _time, Notice, first: true);
        while (true)
        {
            try
            {
                using var watch = Watch(cancellationToken);
                using var response = await _http.SendAsync(HttpMethod.Get, _http.RevisionAddress(model), model, what, watch);
                return HubListing.Parse(settings.Endpoint.Authority, await ReadAnswerAsync(response, watch));
            }
            catch (HubTransientException transient)
            {
                try
                {
                    await retries.WaitAsync(transient, cancellationToken);
                }
                catch (HubException exception) when (CachedCommit(model, cache, selection) is { } commit)
                {
                    throw new HubException($"{exception.Message} The cache has the commit {commit} complete: HF_HUB_OFFLINE=1 serves it.", exception);
                }
            }
        }
    }

    private static string? CachedCommit(HubModelName model, HubCache cache, HubSelection selection)
    {
        string? commit = model.IsCommit ? model.Revision : cache.ReadRef(model.Revision);
        return commit is not null && Directory.Exists(cache.Snapshot(commit)) && NeededFiles.MissingIn(cache.Snapshot(commit), selection).Count == 0
            ? commit
            : null;
    }

    private async Task<byte[]> ReadAnswerAsync(HubResponse response, StallWatch watch)
    {
        using var body = await response.Message.Content.ReadAsStreamAsync(watch.Token);
        using var answer = new MemoryStream();
        byte[] buffer = new byte[64 << 10];
        while (true)
        {
            int count;
            try
            {
                watch.Touch();
                count = await body.ReadAsync(buffer, watch.Token);
            }
            catch (Exception exception) when (watch.AsTransient(exception) is { } transient)
            {
                throw transient;
            }

            if (count == 0)
            {
                return answer.ToArray();
            }

            answer.Write(buffer.AsSpan(0, count));
            if (answer.Length > MaxAnswerBytes)
            {
                throw new HubException($"{settings.Endpoint.Authority} answers with more than {MaxAnswerBytes} bytes where a list of files was asked for; check HF_ENDPOINT and the proxy.");
            }
        }
    }

    /// <summary>Size and content name of a file, from the listing or, where a mirror leaves them out, from the file's own
    /// headers.</summary>
    private async Task<HubFile> DescribeAsync(HubModelName model, HubListing listing, string name, CancellationToken cancellationToken)
    {
        (long? size, string? etag) = listing.Files[name];
        if (size is null || !HubFile.IsETag(etag))
        {
            (size, etag) = await AskForAsync(model, listing.Commit, name, cancellationToken);
        }

        return size is >= 0 && HubFile.IsETag(etag)
            ? new HubFile(name, size.Value, etag!)
            : throw new HubException($"{name}: {settings.Endpoint.Authority} gives no size or no checksum of it, and nothing unchecked is used; check HF_ENDPOINT and the proxy.");
    }

    private async Task<(long? Size, string? ETag)> AskForAsync(HubModelName model, string commit, string name, CancellationToken cancellationToken)
    {
        var retries = new Retries(name, _time, Notice);
        while (true)
        {
            try
            {
                using var watch = Watch(cancellationToken);
                using var head = await _http.SendAsync(HttpMethod.Head, _http.FileAddress(model.Repository, commit, name), model, name, watch);
                return (head.Size, head.ETag);
            }
            catch (HubTransientException transient)
            {
                await retries.WaitAsync(transient, cancellationToken);
            }
        }
    }

    private void CheckFreeSpace(HubCache cache, IReadOnlyList<HubFile> files)
    {
        long needed = files.DistinctBy(file => file.ETag).Where(file => !cache.HasBlob(file)).Sum(file => file.Size - cache.IncompleteBytes(file));
        if (needed == 0)
        {
            return;
        }

        Directory.CreateDirectory(settings.CacheFolder);
        long free = FreeBytes(settings.CacheFolder);
        if (free < needed)
        {
            throw new HubException($"The disk of {settings.CacheFolder} has {free} bytes free, and {needed} more are needed; make room, or set HF_HUB_CACHE to another folder.");
        }
    }

    private async Task EnsureFileAsync(
        HubModelName model, string commit, HubCache cache, HubFile file, ProgressCounter counter, CancellationToken cancellationToken)
    {
        if (cache.HasFile(commit, file))
        {
            counter.Present(file.Size);
            return;
        }

        cache.Prepare(commit, file);
        using var alone = await WaitForAsync(() => cache.TryLock(file.ETag), file.Name, cancellationToken);
        if (cache.HasBlob(file))
        {
            counter.Present(file.Size);
        }
        else
        {
            await FetchAsync(model, commit, cache, file, counter, cancellationToken);
        }

        cache.Link(commit, file);
    }

    private async Task FetchAsync(
        HubModelName model, string commit, HubCache cache, HubFile file, ProgressCounter counter, CancellationToken cancellationToken)
    {
        var address = _http.FileAddress(model.Repository, commit, file.Name);
        string incomplete = cache.Incomplete(file.ETag);
        try
        {
            // Its own lock too: on some file systems and with some programs the lock file is worth nothing.
            using var part = await WaitForAsync(() => cache.TryOpenIncomplete(file.ETag), file.Name, cancellationToken);
            using var download = new BlobDownload(
                file, part, (range, ifRange, watch) => _http.SendAsync(HttpMethod.Get, address, model, file.Name, watch, range, ifRange),
                Watch, new Retries(file.Name, _time, Notice), counter);
            await download.RunAsync(cancellationToken);
        }
        catch
        {
            if (new FileInfo(incomplete) is { Exists: true, Length: 0 })
            {
                File.Delete(incomplete);
            }

            throw;
        }

        File.Move(incomplete, cache.Blob(file.ETag), overwrite: true);
    }

    private async Task<FileStream> WaitForAsync(Func<FileStream?> tryTake, string name, CancellationToken cancellationToken)
    {
        for (bool said = false; ; said = true)
        {
            if (tryTake() is { } taken)
            {
                return taken;
            }

            if (!said)
            {
                Notice?.Invoke($"{name}: another process is downloading it; waiting");
            }

            await Task.Delay(s_lockPoll, _time, cancellationToken);
        }
    }

    private StallWatch Watch(CancellationToken cancellationToken) => new(_time, settings.StallTimeout, cancellationToken);
}
