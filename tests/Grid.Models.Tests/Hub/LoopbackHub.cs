using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Grid.Models.Tests.Hub;

/// <summary>A hub with one repository, "grid/demo", and the storage beside it that large files are sent from.</summary>
public sealed class LoopbackHub : IAsyncDisposable
{
    public const string Repository = "grid/demo";
    public const string Commit = "0123456789abcdef0123456789abcdef01234567";
    public const string Token = "hf_secret";

    private readonly LoopbackServer _hub;
    private readonly LoopbackServer _storage;

    public LoopbackHub()
    {
        _storage = new LoopbackServer(asked => AtStorage(asked) ?? Part(asked, Large[asked.Path[1..]], $"\"s-{asked.Path[1..]}\""));
        _hub = new LoopbackServer(asked => AtHub(asked) ?? Answer(asked));
    }

    /// <summary>Files by name; change before asking.</summary>
    public Dictionary<string, byte[]> Files { get; } = [];

    /// <summary>Says something else than the truth; null goes on with it.</summary>
    public Func<Asked, Reply?> AtHub { get; set; } = _ => null;

    /// <summary>The same for storage.</summary>
    public Func<Asked, Reply?> AtStorage { get; set; } = _ => null;

    /// <summary>Changes the listing.</summary>
    public Func<string, string> Listing { get; set; } = text => text;

    public Uri Address => _hub.Address;

    public IReadOnlyList<Asked> Requests => [.. _hub.Requests];

    public IReadOnlyList<Asked> StorageRequests => [.. _storage.Requests];

    private Dictionary<string, byte[]> Large => Files.Where(f => IsLarge(f.Key)).ToDictionary(f => Sha256(f.Value), f => f.Value);

    /// <summary>A repository with the demo model's files.</summary>
    public static LoopbackHub WithDemoModel()
    {
        var hub = new LoopbackHub();
        foreach (string file in Directory.GetFiles(DemoModel.Path))
        {
            hub.Files.Add(Path.GetFileName(file), File.ReadAllBytes(file));
        }

        hub.Files.Add("README.md", "# Demo"u8.ToArray());
        hub.Files.Add("pytorch_model.bin", new byte[1000]);
        hub.Files.Add("onnx/model.onnx", new byte[1000]);
        return hub;
    }

    /// <summary>A repository whose weights are shards of made-up bytes.</summary>
    public static LoopbackHub WithShards(int shards, int bytes)
    {
        var hub = new LoopbackHub();
        hub.Files.Add("config.json", "{}"u8.ToArray());
        hub.Files.Add("tokenizer.json", "{ }"u8.ToArray());
        string[] names = [.. Enumerable.Range(1, shards).Select(i => $"model-{i:00000}-of-{shards:00000}.safetensors")];
        foreach (string name in names)
        {
            byte[] content = new byte[bytes];
            new Random(name.GetHashCode(StringComparison.Ordinal) & 0xFFFF).NextBytes(content);
            Encoding.ASCII.GetBytes(name).CopyTo(content, 0);
            hub.Files.Add(name, content);
        }

        hub.SetIndex(names);
        return hub;
    }

    public static string Shard(int i, int of) => $"model-{i:00000}-of-{of:00000}.safetensors";

    public void SetIndex(params string[] shards) => Files["model.safetensors.index.json"] = JsonSerializer.SerializeToUtf8Bytes(
        new { weight_map = shards.Select((shard, i) => (shard, i)).ToDictionary(pair => $"w{pair.i}", pair => pair.shard) });

    public static bool IsLarge(string name) => name.EndsWith(".safetensors", StringComparison.Ordinal) || name == "tokenizer.json";

    public static string Sha256(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    public static string GitName(byte[] bytes)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
        hash.AppendData([.. Encoding.ASCII.GetBytes($"blob {bytes.Length}\0"), .. bytes]);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>What the cache calls a file's content.</summary>
    public string ETag(string name) => IsLarge(name) ? Sha256(Files[name]) : GitName(Files[name]);

    /// <summary>The rest of a content from where the client asks, or all of it when its If-Range names another.</summary>
    public static Reply Part(Asked asked, byte[] content, string tag)
    {
        int start = asked.Header("If-Range") is { } condition && condition != tag ? 0 : asked.RangeStart;
        var reply = new Reply(start > 0 ? 206 : 200, content[start..]).With("ETag", tag);
        return start > 0 ? reply.With("Content-Range", $"bytes {start}-{content.Length - 1}/{content.Length}") : reply;
    }

    public static Reply Error(int status, string code, string message = "") =>
        new Reply(status, Encoding.UTF8.GetBytes($"{{\"error\":\"{message}\"}}")).With("X-Error-Code", code).With("X-Error-Message", message);

    public async ValueTask DisposeAsync()
    {
        await _hub.DisposeAsync();
        await _storage.DisposeAsync();
    }

    private Reply Answer(Asked asked)
    {
        string[] revisions = ["main", "v1.0", "refs/pr/7", Commit];
        if (asked.Path.StartsWith("/api/models/", StringComparison.Ordinal))
        {
            string[] parts = asked.Path["/api/models/".Length..].Split("/revision/");
            return parts[0] != Repository ? Error(404, "RepoNotFound", "Repository not found")
                : revisions.Contains(parts[1]) ? new Reply(200, Encoding.UTF8.GetBytes(Listing(List(asked.Query == "blobs=true"))))
                : Error(404, "RevisionNotFound", $"Invalid rev id: {parts[1]}");
        }

        string prefix = $"/{Repository}/resolve/{Commit}/";
        if (!asked.Path.StartsWith(prefix, StringComparison.Ordinal) || !Files.TryGetValue(asked.Path[prefix.Length..], out byte[]? content))
        {
            return Error(404, "EntryNotFound", "Entry not found");
        }

        string name = asked.Path[prefix.Length..];
        var reply = IsLarge(name)
            ? new Reply(302, [])
                .With("X-Linked-Etag", $"\"{Sha256(content)}\"").With("X-Linked-Size", $"{content.Length}")
                .With("Location", $"{_storage.Address}{Sha256(content)}?X-Amz-Signature=signed")
            : Part(asked, content, $"\"{GitName(content)}\"");
        return reply.With("X-Repo-Commit", Commit);
    }

    private string List(bool blobs) => JsonSerializer.Serialize(new
    {
        id = Repository,
        sha = Commit,
        gated = false,
        siblings = Files.Select(file => !blobs ? (object)new { rfilename = file.Key }
            : IsLarge(file.Key)
                ? new { rfilename = file.Key, size = file.Value.Length, blobId = GitName(file.Value), lfs = new { size = file.Value.Length, sha256 = Sha256(file.Value), pointerSize = 134 } }
                : new { rfilename = file.Key, size = file.Value.Length, blobId = GitName(file.Value) }),
    });
}
