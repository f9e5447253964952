using Grid.Grains;
using Grid.Grains.Placement;
using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.GrainDirectory;
using Orleans.Placement;

namespace Grid.Resumption;

/// <summary>The streams that this gateway sends.</summary>
public interface IStreamOwner
{
    /// <summary>Ends streams of a request that run under a lower epoch than this.</summary>
    void Supersede(Guid request, int epoch);
}

/// <summary>The gateways of the grid as owners of streams.</summary>
public interface IStreamOwners
{
    /// <summary>This gateway's name.</summary>
    string Self { get; }

    /// <summary>Tells another gateway that a request was claimed, if it still lives; does not wait for it.</summary>
    void Supersede(string owner, Guid request, int epoch);
}

/// <summary>Owners are silos; one that is gone has no streams.</summary>
internal sealed partial class StreamOwners(ILocalSiloDetails silo, IGrainFactory grains, ILogger<StreamOwners> logger) : IStreamOwners
{
    public string Self { get; } = silo.SiloAddress.ToParsableString();

    public void Supersede(string owner, Guid request, int epoch)
    {
        string key = $"{owner}/{IStreamOwnerGrain.Name}";
        if (SiloKey.TryParse(key, out _))
        {
            _ = TellAsync(grains.GetGrain<IStreamOwnerGrain>(key), owner, request, epoch);
        }
    }

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
internal sealed class StreamOwnerGrain(IEnumerable<IStreamOwner> owners) : Grain, IStreamOwnerGrain
{
    public Task Supersede(Guid request, int epoch)
    {
        foreach (var owner in owners)
        {
            owner.Supersede(request, epoch);
        }

        return Task.CompletedTask;
    }
}
