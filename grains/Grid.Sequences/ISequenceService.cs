using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Text;

namespace Grid.Sequences;

/// <summary>The gateway's door to the grid.</summary>
public interface ISequenceService
{
    /// <summary>To be called before anything is asked: a node that nobody has asked for long knows its own workers only, and first asks
    /// the others, for half a second at most. Throws only where it is cancelled.</summary>
    Task OpenAsync(CancellationToken cancellationToken);

    /// <summary>Models that at least one live worker serves, by id; empty while none does.</summary>
    IReadOnlyList<ServedModel> Models { get; }

    /// <summary>The workers and what waits for them, as this gateway knows them now.</summary>
    GridSnapshot Snapshot { get; }

    /// <summary>A model with the bits that are named, though <see cref="Models"/> may show others under its name; null
    /// when no live worker has them.</summary>
    ServedModel? FindModel(string id, string numericsId);

    /// <summary>Whether every node of the grid has been asked what it serves. Until then, or a short while after the gateway's
    /// start, a model that is not among <see cref="Models"/> may be served all the same.</summary>
    bool KnowsAllModels { get; }

    /// <summary>
    /// Starts a sequence; while all workers that fit are full, it waits for its turn. Throws
    /// <see cref="RefusedException"/> for a request that cannot run, or that the grid refuses for load: too many wait already,
    /// or it waited too long.
    /// </summary>
    /// <param name="spec">The sequence.</param>
    /// <param name="take">Told each update as it comes, in order, to the last. It is a part of the sequence's own turns: it returns at
    /// once and does not throw. Its sequence is the one returned, with its prompt, from the first update without a refusal on.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="name">The client's name for it, by which it can be aborted.</param>
    /// <param name="reserved">The places of its request, one of which it takes while there is one.</param>
    Task<IRunningSequence> StartAsync(
        SequenceSpec spec, Action<IRunningSequence, SequenceUpdate> take, CancellationToken cancellationToken, string? name = null, IReservedPlaces? reserved = null);

    /// <summary>
    /// Keeps a place for each sequence of a request before the first begins, so that it is taken as a whole or not at all. Throws
    /// <see cref="RefusedException"/> when not all of them may wait, or their client may not have as many.
    /// </summary>
    /// <param name="spec">One of them.</param>
    /// <param name="sequences">How many they are.</param>
    IReservedPlaces Reserve(SequenceSpec spec, int sequences);

    /// <summary>Counts a sequence that a client reads though none runs for it: somebody else's, or one of an earlier time. Throws
    /// <see cref="RefusedException"/> when the client has as much as it may have.</summary>
    /// <param name="client">As a sequence would name it.</param>
    /// <param name="promptTokens">Its prompt's length.</param>
    /// <param name="reserved">The places of its request, one of which it takes while there is one.</param>
    IClientCharge Charge(string client, int promptTokens, IReservedPlaces? reserved);

    /// <summary>What a client may have of this gateway now.</summary>
    ClientAllowance AllowanceOf(string client);

    /// <summary>Drops unleased prefix-cache pages on every worker; returns how many workers did.</summary>
    Task<int> FlushCacheAsync(CancellationToken cancellationToken);

    /// <summary>Holds what a model's workers have, or all workers', until <see cref="ContinueAsync"/>. With <see cref="PauseMode.Abort"/>
    /// what waits at this gateway ends, too.</summary>
    Task<WorkersReached> PauseAsync(string? model, PauseMode mode, CancellationToken cancellationToken);

    /// <summary>Has what a model's workers hold, or all workers, go on.</summary>
    Task<WorkersReached> ContinueAsync(string? model, CancellationToken cancellationToken);

    /// <summary>Ends what a model's workers have, or all workers', and what waits at this gateway, where it stands: "abort".</summary>
    Task<WorkersReached> AbortAllAsync(string? model, CancellationToken cancellationToken);

    /// <summary>
    /// Puts other weights on all workers of a model. All read and check them first; only when all can take them, and to the same
    /// NumericsId, each puts them in place. Throws <see cref="RefusedException"/>: the old ones serve on then, unless it says that some
    /// workers have the new ones.
    /// </summary>
    Task<UpdatedWeights> UpdateWeightsAsync(string model, WeightsRequest request, CancellationToken cancellationToken);

    /// <summary>A model as it is served now, after a sequence was refused because its weights change: waits until a worker has them.
    /// Throws <see cref="RefusedException"/> when that takes too long.</summary>
    Task<ServedModel> WaitForWeightsAsync(ServedModel before, CancellationToken cancellationToken);

    /// <summary>Ends the sequences of this gateway whose name, or id, this is where they stand: "abort". A name stands for those
    /// numbered after it, too (name_0), and as a prefix for all that begin with it.</summary>
    void Abort(string name, bool isPrefix);
}

/// <summary>Weights that all workers of a model have now.</summary>
/// <param name="NumericsId">The model's with them.</param>
/// <param name="Version">What they are called.</param>
/// <param name="Workers">Workers.</param>
public sealed record UpdatedWeights(string NumericsId, string Version, int Workers);

/// <summary>How many workers were asked, and how many did as asked.</summary>
public readonly record struct WorkersReached(int Asked, int Answered);

/// <summary>A sequence under way. Disposing it before its end cancels it.</summary>
public interface IRunningSequence : IAsyncDisposable
{
    Guid Id { get; }

    /// <summary>The prompt as ids, known from the start.</summary>
    IReadOnlyList<int> PromptIds { get; }

    /// <summary>Output tokens at most, known from the start: as asked for, or what the context allowed then. A sequence that is
    /// run again with this number ends at the same token, whatever workers there are by then.</summary>
    int MaxNewTokens { get; }

    /// <summary>Prompt tokens found in the prefix cache; final once the first update has come.</summary>
    int CachedTokens { get; }
}

/// <summary>Places kept for the sequences of a request. Disposing it gives back those that none has taken.</summary>
public interface IReservedPlaces : IDisposable;

/// <summary>A sequence that counts as one of its client's, until it is disposed.</summary>
public interface IClientCharge : IDisposable
{
    /// <summary>The client got so many more of its output tokens.</summary>
    void Count(int tokens);
}

/// <summary>A model as clients see it.</summary>
/// <param name="Id">The name clients use.</param>
/// <param name="NumericsId">Contract version and model digest: equal ids give equal bits.</param>
/// <param name="MaxContextTokens">Prompt and output together: what the largest of its workers takes.</param>
/// <param name="Text">Tokenizer and chat template; null when the model is served by token ids alone.</param>
/// <param name="Created">When the first worker serving it came up.</param>
public sealed record ServedModel(string Id, string NumericsId, int MaxContextTokens, TextModel? Text, DateTimeOffset Created)
{
    /// <summary>How requests are sampled that do not say: the values of the worker that came up first.</summary>
    public SamplingParameters Sampling { get; init; } = new();

    /// <summary>Names its tokenizer and chat template by what is in their files.</summary>
    public string TextDigest { get; init; } = "";

    /// <summary>What its weights are called.</summary>
    public string WeightVersion { get; init; } = WeightsRequest.DefaultVersion;
}

/// <summary>The grid as one gateway sees it.</summary>
/// <param name="Workers">Live ones and those expected back, by key.</param>
/// <param name="Waiting">Sequences waiting at this gateway because all workers of their model are full, by model id.</param>
/// <param name="Running">Sequences that this gateway reads.</param>
public sealed record GridSnapshot(IReadOnlyList<WorkerSnapshot> Workers, IReadOnlyDictionary<string, int> Waiting, int Running);

/// <summary>A worker as one gateway sees it.</summary>
/// <param name="Status">What it serves and its limits.</param>
/// <param name="Load">Its last report.</param>
/// <param name="State">Whether it takes sequences.</param>
/// <param name="PrefixPages">Pages of its prefix cache that this gateway knows.</param>
public sealed record WorkerSnapshot(WorkerStatus Status, WorkerLoad Load, WorkerState State, int PrefixPages)
{
    /// <summary>Why it is in quarantine, or has failed; null otherwise.</summary>
    public string? Reason { get; init; }
}
