namespace Grid.Grains;

/// <summary>The streams of one gateway, for other gateways; the key is the gateway's silo and "streams".</summary>
[Alias("grid.IStreamOwnerGrain")]
public interface IStreamOwnerGrain : IGrainWithStringKey
{
    /// <summary>What the grain is on its silo.</summary>
    const string Name = "streams";

    /// <summary>A request was claimed under this epoch: streams of it under lower ones end.</summary>
    [Alias("supersede")]
    Task Supersede(Guid request, int epoch);
}
