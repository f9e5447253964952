using System.Runtime.CompilerServices;
using Grid.Grains;
using Grid.Grains.Messages;
using Grid.Grains.Placement;
using Grid.Numerics;
using Orleans.Concurrency;
using Orleans.GrainDirectory;
using Orleans.Placement;

namespace Grid.Workers;

/// <summary>A device's face in the grid; holds nothing, every call goes to the <see cref="DeviceWorker"/>.</summary>
[NamedSiloPlacement, GrainDirectory(NamedSiloDirectory.Name), Immovable, KeepAlive, Reentrant, GrainType("grid-worker")]
public sealed class GpuWorkerGrain(WorkerHost host) : Grain, IGpuWorkerGrain
{
    private DeviceWorker? _worker;

    private DeviceWorker Worker => _worker ?? throw new InvalidOperationException("The worker is not active.");

    /// <inheritdoc/>
    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _worker = host.Find(SiloKey.Parse(this.GetPrimaryKeyString()).Rest);
        return base.OnActivateAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public Task<WorkerStatus> GetStatus()
    {
        var model = Worker.Model;
        return Task.FromResult(new WorkerStatus
        {
            Worker = new WorkerId(this.GetPrimaryKeyString()),
            ModelId = model.ModelId,
            NumericsId = model.NumericsId,
            TextDigest = model.Text.Digest,
            Device = model.Description,
            Started = Worker.Started,
            Limits = model.Limits,
            Load = Worker.Load,
            Sampling = model.Sampling,
            Reason = Worker.Failure?.Message ?? Worker.Quarantine,
            PageTokens = AttentionLayout.BlockTokens,
            WeightVersion = model.WeightVersion,
            WeightsSince = model.WeightsSince,
        });
    }

    /// <inheritdoc/>
    public Task<TextFiles?> GetTextFiles(string digest) =>
        Task.FromResult(digest == Worker.Model.Text.Digest ? Worker.Model.Text : null);

    /// <inheritdoc/>
    public Task<Refusal?> Submit(SubmitRequest request) => Task.FromResult(Worker.Submit(request));

    /// <inheritdoc/>
    public Task Cancel(AttemptId attempt)
    {
        Worker.Cancel(attempt);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task<int[]> FindOutput(Guid name, int count) => Task.FromResult(Worker.FindOutput(name, count));

    /// <inheritdoc/>
    public Task FlushCache()
    {
        Worker.FlushCache();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task Pause(PauseMode mode)
    {
        Worker.Pause(mode);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task Continue()
    {
        Worker.Continue();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task AbortAll()
    {
        Worker.AbortAll();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task<WeightsAnswer> PrepareWeights(WeightsRequest request) => Worker.PrepareWeightsAsync(request);

    /// <inheritdoc/>
    public Task<Refusal?> ApplyWeights(Guid update) => Worker.ApplyWeightsAsync(update);

    /// <inheritdoc/>
    public Task DropWeights(Guid update)
    {
        Worker.DropWeights(update);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task Quarantine(string reason)
    {
        Worker.EnterQuarantine(reason);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<StepBatch> Subscribe(
        GatewayId gateway, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var subscription = Worker.Subscribe(gateway);
        await foreach (var batch in subscription.ReadAllAsync(cancellationToken))
        {
            yield return batch;
        }
    }
}

/// <summary>Lists a silo's workers.</summary>
[NamedSiloPlacement, GrainDirectory(NamedSiloDirectory.Name), Immovable, KeepAlive, Reentrant, GrainType(IWorkerNodeGrain.GrainTypeName)]
public sealed class WorkerNodeGrain(WorkerHost host, ILocalSiloDetails silo) : Grain, IWorkerNodeGrain
{
    /// <inheritdoc/>
    public Task<WorkerId[]> GetWorkers() =>
        Task.FromResult(host.Workers.Select(worker => WorkerId.Of(silo.SiloAddress, worker.Model.Device)).ToArray());
}
