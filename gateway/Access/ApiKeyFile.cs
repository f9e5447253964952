using System.Text.Json;
using System.Text.Json.Serialization;
using Grid.Options;

namespace Grid.Gateway.Access;

/// <summary>The form of <c>--api-key-file</c>: <c>{"keys":[{"name":"alice","key":"...","scopes":["inference"],"max_requests":8,"max_tokens":90000}]}</c>.</summary>
internal sealed record ApiKeyFile
{
    /// <summary>Begins a key that is not there itself but as its SHA-256 in hexadecimal digits.</summary>
    private const string Digested = "sha256:";

    private static readonly ApiKeyFileJson s_json = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        ReadCommentHandling = JsonCommentHandling.Skip,
        AllowTrailingCommas = true,
    });

    public required IReadOnlyList<Entry> Keys { get; init; }

    /// <summary>A key as it is written.</summary>
    public sealed record Entry
    {
        public required string Name { get; init; }

        public required string Key { get; init; }

        /// <summary>Null: inference.</summary>
        public IReadOnlyList<string>? Scopes { get; init; }

        public int? MaxRequests { get; init; }

        public int? MaxTokens { get; init; }

        public int? MaxRequestsPerMinute { get; init; }
    }

    /// <summary>The keys. Throws <see cref="StartException"/> with the place in the file and the rule, and never with a key.</summary>
    public static ApiKey[] Read(OptionFile file, byte[] content)
    {
        ApiKeyFile? read;
        try
        {
            read = JsonSerializer.Deserialize(content.AsSpan(), s_json.ApiKeyFile);
        }
        catch (JsonException exception)
        {
            throw file.Wrong($"which must be JSON like {{\"keys\":[{{\"name\":\"alice\",\"key\":\"...\"}}]}}; it is wrong at {exception.Path ?? "$"}, line {exception.LineNumber + 1}.");
        }
        ApiKey[] keys = [.. (read?.Keys ?? []).Select((entry, i) => Read(file, entry, $"keys[{i}]"))];
        foreach (var (i, key) in keys.Index())
        {
            if (keys.Take(i).FirstOrDefault(other => other.Name == key.Name || other.Digest.AsSpan().SequenceEqual(key.Digest)) is { } other)
            {
                throw file.Wrong(other.Name == key.Name ? $"where two keys are named '{key.Name}'." : $"where '{other.Name}' and '{key.Name}' have the same key.");
            }
        }
        return keys;
    }

    private static ApiKey Read(OptionFile file, Entry entry, string place)
    {
        Require(entry.Name.Length is > 0 and <= 100 && entry.Name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'), "name", "must be 1 to 100 letters, digits, '-', '_' or '.'");
        var scopes = entry.Scopes ?? [Access.Scopes.Inference];
        Require(scopes.Count > 0 && !scopes.Except(Access.Scopes.All).Any(), "scopes", $"must be some of {string.Join(", ", Access.Scopes.All)}");
        Require(entry.MaxRequests is null or > 0, "max_requests", "must be above 0");
        Require(entry.MaxTokens is null or > 0, "max_tokens", "must be above 0");
        Require(entry.MaxRequestsPerMinute is null or > 0, "max_requests_per_minute", "must be above 0");
        byte[] digest;
        if (entry.Key.StartsWith(Digested, StringComparison.Ordinal))
        {
            string hexadecimal = entry.Key[Digested.Length..];
            Require(hexadecimal.Length == 64 && hexadecimal.All(char.IsAsciiHexDigit), "key", $"must have 64 hexadecimal digits after {Digested}");
            digest = Convert.FromHexString(hexadecimal);
        }
        else
        {
            Require(ApiKeys.IsUsable(entry.Key), "key", $"must have at least {ApiKeys.LeastLength} characters, all of them printable ASCII without spaces");
            digest = ApiKeys.DigestOf(entry.Key);
        }
        return new ApiKey(entry.Name, digest, scopes, new(entry.MaxRequests, entry.MaxTokens, entry.MaxRequestsPerMinute));

        void Require(bool holds, string field, string rule)
        {
            if (!holds)
            {
                throw file.Wrong($"where {place}.{field} {rule}.");
            }
        }
    }
}

/// <summary>The file's JSON.</summary>
[JsonSerializable(typeof(ApiKeyFile))]
internal sealed partial class ApiKeyFileJson : JsonSerializerContext;
