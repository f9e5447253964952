using Grid.Grains;
using Grid.Grains.Messages;
using Grid.Grains.Placement;
using Grid.Numerics;
using Grid.Sequences.Routing;

namespace Grid.Sequences;

/// <summary>Starts sequences as grains on this silo and hands their readers out.</summary>
internal sealed class SequenceService : ISequenceService
{
    private readonly WorkerDirectory _workers;
    private readonly AdmissionQueue _admission;
    private readonly SequenceTable _table;
    private readonly IGrainFactory _grains;
    private readonly SiloAddress _silo;
    private Served? _served;

    public SequenceService(WorkerDirectory workers, AdmissionQueue admission, SequenceTable table, IGrainFactory grains, ILocalSiloDetails silo)
    {
        _workers = workers;
        _admission = admission;
        _table = table;
        _grains = grains;
        _silo = silo.SiloAddress;
    }

    public IReadOnlyList<ServedModel> Models
    {
        get
        {
            // Not kept up to date by an event, which would come some time after the worker that it tells of.
            var representatives = _workers.Representatives;
            var served = Volatile.Read(ref _served);
            if (served is null || served.Representatives != representatives)
            {
                served = new Served(representatives, [.. representatives.Values
                    .OrderBy(worker => worker.Status.ModelId, StringComparer.Ordinal)
                    .Select(ToModel)]);
                Volatile.Write(ref _served, served);
            }

            return served.Models;
        }
    }

    public GridSnapshot Snapshot => new(
        [.. _workers.Expected.Select(worker => new WorkerSnapshot(
            worker.Status, worker.Load, worker.Condition, worker.Prefixes.Pages) { Quarantine = worker.Quarantine }),
            .. _workers.Failed.Select(status => new WorkerSnapshot(status, status.Load, WorkerCondition.Failed, PrefixPages: 0))],
        Models.ToDictionary(model => model.Id, model => _admission.Waiting(model.Id), StringComparer.Ordinal),
        _table.Count);

    public ServedModel? FindModel(string id, string numericsId) =>
        _workers.Expected.Where(worker => worker.Status.ModelId == id && worker.Status.NumericsId == numericsId)
            .MinBy(worker => worker.Status.Started) is { } worker ? ToModel(worker) : null;

    public bool KnowsAllModels => _workers.KnowsAll;

    public async Task<IRunningSequence> StartAsync(SequenceSpec spec, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(spec);
        cancellationToken.ThrowIfCancellationRequested();
        if (spec.PromptText is null == spec.PromptIds is null)
        {
            throw new RefusedException(SequenceSpec.OnePrompt);
        }

        using var place = await _admission.EnterAsync(spec.Model, spec.NumericsId, spec.Client, cancellationToken);
        while (true)
        {
            if (await TryStartAsync(spec, cancellationToken) is { } sequence)
            {
                return sequence;
            }

            await place.WaitAgainAsync(cancellationToken);
        }
    }

    /// <summary>Asks the workers once; null when all are full.</summary>
    private async Task<RunningSequence?> TryStartAsync(SequenceSpec spec, CancellationToken cancellationToken)
    {
        var sequence = _table.Create();
        try
        {
            var grain = _grains.GetGrain<ISequenceGrain>(new SiloKey(_silo, sequence.Id.ToString("N")).ToString());
            sequence.Grain = grain;
            if (await AskAsync(grain, spec) is { } refusal)
            {
                sequence.Grain = null; // Nothing runs that would have to be cancelled.
                await sequence.DisposeAsync();
                return refusal.Kind == RefusalKind.Overloaded ? null : throw new RefusedException(refusal);
            }

            cancellationToken.ThrowIfCancellationRequested();
            return sequence;
        }
        catch
        {
            // It may run all the same: a call that failed or took too long has begun it, maybe.
            sequence.Abandon();
            throw;
        }
    }

    /// <summary>The grain lives on this silo; when the call fails, the silo is leaving the cluster or was put out of it, and
    /// another gateway can take the request.</summary>
    private static async Task<Refusal?> AskAsync(ISequenceGrain grain, SequenceSpec spec)
    {
        try
        {
            return await grain.Start(spec);
        }
        catch (Exception exception) when (exception is OrleansException or TimeoutException or NamedSiloUnavailableException or ObjectDisposedException)
        {
            return Refusal.Unavailable("This gateway is no longer a part of its grid; ask another one, or again later.");
        }
    }

    public async Task<int> FlushCacheAsync(CancellationToken cancellationToken)
    {
        bool[] flushed = await Task.WhenAll(_workers.Live.Select(worker => worker.FlushCacheAsync(cancellationToken)));
        return flushed.Count(done => done);
    }

    private ServedModel ToModel(LiveWorker worker) => new(
        worker.Status.ModelId, worker.Status.NumericsId, _workers.ContextOf(worker.Status.NumericsId), worker.Text, worker.Status.Started)
    { Sampling = worker.Status.Sampling };

    /// <summary>The models of one state of the workers.</summary>
    private sealed record Served(IReadOnlyDictionary<string, LiveWorker> Representatives, ServedModel[] Models);
}
