using System.Collections.Concurrent;
using Grid.Grains;
using Grid.Grains.Messages;
using Grid.Grains.Placement;
using Grid.Numerics;
using Grid.Sequences.Routing;

namespace Grid.Sequences;

/// <summary>Starts sequences as grains on this silo and hands their readers out.</summary>
internal sealed class SequenceService(
    WorkerDirectory workers, AdmissionQueue admission, WeightUpdates weights, IGrainFactory grains, ILocalSiloDetails silo) : ISequenceService
{
    private readonly ConcurrentDictionary<Guid, RunningSequence> _sequences = new();
    private (IReadOnlyDictionary<string, LiveWorker> Representatives, ServedModel[] Models)? _served;
    private readonly Lock _serving = new();

    public IReadOnlyList<ServedModel> Models
    {
        get
        {
            // Not kept up to date by an event, which would come some time after the worker that it tells of.
            var representatives = workers.Representatives;
            lock (_serving)
            {
                if (_served?.Representatives != representatives)
                {
                    _served = (representatives, [.. representatives.Values
                        .OrderBy(worker => worker.Status.ModelId, StringComparer.Ordinal).Select(ToModel)]);
                }

                return _served.Value.Models;
            }
        }
    }

    public Task OpenAsync(CancellationToken cancellationToken) => workers.OpenAsync(cancellationToken);

    public GridSnapshot Snapshot => new(
        [.. workers.Expected.Select(worker => new WorkerSnapshot(worker.Status, worker.Load, worker.State, worker.Prefixes.Pages)
            { Reason = worker.Quarantine }),
            .. workers.Failed.Select(status => new WorkerSnapshot(status, status.Load, WorkerState.Failed, PrefixPages: 0) { Reason = status.Reason })],
        Models.ToDictionary(model => model.Id, model => admission.Waiting(model.Id), StringComparer.Ordinal),
        _sequences.Values.Count(sequence => sequence.Begun.IsCompletedSuccessfully));

    public ServedModel? FindModel(string id, string numericsId) =>
        workers.Expected.Where(worker => worker.Status.ModelId == id && worker.Status.NumericsId == numericsId)
            .MinBy(worker => worker.Status.Started) is { } worker ? ToModel(worker) : null;

    public bool KnowsAllModels => workers.KnowsAll;

    public async Task<IRunningSequence> StartAsync(
        SequenceSpec spec, Action<IRunningSequence, SequenceUpdate> take, CancellationToken cancellationToken, string? name, IReservedPlaces? reserved)
    {
        ArgumentNullException.ThrowIfNull(spec);
        cancellationToken.ThrowIfCancellationRequested();
        var sequence = Open(Guid.NewGuid(), take);
        (sequence.Model, sequence.Name, sequence.Reserved) = (spec.Model, name, reserved);
        try
        {
            await StartAsync(sequence.Id, spec);
            await sequence.Begun.WaitAsync(cancellationToken);
            return sequence;
        }
        catch
        {
            // It may run all the same.
            await sequence.DisposeAsync();
            throw;
        }
    }

    /// <summary>What a sequence's grain writes to, until it is disposed.</summary>
    public RunningSequence Open(Guid id, Action<IRunningSequence, SequenceUpdate> take) =>
        _sequences[id] = new RunningSequence(id, take, sequence => _sequences.TryRemove(sequence.Id, out _));

    /// <summary>A sequence that is read on this silo.</summary>
    public RunningSequence? Find(Guid id) => _sequences.GetValueOrDefault(id);

    public IReservedPlaces Reserve(SequenceSpec spec, int sequences) => admission.Reserve(spec, sequences);

    public IClientCharge Charge(string client, int promptTokens, IReservedPlaces? reserved) => admission.Charge(client, promptTokens, reserved);

    public ClientAllowance AllowanceOf(string client) => admission.AllowanceOf(client);

    public async Task<int> FlushCacheAsync(CancellationToken cancellationToken)
    {
        bool[] flushed = await Task.WhenAll(workers.Live.Select(worker => worker.FlushCacheAsync(cancellationToken)));
        return flushed.Count(done => done);
    }

    public Task<WorkersReached> PauseAsync(string? model, PauseMode mode, CancellationToken cancellationToken)
    {
        var reached = AllAsync(model, worker => worker.PauseAsync(mode, cancellationToken));
        if (mode == PauseMode.Abort)
        {
            AbortHere(model);
        }

        return reached;
    }

    public Task<WorkersReached> ContinueAsync(string? model, CancellationToken cancellationToken) =>
        AllAsync(model, worker => worker.ContinueAsync(cancellationToken));

    public Task<WorkersReached> AbortAllAsync(string? model, CancellationToken cancellationToken)
    {
        AbortHere(model);
        return AllAsync(model, worker => worker.AbortAllAsync(cancellationToken));
    }

    public async Task<UpdatedWeights> UpdateWeightsAsync(string model, WeightsRequest request, CancellationToken cancellationToken)
    {
        workers.Enter(); // It may take longer than links are kept.
        try
        {
            return await weights.UpdateAsync(model, request, cancellationToken);
        }
        finally
        {
            workers.Leave();
        }
    }

    public async Task<ServedModel> WaitForWeightsAsync(ServedModel before, CancellationToken cancellationToken)
    {
        await weights.WaitAsync(before.Id, cancellationToken);
        return Models.FirstOrDefault(model => model.Id == before.Id)
            ?? throw new RefusedException(Refusal.Unavailable($"No worker of model '{before.Id}' is there."));
    }

    public void Abort(string name, bool isPrefix)
    {
        foreach (var sequence in _sequences.Values.Where(sequence => sequence.IsNamed(name, isPrefix)))
        {
            sequence.Abort();
        }
    }

    private void AbortHere(string? model)
    {
        foreach (var sequence in _sequences.Values.Where(sequence => model is null || sequence.Model == model))
        {
            sequence.Abort();
        }
    }

    private async Task<WorkersReached> AllAsync(string? model, Func<LiveWorker, Task<bool>> ask)
    {
        bool[] answers = await Task.WhenAll(workers.Live.Where(worker => model is null || worker.Status.ModelId == model).Select(ask));
        return new(answers.Length, answers.Count(done => done));
    }

    /// <summary>The grain lives on this silo; when the call fails, the silo is leaving the cluster or was put out of it, and
    /// another gateway can take the request.</summary>
    private async Task StartAsync(Guid id, SequenceSpec spec)
    {
        try
        {
            await grains.GetGrain<ISequenceGrain>(new SiloKey(silo.SiloAddress, id.ToString("N")).ToString()).Start(spec);
        }
        catch (Exception exception) when (exception is OrleansException or TimeoutException or NamedSiloUnavailableException or ObjectDisposedException)
        {
            throw new RefusedException(Refusal.Unavailable("This gateway is no longer a part of its grid; ask another one, or again later."));
        }
    }

    private ServedModel ToModel(LiveWorker worker) => new(
        worker.Status.ModelId, worker.Status.NumericsId, workers.ContextOf(worker.Status.NumericsId), worker.Text, worker.Status.Started)
    { Sampling = worker.Status.Sampling, TextDigest = worker.Status.TextDigest, WeightVersion = worker.Status.WeightVersion };
}
