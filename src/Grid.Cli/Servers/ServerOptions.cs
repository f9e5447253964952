using Grid.Options;

namespace Grid.Cli.Servers;

/// <summary>How a server is asked.</summary>
internal enum Api
{
    /// <summary>/generate where there is one, otherwise OpenAI's.</summary>
    Auto,

    /// <summary>SGLang's /generate.</summary>
    Generate,

    /// <summary>OpenAI's /v1/completions.</summary>
    OpenAi,
}

/// <summary>Which server.</summary>
internal class ConnectionOptions
{
    /// <summary>Where a key lies that is not given on the command line.</summary>
    public const string KeyVariable = "GRID_API_KEY";

    [UrlOption("The server")]
    public Uri Url { get; set; } = new("http://localhost:8000");

    [TextOption($"Key that it wants; better in the environment as {KeyVariable}, for process lists show command lines", "key", Default = $"${KeyVariable}")]
    public string? ApiKey { get; set; }

    [DurationOption("How long one request may take", 1, 86400)]
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(300);

    /// <summary>A connection to this address. The key is that of the command line, or else of the environment.</summary>
    public ServerConnection Connect(Uri url) =>
        new(url, ApiKey ?? (Environment.GetEnvironmentVariable(KeyVariable) is { Length: > 0 } key ? key : null), Timeout);
}

/// <summary>Which server and model, and how it is asked.</summary>
internal sealed class ServerOptions : ConnectionOptions
{
    [TextOption("The model, where the server has several", "name")]
    public string? Model { get; set; }

    [ChoiceOption("How it is asked: SGLang's /generate, OpenAI's /v1/completions, or the first of them that it has", "auto", "generate", "openai=OpenAi")]
    public Api Api { get; set; }
}
