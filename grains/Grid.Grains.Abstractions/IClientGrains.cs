using Grid.Grains.Messages;

namespace Grid.Grains;

/// <summary>
/// Where a grid client begins: any silo that takes requests answers. The key is free; another key is another try at an
/// answering silo.
/// </summary>
[Alias("grid.IClientDoorGrain")]
public interface IClientDoorGrain : IGrainWithIntegerKey
{
    /// <summary>Models that at least one worker serves, by id.</summary>
    [Alias("models")]
    Task<ModelDescription[]> GetModels();

    /// <summary>Silos on which <see cref="IClientSessionGrain"/>s can run.</summary>
    [Alias("silos")]
    Task<SiloAddress[]> GetSilos();
}

/// <summary>
/// One sequence of a grid client, run by the silo that the key (<see cref="Placement.SiloKey"/>) names. When that silo is
/// lost, the client asks another for the same sequence: the bits are the same, so it goes on where it was.
/// </summary>
[Alias("grid.IClientSessionGrain")]
public interface IClientSessionGrain : IGrainWithStringKey
{
    /// <summary>The grain type's name in the cluster's manifest; silos without it take no sequences.</summary>
    const string GrainTypeName = "grid-client-session";

    /// <summary>
    /// Runs the sequence from its beginning to its end. At least two updates come each second, empty ones where there is
    /// no news: a client that hears nothing knows that the silo is lost. The first with content holds the prompt's ids;
    /// the last one has a finish reason or a refusal. Leaving the stream cancels the sequence. Where sequences have to wait,
    /// users take turns.
    /// </summary>
    [Alias("run")]
    IAsyncEnumerable<ClientUpdate> Run(SequenceSpec spec, CancellationToken cancellationToken);
}
