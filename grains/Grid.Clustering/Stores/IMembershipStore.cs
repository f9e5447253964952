using System.Net;
using Grid.Options;
using Grid.Resumption;

namespace Grid.Clustering.Stores;

/// <summary>Where a cluster's nodes write down that they are there.</summary>
internal interface IMembershipStore
{
    /// <summary>Where the membership is, for the start's output; no secrets.</summary>
    string Describe(IPEndPoint silo);

    /// <summary>Makes sure that the store can be used, and returns this machine's address towards it. Throws
    /// <see cref="StartException"/>.</summary>
    Task<IPAddress> PrepareAsync(TextWriter output, CancellationToken cancellationToken);

    /// <summary>Gives the store to Orleans.</summary>
    void Configure(ISiloBuilder silo, IPEndPoint self);

    /// <summary>Keeps requests in the same store.</summary>
    IRequestStore CreateRequestStore(ClusterNodeOptions options, IPEndPoint self, IServiceProvider services);

    /// <summary>Remembers answers in the same store. Throws <see cref="NotSupportedException"/> where there is none.</summary>
    IAnswerStore CreateAnswerStore(ClusterNodeOptions options, TimeSpan retention, long maxBytes);
}
