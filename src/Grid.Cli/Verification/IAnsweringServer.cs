namespace Grid.Cli.Verification;

/// <summary>A server whose answers are compared.</summary>
public interface IAnsweringServer : IDisposable
{
    /// <summary>What it is and can.</summary>
    ServerDescription Description { get; }

    /// <summary>Requests that it refused for want of room, and that were sent again: none of them had been answered.</summary>
    int SentAgain { get; }

    /// <summary>Asks in one request, and gives the answers in its order. Throws <see cref="ServerException"/>.</summary>
    Task<IReadOnlyList<Answer>> AskAsync(Questions questions, CancellationToken cancellationToken);

    /// <summary>Empties its prefix cache. Throws <see cref="ServerException"/>.</summary>
    Task EmptyCacheAsync(CancellationToken cancellationToken);

    /// <summary>The workers of a grid that are in quarantine, because they gave wrong bits. Throws <see cref="ServerException"/>.</summary>
    Task<IReadOnlyList<string>> QuarantinedWorkersAsync(CancellationToken cancellationToken);
}

/// <summary>What a server says of itself, and what was found out by asking.</summary>
/// <param name="Url">Where it is.</param>
/// <param name="Api">How it is asked: "/generate" or "/v1/completions".</param>
public sealed record ServerDescription(Uri Url, string Api)
{
    /// <summary>The model's name; null where it is not said.</summary>
    public string? Model { get; init; }

    /// <summary>The most tokens of prompt and answer together; null where it is not said.</summary>
    public int? ContextTokens { get; init; }

    /// <summary>What its bits depend on, where it says so.</summary>
    public string? Fingerprint { get; init; }

    /// <summary>Whether prompts may be text. Otherwise they are ids.</summary>
    public bool TakesText { get; init; } = true;

    /// <summary>Whether answers have ids, and prompts may be ids.</summary>
    public bool GivesIds { get; init; }

    /// <summary>Whether answers have logprobs.</summary>
    public bool GivesLogprobs { get; init; }

    /// <summary>Why its prefix cache cannot be emptied; null where it can.</summary>
    public string? WhyCacheStays { get; init; }

    /// <summary>Whether it is a Grid: its fingerprints say so, or its page of workers.</summary>
    public bool IsGrid => Workers is not null || Fingerprint?.StartsWith("grid-", StringComparison.Ordinal) is true;

    /// <summary>Workers of a grid that serve the model; null where it is no grid, or does not say.</summary>
    public int? Workers { get; init; }
}

/// <summary>A server that did not answer, or refused.</summary>
/// <param name="message">What and why.</param>
/// <param name="status">HTTP's status; 0 where none came.</param>
public sealed class ServerException(string message, int status = 0) : Exception(message)
{
    /// <summary>HTTP's status; 0 where none came.</summary>
    public int Status { get; } = status;
}
