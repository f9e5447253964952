using System.Text.Json;

namespace Grid.Models.Hub;

/// <summary>What the hub says of a repository at a revision: the commit, and its files.</summary>
/// <param name="Commit">40 hexadecimal digits.</param>
/// <param name="Files">By name; size and content name where the hub gave them.</param>
internal sealed record HubListing(string Commit, IReadOnlyDictionary<string, (long? Size, string? ETag)> Files)
{
    /// <summary>Reads the answer to GET /api/models/{repository}/revision/{revision}?blobs=true.</summary>
    public static HubListing Parse(string host, byte[] answer)
    {
        try
        {
            using var document = JsonDocument.Parse(answer);
            string? commit = document.RootElement.GetProperty("sha").GetString();
            if (!HubModelName.IsCommitId(commit))
            {
                throw Broken(host, "its commit is not 40 hexadecimal digits", null);
            }

            var files = new Dictionary<string, (long?, string?)>(StringComparer.Ordinal);
            foreach (var file in document.RootElement.GetProperty("siblings").EnumerateArray())
            {
                files[file.GetProperty("rfilename").GetString() ?? ""] = ReadFile(file);
            }

            return new HubListing(commit!, files);
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw Broken(host, "its list of files is not in the hub's form", exception);
        }
    }

    private static (long? Size, string? ETag) ReadFile(JsonElement file)
    {
        if (file.TryGetProperty("lfs", out var lfs) && lfs.ValueKind == JsonValueKind.Object)
        {
            return (lfs.GetProperty("size").GetInt64(), lfs.GetProperty("sha256").GetString());
        }

        long? size = file.TryGetProperty("size", out var bytes) && bytes.ValueKind == JsonValueKind.Number ? bytes.GetInt64() : null;
        string? blob = file.TryGetProperty("blobId", out var id) ? id.GetString() : null;
        return (size, blob);
    }

    private static HubException Broken(string host, string what, Exception? exception) =>
        new($"{host} does not answer as the Hugging Face hub does ({what}); check HF_ENDPOINT and the proxy.", exception);
}
