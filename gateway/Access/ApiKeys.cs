using System.Security.Cryptography;
using System.Text;
using Grid.Options;
using Grid.Sequences;

namespace Grid.Gateway.Access;

/// <summary>A key that is let in.</summary>
/// <param name="Name">Of a key of the file: who has it is a client of its own. Null for those that the options give.</param>
/// <param name="Digest">SHA-256 of the key; the key itself is not kept.</param>
/// <param name="Scopes">What it is for.</param>
/// <param name="Quota">What it may have; null where the options say.</param>
internal sealed record ApiKey(string? Name, byte[] Digest, IReadOnlyList<string> Scopes, ClientQuota Quota);

/// <summary>The keys of a gateway.</summary>
internal sealed class ApiKeys : IClientQuotas
{
    /// <summary>Characters of a key at least: what can be guessed protects nothing.</summary>
    public const int LeastLength = 16;

    private readonly ReloadedFiles<ApiKey[]>? _file;
    private readonly ApiKey[] _given;
    private readonly ClientQuota _quota;

    /// <param name="options">Where they are. Throws <see cref="StartException"/> where they cannot be used; no sentence quotes one.</param>
    /// <param name="sequences">What a client may have where its key does not say.</param>
    public ApiKeys(AccessOptions options, SequencesOptions sequences)
    {
        _quota = new ClientQuota(sequences.MaxClientRequests, sequences.MaxClientTokens, sequences.MaxClientRequestsPerMinute);
        if (options.ApiKeyFile is { } path)
        {
            var file = new OptionFile("--api-key-file", path);
            _file = new([file], contents => ApiKeyFile.Read(file, contents[0]));
        }
        bool isOnly = options.AdminApiKey is null && _file is null;
        _given =
        [
            .. Given("--api-key", options.ApiKey, isOnly ? Scopes.All : [Scopes.Inference]),
            .. Given("--admin-api-key", options.AdminApiKey, [Scopes.Operate]),
        ];
        OpenScopes = _given.Length > 0 || _file is not null ? options.ApiKey is null && _file is null ? [Scopes.Inference] : [] : Scopes.All;
    }

    /// <summary>What takes no key.</summary>
    public IReadOnlyList<string> OpenScopes { get; }

    /// <summary>Told why a file that has changed is not used.</summary>
    public Action<StartException>? Kept
    {
        set => _file?.Kept = value;
    }

    /// <summary>The key that was presented; null for a wrong one. Takes the same time whichever it is.</summary>
    public ApiKey? Find(string presented)
    {
        byte[] digest = DigestOf(presented);
        ApiKey? found = null;
        foreach (var key in _given.Concat(_file?.Current ?? []))
        {
            found = CryptographicOperations.FixedTimeEquals(key.Digest, digest) ? key : found;
        }
        return found;
    }

    /// <inheritdoc/>
    public ClientQuota Of(string client)
    {
        var own = _file?.Current.FirstOrDefault(key => Caller.ClientOf(key.Name!) == client)?.Quota;
        return new ClientQuota(own?.MaxRequests ?? _quota.MaxRequests, own?.MaxTokens ?? _quota.MaxTokens, own?.MaxRequestsPerMinute ?? _quota.MaxRequestsPerMinute);
    }

    /// <summary>SHA-256 of a key in UTF-8.</summary>
    public static byte[] DigestOf(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));

    /// <summary>Whether a text can be a key: what a header carries, and long enough.</summary>
    public static bool IsUsable(string key) => key.Length >= LeastLength && key.All(c => c is > ' ' and < '\x7f');

    private static ApiKey[] Given(string option, string? key, IReadOnlyList<string> scopes) => key is null ? []
        : IsUsable(key) ? [new(null, DigestOf(key), scopes, new(null, null, null))]
        : throw new StartException($"{option} has {key.Length} characters; it must have at least {LeastLength}, all of them printable ASCII without spaces.", StartException.Usage);
}
