using Grid.Options;

namespace Grid.Gateway.Access;

/// <summary>Who may ask what of the HTTP face, and over what.</summary>
public sealed record AccessOptions
{
    /// <summary>A secret: it is never printed.</summary>
    [TextOption("A key without which nothing is computed, and without --admin-api-key nothing operated either; better as Grid__ApiKey in the environment or in --api-key-file: process lists show command lines", "key")]
    public string? ApiKey { get; set; }

    /// <summary>A secret: it is never printed.</summary>
    [TextOption("The key for operations; better as Grid__AdminApiKey in the environment", "key")]
    public string? AdminApiKey { get; set; }

    [TextOption("JSON file of keys, each with its name, scopes and limits; read again when it changes", "file")]
    public string? ApiKeyFile { get; set; }

    [SwitchOption("Show /metrics to whoever asks, though other operations need a key or have a port of their own")]
    public bool OpenMetrics { get; set; }

    /// <summary>Null: at the port of everything else.</summary>
    [NumberOption("Port for operations, which then are answered nowhere else; 0 takes a free one", 0, 65535, Default = "that of everything else")]
    public int? OperatePort { get; set; }

    [TextOption("PEM file with the certificate for HTTPS, and those between it and its authority; read again when it changes", "file")]
    public string? SslCertfile { get; set; }

    [TextOption("PEM file with the certificate's private key", "file")]
    public string? SslKeyfile { get; set; }
}
