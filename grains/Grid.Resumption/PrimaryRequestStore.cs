using System.Net;
using Grid.Grains;
using Grid.Grains.Messages;
using Grid.Grains.Placement;
using Orleans.Concurrency;
using Orleans.GrainDirectory;
using Orleans.Placement;

namespace Grid.Resumption;

/// <summary>Without a store, requests are where the membership is: in the memory of the primary silo.</summary>
/// <param name="retention">How long a request is kept after its stream ended.</param>
/// <param name="primary">The primary.</param>
/// <param name="grains">Finds its grain.</param>
/// <param name="silos">Says which run of the primary is alive.</param>
internal sealed class PrimaryRequestStore(TimeSpan retention, IPEndPoint primary, IGrainFactory grains, ISiloStatusOracle silos) : IRequestStore
{
    public TimeSpan Retention => retention;

    private IRequestStoreGrain Grain
    {
        get
        {
            foreach (var silo in silos.GetApproximateSiloStatuses(onlyActive: true).Keys)
            {
                if (silo.Endpoint.Equals(primary))
                {
                    return grains.GetGrain<IRequestStoreGrain>(new SiloKey(silo, IRequestStoreGrain.Name).ToString());
                }
            }

            throw new InvalidOperationException($"The silo at {primary}, which keeps this cluster's requests, is not there.");
        }
    }

    public Task PutAsync(Guid id, ReadOnlyMemory<byte> request, string owner, TimeSpan life, CancellationToken cancellationToken) =>
        Grain.Put(id, request.ToArray(), owner, life).WaitObservedAsync(cancellationToken);

    public Task<byte[]?> FindAsync(Guid id, CancellationToken cancellationToken) => Grain.Find(id).WaitObservedAsync(cancellationToken);

    public Task<RequestClaim?> ClaimAsync(Guid id, string owner, TimeSpan life, CancellationToken cancellationToken) =>
        Grain.Claim(id, owner, life).WaitObservedAsync(cancellationToken);

    public Task RenewAsync(IReadOnlyCollection<Guid> ids, TimeSpan life, CancellationToken cancellationToken) =>
        Grain.Renew([.. ids], life).WaitObservedAsync(cancellationToken);
}

/// <summary>Requests in this silo's memory.</summary>
[NamedSiloPlacement, GrainDirectory(NamedSiloDirectory.Name), Immovable, Reentrant, GrainType("grid-request-store")]
internal sealed class RequestStoreGrain(MemoryRequestStore store) : Grain, IRequestStoreGrain
{
    public Task Put(Guid id, byte[] request, string owner, TimeSpan life) => store.PutAsync(id, request, owner, life, CancellationToken.None);

    public Task<byte[]?> Find(Guid id) => store.FindAsync(id, CancellationToken.None);

    public Task<RequestClaim?> Claim(Guid id, string owner, TimeSpan life) => store.ClaimAsync(id, owner, life, CancellationToken.None);

    public Task Renew(Guid[] ids, TimeSpan life) => store.RenewAsync(ids, life, CancellationToken.None);
}
