using Grid.Grains.Messages;
using Grid.Numerics;

namespace Grid.Grains;

/// <summary>
/// One device that runs sequences: a facade over the engine which a hosted service of the worker's silo owns. The key is
/// <see cref="WorkerId.Key"/>.
/// </summary>
[Alias("grid.IGpuWorkerGrain")]
public interface IGpuWorkerGrain : IGrainWithStringKey
{
    /// <summary>What the worker serves, its limits and its load.</summary>
    [Alias("status")]
    Task<WorkerStatus> GetStatus();

    /// <summary>
    /// The text files of the model folder (tokenizer.json, tokenizer_config.json and, where present,
    /// chat_template.jinja) when the worker's <see cref="WorkerStatus.TextDigest"/> is this one; null otherwise.
    /// </summary>
    [Alias("text-files")]
    Task<TextFiles?> GetTextFiles(string digest);

    /// <summary>Asks for a sequence to run; null when the worker takes it. Its events go to the gateway's step stream, which must be
    /// open.</summary>
    [Alias("submit")]
    Task<Refusal?> Submit(SubmitRequest request);

    /// <summary>Ends a waiting or running attempt; one that is unknown (it may just have finished) is ignored.</summary>
    [Alias("cancel")]
    Task Cancel(AttemptId attempt);

    /// <summary>
    /// The first output ids of a sequence that runs here, or ran here until lately, at most so many; none where it is not
    /// known. An end token is not among them, so that a sequence can go on after any of them.
    /// </summary>
    /// <param name="name"><see cref="SubmitRequest.Name"/>.</param>
    /// <param name="count">Ids at most.</param>
    [Alias("find-output")]
    Task<int[]> FindOutput(Guid name, int count);

    /// <summary>Drops unleased prefix-cache pages before the next step.</summary>
    [Alias("flush")]
    Task FlushCache();

    /// <summary>Holds what runs and waits, and what comes, until <see cref="Continue"/>.</summary>
    [Alias("pause")]
    Task Pause(PauseMode mode);

    /// <summary>Has what is held go on, with the same bits.</summary>
    [Alias("continue")]
    Task Continue();

    /// <summary>Ends all that runs and waits where it stands (<see cref="StepFinish.Cancelled"/>).</summary>
    [Alias("abort-all")]
    Task AbortAll();

    /// <summary>Reads and checks other weights, beside what runs. Nothing changes before <see cref="ApplyWeights"/>.</summary>
    [Alias("prepare-weights"), ResponseTimeout("01:00:00")]
    Task<WeightsAnswer> PrepareWeights(WeightsRequest request);

    /// <summary>
    /// Puts prepared weights in the place of the old ones: what runs is ended or waited for, the prefix cache dropped, and the streams end,
    /// so that all gateways ask anew what the worker serves. Null when it is done; where it is refused, the old weights serve on.
    /// </summary>
    [Alias("apply-weights"), ResponseTimeout("01:00:00")]
    Task<Refusal?> ApplyWeights(Guid update);

    /// <summary>Lets go of prepared weights; unknown ones are ignored.</summary>
    [Alias("drop-weights")]
    Task DropWeights(Guid update);

    /// <summary>
    /// Puts the worker in quarantine, because it computed other bits than two others: until its silo is started anew it
    /// takes nothing, its streams end so that all gateways move what runs, and its load and status say so. The first
    /// reason stays.
    /// </summary>
    [Alias("quarantine")]
    Task Quarantine(string reason);

    /// <summary>
    /// The gateway's step stream: one batch for every engine step that touched a sequence of this gateway, and a batch
    /// without sequences now and then, which says that the worker is alive and how loaded it is. The first batch comes
    /// at once. A gateway has one stream per worker: opening another ends the former. When the stream ends, or is not
    /// read for the grace time, the sequences submitted under it are cancelled.
    /// </summary>
    [Alias("steps")]
    IAsyncEnumerable<StepBatch> Subscribe(GatewayId gateway, CancellationToken cancellationToken);
}

/// <summary>One per silo with devices: lists its workers. The key is <see cref="Placement.SiloKey"/> with "node".</summary>
[Alias("grid.IWorkerNodeGrain")]
public interface IWorkerNodeGrain : IGrainWithStringKey
{
    /// <summary>The grain type's name in the cluster's manifest; silos without it have no workers.</summary>
    const string GrainTypeName = "grid-worker-node";

    /// <summary>The key's part after the silo.</summary>
    const string KeyName = "node";

    /// <summary>The workers of this silo.</summary>
    [Alias("workers")]
    Task<WorkerId[]> GetWorkers();
}
