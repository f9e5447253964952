using Grid.Grains;
using Grid.Grains.Placement;
using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.GrainDirectory;
using Orleans.Placement;

namespace Grid.Resumption;

/// <summary>The gateways of the grid as owners of streams. Owners are silos; one that is gone has no streams.</summary>
public sealed partial class StreamOwners(ILocalSiloDetails silo, IGrainFactory grains, ILogger<StreamOwners> logger)
{
    /// <summary>Raised when a request was claimed elsewhere: streams of it that run here under a lower epoch end.</summary>
    public event Action<Guid, int>? Superseded;

    /// <summary>This gateway's name.</summary>
    public string Self { get; } = silo.SiloAddress.ToParsableString();

    /// <summary>Tells another gateway that a request was claimed, if it still lives; does not wait for it.</summary>
    public void Supersede(string owner, Guid request, int epoch)
    {
        string key = $"{owner}/{IStreamOwnerGrain.Name}";
        if (SiloKey.TryParse(key, out _))
        {
            _ = TellAsync(grains.GetGrain<IStreamOwnerGrain>(key), owner, request, epoch);
        }
    }

    internal void Hear(Guid request, int epoch) => Superseded?.Invoke(request, epoch);

    private async Task TellAsync(IStreamOwnerGrain grain, string owner, Guid request, int epoch)
    {
        try
        {
            await grain.Supersede(request, epoch);
        }
        catch (Exception exception)
        {
            // As a rule it is gone, which is why the client came here; otherwise both streams say the same.
            LogNotTold(exception, owner, request);
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Gateway {Owner} was not told that the stream of request {Request} goes on here")]
    private partial void LogNotTold(Exception exception, string owner, Guid request);
}

/// <summary>Takes what other gateways say about this one's streams.</summary>
[NamedSiloPlacement, GrainDirectory(NamedSiloDirectory.Name), Immovable, Reentrant, GrainType("grid-stream-owner")]
internal sealed class StreamOwnerGrain(StreamOwners owners) : Grain, IStreamOwnerGrain
{
    public Task Supersede(Guid request, int epoch)
    {
        owners.Hear(request, epoch);
        return Task.CompletedTask;
    }
}
