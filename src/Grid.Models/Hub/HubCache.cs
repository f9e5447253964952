namespace Grid.Models.Hub;

/// <summary>
/// One repository's part of the cache, in the layout of the huggingface_hub library, so that both share it:
/// models--org--name/blobs/ETAG, snapshots/COMMIT/FILE (relative links to blobs), refs/REVISION (the commit).
/// </summary>
internal sealed class HubCache
{
    // The library's own text: whoever comes first writes it.
    private const string CacheTag =
        "Signature: 8a477f597d28d172789f06886806bc55\n"
        + "# This file is a cache directory tag created by huggingface_hub.\n"
        + "# For information about cache directory tags, see:\n"
        + "#\thttps://bford.info/cachedir/\n";

    private readonly string _root;
    private readonly string _repository;
    private readonly string _locks;

    public HubCache(string root, string repository)
    {
        _root = root;
        string folder = "models--" + repository.Replace("/", "--", StringComparison.Ordinal);
        _repository = Path.Combine(root, folder);
        _locks = Path.Combine(root, ".locks", folder);
    }

    /// <summary>The folder of a commit's files.</summary>
    public string Snapshot(string commit) => Path.Combine(_repository, "snapshots", commit);

    /// <summary>Where content of a name lies when it is complete.</summary>
    public string Blob(string etag) => Path.Combine(_repository, "blobs", etag);

    /// <summary>Where content of a name grows.</summary>
    public string Incomplete(string etag) => Blob(etag) + ".incomplete";

    /// <summary>Bytes of a file that an earlier download left behind, never more than the file has.</summary>
    public long IncompleteBytes(HubFile file)
    {
        var part = new FileInfo(Incomplete(file.ETag));
        return part.Exists && part.Length <= file.Size ? part.Length : 0;
    }

    /// <summary>The commit that a revision named last time; null when that is not known.</summary>
    public string? ReadRef(string revision)
    {
        string path = Path.Combine(_repository, "refs", revision);
        string? commit = File.Exists(path) ? File.ReadAllText(path).Trim() : null;
        return HubModelName.IsCommitId(commit) ? commit : null;
    }

    /// <summary>Notes which commit a revision names. Nothing is written that is there already: a cache may be
    /// read-only.</summary>
    public void WriteRef(string revision, string commit)
    {
        if (revision == commit || ReadRef(revision) == commit)
        {
            return;
        }

        string path = Path.Combine(_repository, "refs", revision);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        string temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        File.WriteAllText(temporary, commit);
        File.Move(temporary, path, overwrite: true);
    }

    /// <summary>Whether the content is there, in full. Content is checked when it comes, not each time it is
    /// used.</summary>
    public bool HasBlob(HubFile file) => LengthOf(Blob(file.ETag)) == file.Size;

    /// <summary>Whether a snapshot has a file, in full.</summary>
    public bool HasFile(string commit, HubFile file) => LengthOf(SnapshotFile(commit, file.Name)) == file.Size;

    /// <summary>The length of a file behind any links; null when there is none, as behind a link to nothing.</summary>
    public static long? LengthOf(string path)
    {
        try
        {
            using var stream = File.OpenRead(path);
            return stream.Length;
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Makes the folders for a file and its content.</summary>
    public void Prepare(string commit, HubFile file)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Blob(file.ETag))!);
        Directory.CreateDirectory(Path.GetDirectoryName(SnapshotFile(commit, file.Name))!);
        Directory.CreateDirectory(_locks);
        string tag = Path.Combine(_root, "CACHEDIR.TAG");
        if (!File.Exists(tag))
        {
            File.WriteAllText(tag, CacheTag);
        }
    }

    /// <summary>Gives the content its name in the snapshot.</summary>
    public void Link(string commit, HubFile file)
    {
        string path = SnapshotFile(commit, file.Name);
        string target = Path.GetRelativePath(Path.GetDirectoryName(path)!, Blob(file.ETag));
        var link = new FileInfo(path);
        if (link.LinkTarget == target)
        {
            return;
        }

        link.Delete();
        try
        {
            link.CreateAsSymbolicLink(target);
        }
        catch (IOException) when (new FileInfo(path).LinkTarget == target)
        {
            // Another process made the same link just now.
        }
    }

    /// <summary>
    /// Takes the lock of a content name; null while another process has it. It is the lock file of huggingface_hub
    /// (flock on Unix), and the operating system frees it when its holder dies.
    /// </summary>
    public FileStream? TryLock(string etag) => TryOpenAlone(Path.Combine(_locks, etag + ".lock"));

    /// <summary>Opens a growing content for this process alone; null while another has it.</summary>
    public FileStream? TryOpenIncomplete(string etag) => TryOpenAlone(Incomplete(etag));

    private static FileStream? TryOpenAlone(string path)
    {
        try
        {
            // No buffer: what has arrived is in the file even if the process is killed.
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        }
        catch (IOException exception) when (IsSharingViolation(exception))
        {
            return null;
        }
    }

    // EWOULDBLOCK of flock (11 on Linux, 35 on macOS), ERROR_SHARING_VIOLATION on Windows.
    private static bool IsSharingViolation(IOException exception) =>
        exception.HResult == (OperatingSystem.IsWindows() ? unchecked((int)0x80070020) : OperatingSystem.IsMacOS() ? 35 : 11);

    private string SnapshotFile(string commit, string name) =>
        HubFile.BrokenNameRule(name) is { } rule
            ? throw new HubException($"The file name '{name}' that the hub gives is refused: {rule}.")
            : Path.Combine([Snapshot(commit), .. name.Split('/')]);
}
