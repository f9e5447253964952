using System.Text.RegularExpressions;

namespace Grid.Models.Hub;

/// <summary>Where the hub and its cache are, in the environment variables of the huggingface_hub library. A class, not a
/// record: nothing prints the token by accident.</summary>
public sealed partial class HubSettings
{
    /// <summary>Where the hub answers; HF_ENDPOINT.</summary>
    public Uri Endpoint { get; init; } = new("https://huggingface.co/");

    /// <summary>The cache's folder, absolute; HF_HUB_CACHE.</summary>
    public required string CacheFolder { get; init; }

    /// <summary>Whether the network is not to be used; HF_HUB_OFFLINE.</summary>
    public bool Offline { get; init; }

    /// <summary>Where the token came from, for messages; null when there is none.</summary>
    public string? TokenSource { get; init; }

    /// <summary>Proof of identity for private and gated models; sent to <see cref="Endpoint"/> only.</summary>
    internal string? Token { get; init; }

    /// <summary>Connections at once at most.</summary>
    internal int Connections { get; init; } = 4;

    /// <summary>How long a server may send nothing before the connection is given up.</summary>
    internal TimeSpan StallTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Reads the environment; <see cref="HubException"/> names a variable that cannot be used.</summary>
    /// <param name="variable">The value of an environment variable by name; null reads the process's.</param>
    public static HubSettings FromEnvironment(Func<string, string?>? variable = null)
    {
        variable ??= Environment.GetEnvironmentVariable;
        string? Read(string name) => variable(name) is { Length: > 0 } value ? value : null;
        string? Folder(string name) => Read(name) is { } value ? Expand(value, Read) : null;

        string home = Folder("HF_HOME") ?? Path.Combine(Folder("XDG_CACHE_HOME") ?? Expand("~/.cache", Read), "huggingface");
        string cache = Folder("HF_HUB_CACHE") ?? Folder("HUGGINGFACE_HUB_CACHE") ?? Path.Combine(home, "hub");
        (string? token, string? source) = FindToken(Read, Folder("HF_TOKEN_PATH") ?? Path.Combine(home, "token"));
        return new HubSettings
        {
            Endpoint = ParseEndpoint(Read("HF_ENDPOINT") ?? "https://huggingface.co"),
            CacheFolder = Path.GetFullPath(cache),
            Offline = IsTrue(Read("HF_HUB_OFFLINE") ?? Read("TRANSFORMERS_OFFLINE")),
            Token = token,
            TokenSource = source,
        };
    }

    private static (string? Token, string? Source) FindToken(Func<string, string?> read, string file)
    {
        foreach (string name in (ReadOnlySpan<string>)["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"])
        {
            if (read(name) is { } value && Clean(value) is { } token)
            {
                return (CheckToken(token, name), name);
            }
        }

        // Someone who asks for this wants the token of their login not to travel unless they name it.
        if (IsTrue(read("HF_HUB_DISABLE_IMPLICIT_TOKEN")) || !File.Exists(file))
        {
            return (null, null);
        }

        try
        {
            return Clean(File.ReadAllText(file)) is { } stored ? (CheckToken(stored, file), file) : (null, null);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new HubException($"The token file {file} cannot be read ({exception.Message}); set HF_TOKEN, or HF_TOKEN_PATH to a file that can be.", exception);
        }
    }

    private static string? Clean(string token) =>
        token.Replace("\r", "", StringComparison.Ordinal).Replace("\n", "", StringComparison.Ordinal).Trim() is { Length: > 0 } clean ? clean : null;

    // The value itself stays out of the message.
    private static string CheckToken(string token, string source) =>
        token.Any(c => c is <= ' ' or > '~')
            ? throw new HubException($"The token in {source} holds spaces or characters beyond ASCII; a token is one word such as hf_….")
            : token;

    private static Uri ParseEndpoint(string text)
    {
        bool valid = Uri.TryCreate(text, UriKind.Absolute, out var endpoint) && endpoint.Scheme is "http" or "https"
            && endpoint.UserInfo.Length == 0 && endpoint.Query.Length == 0 && endpoint.Fragment.Length == 0;
        return valid
            ? new Uri(endpoint!.AbsoluteUri.TrimEnd('/') + "/")
            : throw new HubException("HF_ENDPOINT must be an http or https address without user name, query or fragment, such as https://huggingface.co.");
    }

    private static bool IsTrue(string? value) => value?.ToUpperInvariant() is "1" or "ON" or "YES" or "TRUE";

    private static string Expand(string path, Func<string, string?> read)
    {
        if (path == "~" || path.StartsWith("~/", StringComparison.Ordinal))
        {
            path = (read("HOME") ?? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile)) + path[1..];
        }

        return Variable().Replace(path, match => read(match.Groups["name"].Value) ?? match.Value);
    }

    [GeneratedRegex(@"\$(?<name>\w+)|\$\{(?<name>\w+)\}", RegexOptions.CultureInvariant)]
    private static partial Regex Variable();
}
