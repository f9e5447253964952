using System.Net;
using System.Net.Sockets;
using Grid.Grains;
using Grid.Options;
using Grid.Resumption;
using Microsoft.Extensions.DependencyInjection;

namespace Grid.Clustering.Stores;

/// <summary>No store: one silo, the primary, holds the membership in its memory.</summary>
/// <param name="primary">The silo to join; null when this one is the primary.</param>
/// <param name="secret">The cluster's; null for none.</param>
/// <param name="tls">The cluster's; null for none.</param>
internal sealed class LocalhostStore(IPEndPoint? primary, ClusterSecret? secret, ClusterTls? tls) : IMembershipStore
{
    private static readonly TimeSpan s_retry = TimeSpan.FromMilliseconds(250);

    public string Describe(IPEndPoint silo) =>
        primary is null ? "in this node's memory" : $"in the memory of the silo at {primary}";

    /// <summary>Waits until the primary listens: Orleans would try for ever, and say so in stack traces.</summary>
    public async Task<IPAddress> PrepareAsync(TextWriter output, CancellationToken cancellationToken)
    {
        if (primary is null)
        {
            return IPAddress.Loopback;
        }

        bool said = false;
        while (true)
        {
            if (await StoreNetwork.AddressTowardsAsync(primary.Address.ToString(), primary.Port, cancellationToken) is { } address)
            {
                await RequireAcceptedAsync(primary, cancellationToken);
                return address;
            }

            if (!said)
            {
                said = true;
                await output.WriteLineAsync($"Waiting for the silo at {primary} (--primary), where nothing listens yet; it is a silo started with --silo-port {primary.Port}.");
                await output.FlushAsync(cancellationToken);
            }

            await Task.Delay(s_retry, cancellationToken);
        }
    }

    private async Task RequireAcceptedAsync(IPEndPoint silo, CancellationToken cancellationToken)
    {
        using var probe = new TcpClient();
        try
        {
            await probe.ConnectAsync(silo, cancellationToken);
            var connection = tls is null ? probe.GetStream() : await tls.TryConnectAsync(probe.GetStream(), cancellationToken);
            if (connection is null || (tls is not null && secret is null && !await ClusterTls.StaysAsync(connection, cancellationToken)))
            {
                throw new StartException($"The silo at {silo} and this node do not take each other's certificate; give both one that the same --cluster-tls-ca has signed.");
            }

            if ((tls is not null && secret is null) || await ClusterSecret.IsAcceptedAsync(secret, connection, cancellationToken))
            {
                return;
            }
        }
        catch (SocketException)
        {
            return; // It has just ended; Orleans waits for it.
        }

        throw new StartException(secret is null
            ? $"The silo at {silo} lets only nodes in that know its cluster's secret; give this one the same --cluster-secret-file (or Grid__ClusterSecret in the environment)."
            : $"The silo at {silo} does not have this node's cluster secret; give both the same --cluster-secret-file (or Grid__ClusterSecret in the environment).");
    }

    public void Configure(ISiloBuilder silo, IPEndPoint self) => silo.UseDevelopmentClustering(primary ?? self);

    public IRequestStore CreateRequestStore(ClusterNodeOptions options, IPEndPoint self, IServiceProvider services) => new PrimaryRequestStore(
        options.SequenceRetention, primary ?? self, services.GetRequiredService<IGrainFactory>(), services.GetRequiredService<ISiloStatusOracle>());

    public IAnswerStore CreateAnswerStore(ClusterNodeOptions options, TimeSpan retention, long maxBytes) => throw new NotSupportedException();
}

/// <summary>What the stores ask of the network.</summary>
internal static class StoreNetwork
{
    /// <summary>How long a store may take to answer at start.</summary>
    public static TimeSpan Patience { get; } = TimeSpan.FromSeconds(5);

    /// <summary>This machine's address on the way to a host; null when nothing answers there.</summary>
    public static async Task<IPAddress?> AddressTowardsAsync(string host, int port, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Patience);
        using var probe = new TcpClient();
        try
        {
            await probe.ConnectAsync(host, port, patience.Token);
            var address = ((IPEndPoint)probe.Client.LocalEndPoint!).Address;
            return address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        }
        catch (Exception exception) when (exception is SocketException or OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return null;
        }
    }
}
