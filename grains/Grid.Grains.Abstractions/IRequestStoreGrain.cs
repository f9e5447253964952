using Grid.Grains.Messages;

namespace Grid.Grains;

/// <summary>Requests kept in the memory of a cluster's primary silo, where it has no other store; the key is that silo and
/// "requests".</summary>
[Alias("grid.IRequestStoreGrain")]
public interface IRequestStoreGrain : IGrainWithStringKey
{
    /// <summary>What the grain is on its silo.</summary>
    const string Name = "requests";

    /// <summary>Keeps a request.</summary>
    [Alias("put")]
    Task Put(Guid id, byte[] request, string owner, TimeSpan life);

    /// <summary>A request; null when it is not kept.</summary>
    [Alias("find")]
    Task<byte[]?> Find(Guid id);

    /// <summary>Changes a request's owner; null when it is not kept.</summary>
    [Alias("claim")]
    Task<RequestClaim?> Claim(Guid id, string owner, TimeSpan life);

    /// <summary>Keeps requests for longer.</summary>
    [Alias("renew")]
    Task Renew(Guid[] ids, TimeSpan life);
}
