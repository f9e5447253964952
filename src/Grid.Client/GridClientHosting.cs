using System.Net;
using System.Security.Cryptography.X509Certificates;
using Grid.Grains;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;
using StackExchange.Redis;

namespace Grid.Client;

/// <summary>Adds a grid client to a host: <c>builder.UseOrleansClient(client => client.UseGridOverRedis("redis-1:6379"))</c>, then
/// <see cref="GridClient"/> is a service.</summary>
public static class GridClientHosting
{
    /// <summary>The cluster id and service id of nodes that were given none.</summary>
    public const string DefaultId = "grid";

    /// <summary>A grid without a store: the client ports (<c>--gateway-port</c>) of its silos.</summary>
    public static IClientBuilder UseGridAt(this IClientBuilder client, params IPEndPoint[] gateways) =>
        client.UseStaticClustering(gateways).AddGridClient(DefaultId, DefaultId);

    /// <summary>A grid whose nodes find each other in Redis.</summary>
    /// <param name="client">The client.</param>
    /// <param name="connection">As the nodes' <c>--cluster-connection</c>.</param>
    /// <param name="clusterId">As their <c>--cluster-id</c>.</param>
    /// <param name="serviceId">As their <c>--service-id</c>.</param>
    public static IClientBuilder UseGridOverRedis(
        this IClientBuilder client, string connection, string clusterId = DefaultId, string serviceId = DefaultId) =>
        client.UseRedisClustering(redis =>
        {
            redis.ConfigurationOptions = ConfigurationOptions.Parse(connection);
            redis.ConfigurationOptions.AbortOnConnectFail = false;
        }).AddGridClient(clusterId, serviceId);

    /// <summary>A grid whose nodes find each other in PostgreSQL.</summary>
    /// <param name="client">The client.</param>
    /// <param name="connection">As the nodes' <c>--cluster-connection</c>.</param>
    /// <param name="clusterId">As their <c>--cluster-id</c>.</param>
    /// <param name="serviceId">As their <c>--service-id</c>.</param>
    public static IClientBuilder UseGridOverPostgres(
        this IClientBuilder client, string connection, string clusterId = DefaultId, string serviceId = DefaultId) =>
        client.UseAdoNetClustering(adoNet =>
        {
            adoNet.Invariant = "Npgsql";
            adoNet.ConnectionString = connection;
        }).AddGridClient(clusterId, serviceId);

    /// <summary>Proves the cluster's secret to its silos, and has them prove it.</summary>
    /// <param name="client">The client.</param>
    /// <param name="secret">As the nodes' <c>--cluster-secret</c>.</param>
    public static IClientBuilder UseClusterSecret(this IClientBuilder client, string secret)
    {
        var proof = new ClusterSecret(secret);
        client.Configure<ClientConnectionOptions>(connections => connections.ConfigureConnection(proof.Prove));
        return client;
    }

    /// <summary>Encrypts its connections to silos that have certificates (<c>--cluster-tls-cert</c>), and shows them one.</summary>
    /// <param name="client">The client.</param>
    /// <param name="certificate">The client's, with its private key, signed by the cluster's authority.</param>
    /// <param name="authorities">As the nodes' <c>--cluster-tls-ca</c>.</param>
    public static IClientBuilder UseClusterTls(this IClientBuilder client, X509Certificate2 certificate, X509Certificate2Collection authorities) =>
        client.UseTls(new ClusterTls(() => certificate, () => authorities).Configure);

    /// <summary>Adds <see cref="GridClient"/> to a client whose clustering is configured otherwise.</summary>
    public static IClientBuilder AddGridClient(this IClientBuilder client, string clusterId, string serviceId)
    {
        client.Configure<ClusterOptions>(cluster =>
        {
            cluster.ClusterId = clusterId;
            cluster.ServiceId = serviceId;
        });

        // A gateway that died is found out by the client's own patience; the list is read often, so that a new one is used soon.
        client.Configure<GatewayOptions>(gateways => gateways.GatewayListRefreshPeriod = TimeSpan.FromSeconds(5));
        client.Services.AddOptions<GridClientOptions>();
        client.Services.TryAddSingleton(TimeProvider.System);
        client.Services.TryAddSingleton<GridClient>();
        return client;
    }
}
