using Grid.Numerics;

namespace Grid.Grains.Messages;

/// <summary>What a worker serves, its limits and its load.</summary>
[GenerateSerializer, Immutable, Alias("grid.worker-status")]
public sealed record WorkerStatus
{
    [Id(0)]
    public required WorkerId Worker { get; init; }

    /// <summary>The name clients use.</summary>
    [Id(1)]
    public required string ModelId { get; init; }

    /// <summary>Contract version and model digest: equal ids give equal bits.</summary>
    [Id(2)]
    public required string NumericsId { get; init; }

    /// <summary>SHA-256 over names and bytes of the text files.</summary>
    [Id(3)]
    public required string TextDigest { get; init; }

    /// <summary>The device in words.</summary>
    [Id(4)]
    public required string Device { get; init; }

    /// <summary>When the worker began to serve.</summary>
    [Id(5)]
    public required DateTimeOffset Started { get; init; }

    [Id(6)]
    public required WorkerLimits Limits { get; init; }

    [Id(7)]
    public required WorkerLoad Load { get; init; }

    /// <summary>How requests are sampled that do not say.</summary>
    [Id(8)]
    public SamplingParameters Sampling { get; init; } = new();

    /// <summary>Why it takes nothing any more, with <see cref="WorkerState.Quarantined"/> and <see cref="WorkerState.Failed"/>; null
    /// otherwise.</summary>
    [Id(9)]
    public string? Reason { get; init; }

    /// <summary>Tokens of a KV page, the unit of the prefix cache.</summary>
    [Id(10)]
    public required int PageTokens { get; init; }

    /// <summary>What the weights are called by who put them in place; "default" for those that the worker came up with.</summary>
    [Id(11)]
    public string WeightVersion { get; init; } = WeightsRequest.DefaultVersion;

    /// <summary>When they were asked for; null for those that the worker came up with. Newer ones stand for the model.</summary>
    [Id(12)]
    public DateTimeOffset? WeightsSince { get; init; }
}

/// <summary>Whether a worker takes sequences; the API shows the names in lower case.</summary>
public enum WorkerState
{
    /// <summary>It takes sequences.</summary>
    Live = 0,

    /// <summary>A step lasts longer than the device's watchdog allows: it takes nothing until the step has ended.</summary>
    Stuck = 1,

    /// <summary>Its silo is shutting down: it ends what runs and takes nothing new.</summary>
    Draining = 2,

    /// <summary>It was found to compute wrongly, and takes nothing until its silo is started anew.</summary>
    Quarantined = 3,

    /// <summary>Its device failed; its silo may serve on with others.</summary>
    Failed = 4,

    /// <summary>It is getting other weights: it ends what runs, or has ended it, and takes nothing new until it has them.</summary>
    Updating = 6,

    /// <summary>Its step stream is gone: a gateway's finding, which no worker says of itself.</summary>
    Lost = 5,
}

/// <summary>What a worker takes at most.</summary>
[GenerateSerializer, Immutable, Alias("grid.worker-limits")]
public sealed record WorkerLimits
{
    /// <summary>Prompt and output tokens of one sequence together: what the model has positions for and the KV cache holds.</summary>
    [Id(0)]
    public required int MaxContextTokens { get; init; }

    [Id(1)]
    public required int MaxRunningSequences { get; init; }

    [Id(2)]
    public required int MaxWaitingSequences { get; init; }

    /// <summary>Tokens that the KV cache holds.</summary>
    [Id(3)]
    public required long KvCacheTokens { get; init; }

    /// <summary>Valid token ids are below this.</summary>
    [Id(4)]
    public required int VocabularySize { get; init; }

    /// <summary>The model's positions, whatever the KV cache holds: equal on all workers of a NumericsId.</summary>
    [Id(5)]
    public required int MaxModelTokens { get; init; }
}

/// <summary>A worker's load at one moment; travels with every step batch.</summary>
[GenerateSerializer, Immutable, Alias("grid.worker-load")]
public readonly record struct WorkerLoad
{
    [Id(0)]
    public int Running { get; init; }

    [Id(1)]
    public int Waiting { get; init; }

    /// <summary>KV pages that hold nothing.</summary>
    [Id(2)]
    public int FreePages { get; init; }

    /// <summary>KV pages that only the prefix cache holds; they are freed when needed.</summary>
    [Id(3)]
    public int CachedPages { get; init; }

    [Id(4)]
    public int TotalPages { get; init; }

    /// <summary>Steps since the worker came up; with Running above zero it grows, unless the device hangs
    /// (<see cref="WorkerState.Stuck"/>).</summary>
    [Id(5)]
    public long Steps { get; init; }

    [Id(6)]
    public long GeneratedTokens { get; init; }

    [Id(7)]
    public long PromptTokens { get; init; }

    [Id(8)]
    public long CachedPromptTokens { get; init; }

    [Id(9)]
    public long Preemptions { get; init; }

    /// <summary>Whether it takes sequences.</summary>
    [Id(10)]
    public WorkerState State { get; init; }

    /// <summary>Prompt tokens that wait for prefill: of running sequences, and of waiting ones those that the prefix
    /// cache did not have when they came.</summary>
    [Id(11)]
    public long QueuedTokens { get; init; }

    /// <summary>Sequences that it takes now.</summary>
    [Id(12)]
    public int Room { get; init; }

    /// <summary>Without room, it takes a sequence of a lower rank than this (<see cref="SubmitRequest.Rank"/>); 0: none.</summary>
    [Id(13)]
    public int DisplacedRank { get; init; }

    /// <summary>Whether what it has is held (<see cref="IGpuWorkerGrain.Pause"/>).</summary>
    [Id(14)]
    public bool Paused { get; init; }
}

/// <summary>The text files of a model folder.</summary>
[GenerateSerializer, Immutable, Alias("grid.text-files")]
public sealed record TextFiles
{
    [Id(0)]
    public required string Digest { get; init; }

    [Id(1)]
    public required TextFile[] Files { get; init; }
}

/// <summary>One text file.</summary>
[GenerateSerializer, Immutable, Alias("grid.text-file")]
public sealed record TextFile
{
    [Id(0)]
    public required string Name { get; init; }

    [Id(1)]
    public required byte[] Content { get; init; }
}
