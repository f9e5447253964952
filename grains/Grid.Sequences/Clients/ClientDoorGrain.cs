using Grid.Grains;
using Grid.Grains.Messages;
using Orleans.Concurrency;

namespace Grid.Sequences.Clients;

/// <summary>Answers on whichever silo the client's connection leads to.</summary>
[StatelessWorker, GrainType("grid-client-door")]
internal sealed class ClientDoorGrain(ISequenceService sequences, IClusterManifestProvider manifest) : Grain, IClientDoorGrain
{
    private static readonly GrainType s_session = GrainType.Create(IClientSessionGrain.GrainTypeName);

    /// <inheritdoc/>
    public Task<ModelDescription[]> GetModels() => Task.FromResult<ModelDescription[]>([.. sequences.Models.Select(model => new ModelDescription
    {
        Id = model.Id,
        NumericsId = model.NumericsId,
        MaxContextTokens = model.MaxContextTokens,
        HasTokenizer = model.Text is not null,
        Sampling = model.Sampling,
    })]);

    /// <inheritdoc/>
    public Task<SiloAddress[]> GetSilos() => Task.FromResult<SiloAddress[]>(
        [.. manifest.Current.Silos.Where(silo => silo.Value.Grains.ContainsKey(s_session)).Select(silo => silo.Key)]);
}
