using Grid.Grains.Messages;

namespace Grid.Grains;

/// <summary>What the grid serves and where: any silo that takes sequences answers, for clients outside. The key is free; another key is
/// another try at an answering silo.</summary>
[Alias("grid.ICatalogGrain")]
public interface ICatalogGrain : IGrainWithIntegerKey
{
    /// <summary>Models that at least one worker serves, by id.</summary>
    [Alias("models")]
    Task<ModelDescription[]> GetModels();

    /// <summary>Silos on which <see cref="ISequenceGrain"/>s can run.</summary>
    [Alias("silos")]
    Task<SiloAddress[]> GetSilos();
}
