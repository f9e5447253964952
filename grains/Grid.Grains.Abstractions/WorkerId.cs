using Grid.Grains.Placement;

namespace Grid.Grains;

/// <summary>A worker: one device of one run of one silo. A restarted silo has other workers.</summary>
/// <param name="Key">The grain key, "&lt;SiloAddress&gt;/&lt;device&gt;".</param>
[GenerateSerializer, Immutable, Alias("grid.worker-id")]
public readonly record struct WorkerId([property: Id(0)] string Key)
{
    /// <summary>The worker of a silo's device ("cpu", "cuda0", ...).</summary>
    public static WorkerId Of(SiloAddress silo, string device) => new(new SiloKey(silo, device).ToString());

    /// <summary>The silo the worker lives on.</summary>
    public SiloAddress Silo => SiloKey.Parse(Key).Silo;

    /// <inheritdoc/>
    public override string ToString() => Key;
}

/// <summary>A gateway: one run of one silo that takes requests.</summary>
/// <param name="Silo">Its silo's address in parsable form.</param>
[GenerateSerializer, Immutable, Alias("grid.gateway-id")]
public readonly record struct GatewayId([property: Id(0)] string Silo)
{
    /// <summary>The gateway on a silo.</summary>
    public static GatewayId Of(SiloAddress silo) => new(silo.ToParsableString());

    /// <summary>Its silo's address.</summary>
    public SiloAddress Address => SiloAddress.FromParsableString(Silo);

    /// <inheritdoc/>
    public override string ToString() => Silo;
}

/// <summary>One attempt at a sequence. A restart elsewhere raises the epoch; events of older epochs are dropped.</summary>
/// <param name="Sequence">The sequence.</param>
/// <param name="Epoch">The attempt, from 0.</param>
[GenerateSerializer, Immutable, Alias("grid.attempt-id")]
public readonly record struct AttemptId([property: Id(0)] Guid Sequence, [property: Id(1)] int Epoch)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Sequence:N}#{Epoch}";
}
