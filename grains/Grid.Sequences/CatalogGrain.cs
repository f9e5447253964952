using Grid.Grains;
using Grid.Grains.Messages;
using Orleans.Concurrency;

namespace Grid.Sequences;

/// <summary>Answers on whichever silo the client's connection leads to.</summary>
[StatelessWorker, GrainType("grid-catalog")]
internal sealed class CatalogGrain(ISequenceService sequences, IClusterManifestProvider manifest) : Grain, ICatalogGrain
{
    private static readonly GrainType s_sequence = GrainType.Create(ISequenceGrain.GrainTypeName);

    /// <inheritdoc/>
    public async Task<ModelDescription[]> GetModels()
    {
        await sequences.OpenAsync(CancellationToken.None);
        return [.. sequences.Models.Select(model => new ModelDescription
        {
            Id = model.Id,
            NumericsId = model.NumericsId,
            MaxContextTokens = model.MaxContextTokens,
            HasTokenizer = model.Text is not null,
            Sampling = model.Sampling,
        })];
    }

    /// <inheritdoc/>
    public Task<SiloAddress[]> GetSilos() => Task.FromResult<SiloAddress[]>(
        [.. manifest.Current.Silos.Where(silo => silo.Value.Grains.ContainsKey(s_sequence)).Select(silo => silo.Key)]);
}
