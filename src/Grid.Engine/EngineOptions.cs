namespace Grid.Engine;

/// <summary>Limits of one engine. None of them changes a token's bits.</summary>
public sealed record EngineOptions
{
    /// <summary>Rows (tokens) in one forward pass at most.</summary>
    public int MaxBatchTokens { get; init; } = 512;

    /// <summary>Sequences running at once.</summary>
    public int MaxRunningSequences { get; init; } = 128;

    /// <summary>Prompt rows of one sequence in one step at most.</summary>
    public int PrefillChunkTokens { get; init; } = 256;

    /// <summary>KV pages.</summary>
    public required int KvPages { get; init; }

    /// <summary>Requests waiting for admission at most; one more is refused.</summary>
    public int MaxWaitingSequences { get; init; } = 1024;
}
