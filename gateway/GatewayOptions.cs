using System.Net;
using Grid.Gateway.Access;
using Grid.Options;

namespace Grid.Gateway;

/// <summary>Where answers are remembered.</summary>
public enum AnswerCacheKind
{
    /// <summary>Nowhere.</summary>
    Off,

    /// <summary>In this process.</summary>
    Memory,

    /// <summary>In the cluster's Redis.</summary>
    Redis,

    /// <summary>In the cluster's PostgreSQL.</summary>
    Postgres,
}

/// <summary>Limits of the HTTP face (configuration section "Gateway").</summary>
public sealed record GatewayOptions
{
    /// <summary>How long requests may go on where nothing else is said.</summary>
    public static readonly TimeSpan DefaultDrainGrace = TimeSpan.FromSeconds(20);

    [NumberOption("Largest request body in bytes", 1024, 1 << 30, Key = "Gateway:MaxRequestBodyBytes")]
    public long MaxRequestBodyBytes { get; set; } = 16 * 1024 * 1024;

    /// <summary>Null: <see cref="TotalBodyBytes"/> says.</summary>
    [NumberOption("Bytes that the bodies of all requests under way may have together; past it, requests get 429", 1024, 1L << 40, Key = "Gateway:MaxTotalBodyBytes", Default = "a 64th of the memory")]
    public long? MaxTotalBodyBytes { get; set; }

    [NumberOption("Deepest nesting of a request's JSON", 8, 256, Key = "Gateway:MaxJsonDepth")]
    public int MaxJsonDepth { get; set; } = 32;

    [NumberOption("Most sequences that one request may start: prompts times n", 1, 65536, Key = "Gateway:MaxSequencesPerRequest")]
    public int MaxSequencesPerRequest { get; set; } = 4096;

    [NumberOption("Largest record of a streamed request that is kept for resumption, in bytes; the stream of a larger one cannot be resumed", 0, 1 << 30, Key = "Gateway:MaxKeptRequestBytes")]
    public int MaxKeptRequestBytes { get; set; } = 4 * 1024 * 1024;

    /// <summary>Null: one is drawn for each.</summary>
    [NumberOption("Seed of every request that brings none", 0, (1L << 53) - 1, Key = "RandomSeed", Default = "one is drawn for each", Aliases = ["--seed"])]
    public ulong? RandomSeed { get; set; }

    [DurationOption("How long a request may take in all, waiting included; its 'timeout' may say less", 1, 604_800, Default = "unlimited")]
    public TimeSpan? RequestTimeout { get; set; }

    [DurationOption("How long a client may take nothing of what it is sent; then its connection is cut and its sequences end", 1, 3600)]
    public TimeSpan ReaderTimeout { get; set; } = TimeSpan.FromSeconds(30);

    [DurationOption("How long a stream may be silent before a comment, or an empty line, keeps proxies from closing it", 1, 3600)]
    public TimeSpan StreamKeepAlive { get; set; } = TimeSpan.FromSeconds(15);

    [TextOption("Origins whose web pages may ask, such as https://chat.example; * for all", "origins", Key = "Gateway:CorsOrigins", Default = "none", Aliases = ["--cors-origin"])]
    public string? CorsOrigins { get; set; }

    [NumberOption("HTTP connections open at a time at most; one more is closed at once", 1, 1_000_000)]
    public int MaxConnections { get; set; } = 10_000;

    /// <summary>Null: <see cref="TotalKeptBytes"/> says.</summary>
    [NumberOption("Bytes that the records of all streamed requests kept for resumption may have together; past it, streams get 429", 1024, 1L << 40, Key = "Gateway:MaxTotalKeptBytes", Default = "a 16th of the memory, 256 MiB at most")]
    public long? MaxTotalKeptBytes { get; set; }

    /// <summary>Null: any to who calls from other machines, none but localhost to who calls from this one.</summary>
    [TextOption("Host names that requests may be for, besides localhost and addresses; * for any", "names", Key = "Gateway:AllowedHosts", Default = "none from this machine, any from others")]
    public string? AllowedHosts { get; set; }

    [NetworksOption("Proxies, by address or network, whose X-Forwarded-For and X-Forwarded-Proto are believed: who asks is then the address that they name", Key = "Gateway:TrustedProxies", Default = "none", Aliases = ["--trusted-proxies"])]
    public IPNetwork[]? TrustedProxies { get; set; }

    /// <summary>Null: <see cref="DefaultDrainGrace"/>.</summary>
    [DurationOption("The same as --drain-seconds, for a gateway alone", 0, 3600, Key = "Gateway:DrainSeconds", Default = "20")]
    public TimeSpan? DrainGrace { get; set; }

    [SwitchOption("Make a receipt of every answer, whether it asks for one or not, and keep it for --sequence-retention")]
    public bool Receipts { get; set; }

    [TextOption("PEM file with the private key, ECDSA over P-256, that receipts are signed with", "file", Default = "they are not signed")]
    public string? ReceiptKey { get; set; }

    [ChoiceOption("Where answers are remembered, so that equal requests are computed once; redis and postgres: in the cluster's store, for all its gateways", "off", "memory", "redis", "postgres")]
    public AnswerCacheKind AnswerCache { get; set; }

    [SizeOption("Bytes that remembered answers may have together; past it, some go early")]
    public long AnswerCacheSize { get; set; } = 256L << 20;

    [DurationOption("How long an answer is remembered", 1, 2_592_000)]
    public TimeSpan AnswerCacheRetention { get; set; } = TimeSpan.FromHours(1);

    [ShareOption("Share of the remembered answers given that are computed again in the background and compared", 0, 1)]
    public double AnswerCacheAudit { get; set; } = 0.01;

    /// <summary>Who may ask.</summary>
    [Options]
    public AccessOptions Access { get; } = new();

    /// <summary>Bytes of all bodies under way, in effect. Taking one apart takes a multiple of its size.</summary>
    internal long TotalBodyBytes => MaxTotalBodyBytes ?? (Memory / 64);

    /// <summary>Bytes of all records kept, in effect.</summary>
    internal long TotalKeptBytes => MaxTotalKeptBytes ?? Math.Min(256L << 20, Memory / 16);

    /// <summary>What the process may use.</summary>
    private static long Memory => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
}
