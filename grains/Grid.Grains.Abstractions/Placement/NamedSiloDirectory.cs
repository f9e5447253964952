using Orleans.GrainDirectory;

namespace Grid.Grains.Placement;

/// <summary>
/// The grain directory of grains placed by <see cref="NamedSiloPlacement"/>: it knows nothing, for the key alone says
/// where such a grain is. Without it Orleans would still ask the cluster's directory before each placement, although
/// nothing is ever registered there: a hop to some other silo for every sequence, and, while that silo has died and
/// membership has not noticed yet, a failed request on a healthy node.
/// </summary>
public sealed class NamedSiloDirectory : IGrainDirectory
{
    /// <summary>The name by which grain classes choose it.</summary>
    public const string Name = "grid-named-silo";

    /// <inheritdoc/>
    public Task<GrainAddress?> Lookup(GrainId grainId) => Task.FromResult<GrainAddress?>(null);

    /// <inheritdoc/>
    public Task<GrainAddress?> Register(GrainAddress address) => Task.FromResult<GrainAddress?>(address);

    /// <inheritdoc/>
    public Task<GrainAddress?> Register(GrainAddress address, GrainAddress? previousAddress) =>
        Task.FromResult<GrainAddress?>(address);

    /// <inheritdoc/>
    public Task Unregister(GrainAddress address) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task UnregisterSilos(List<SiloAddress> siloAddresses) => Task.CompletedTask;
}
