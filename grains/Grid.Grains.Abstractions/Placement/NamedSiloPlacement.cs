using Orleans.Placement;
using Orleans.Runtime.Placement;

namespace Grid.Grains.Placement;

/// <summary>
/// Placed on the silo that the grain's key names (<see cref="SiloKey"/>). The key alone locates the grain, so the grain
/// directory is not used: a directory entry would live on some other silo, and that silo's death would take healthy
/// grains down with it.
/// </summary>
[Serializable, GenerateSerializer, Immutable, Alias("grid.named-silo-placement")]
public sealed class NamedSiloPlacement : PlacementStrategy
{
    /// <inheritdoc/>
    public override bool IsUsingGrainDirectory => false;
}

/// <summary>Marks a grain class as placed by <see cref="NamedSiloPlacement"/>.</summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = false)]
public sealed class NamedSiloPlacementAttribute() : PlacementAttribute(new NamedSiloPlacement());

/// <summary>Reads the silo from the key; throws <see cref="NamedSiloUnavailableException"/> when it is not alive.</summary>
public sealed class NamedSiloPlacementDirector : IPlacementDirector
{
    /// <inheritdoc/>
    public Task<SiloAddress> OnAddActivation(
        PlacementStrategy strategy, PlacementTarget target, IPlacementContext context)
    {
        string key = target.GrainIdentity.Key.ToString() ?? "";
        if (!SiloKey.TryParse(key, out var parsed))
        {
            throw new NamedSiloUnavailableException($"Grain {target.GrainIdentity.Type} has key '{key}', which names no silo; expected '<address>:<port>@<generation>/<name>'.");
        }

        if (Array.IndexOf(context.GetCompatibleSilos(target), parsed.Silo) < 0)
        {
            throw new NamedSiloUnavailableException($"Grain {target.GrainIdentity} lives on silo {parsed.Silo}, which is not alive or does not host this kind of grain.");
        }

        return Task.FromResult(parsed.Silo);
    }
}

/// <summary>The silo that a grain's key names is not alive, or does not host that grain class.</summary>
[GenerateSerializer, Alias("grid.named-silo-unavailable")]
public sealed class NamedSiloUnavailableException(string message) : Exception(message);
