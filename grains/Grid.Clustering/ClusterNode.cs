using System.Net;
using System.Net.Sockets;
using Grid.Clustering.Stores;
using Grid.Grains;
using Grid.Options;
using Grid.Resumption;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Npgsql;
using Orleans.Configuration;
using StackExchange.Redis;

namespace Grid.Clustering;

/// <summary>
/// A node's place in its cluster, checked before anything is started: the store answers and has its tables, the
/// addresses are this machine's, the ports are free. Then <see cref="Configure"/> gives it to Orleans.
/// </summary>
public sealed class ClusterNode
{
    /// <summary>Grains whose places are remembered: the workers of a large cluster, and the sequences that run here.</summary>
    private const int RememberedGrains = 8192;

    private readonly ClusterNodeOptions _options;
    private readonly IMembershipStore _store;
    private readonly string _program;
    private readonly ClusterSecret? _secret;
    private readonly NodeCertificate? _certificate;

    private ClusterNode(
        ClusterNodeOptions options, string program, ClusterSecret? secret, NodeCertificate? certificate, IMembershipStore store, IPEndPoint silo, IPAddress listen, int clientPort)
    {
        _options = options;
        _program = program;
        _secret = secret;
        _certificate = certificate;
        _store = store;
        Silo = silo;
        Listen = listen;
        ClientPort = clientPort;
        Name = options.NodeName ?? $"{Environment.MachineName}-{silo.Port}";
    }

    /// <summary>The node's name.</summary>
    public string Name { get; }

    /// <summary>Where other nodes reach this one.</summary>
    public IPEndPoint Silo { get; }

    /// <summary>The address that connections of other nodes are taken at.</summary>
    public IPAddress Listen { get; }

    /// <summary>Port for grid clients; 0 for none.</summary>
    public int ClientPort { get; }

    /// <summary>The place in words.</summary>
    public string Description => $"{_options.ClusterId} {_store.Describe(Silo)}; this node is {Name} at {Silo}";

    /// <summary>Checks store, addresses and ports. Throws <see cref="StartException"/>.</summary>
    /// <param name="options">The options.</param>
    /// <param name="program">What its sentences begin with.</param>
    /// <param name="clientPort">Port for grid clients, 0 for a free one; null for none.</param>
    /// <param name="output">Gets a line when something has to be waited for.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static async Task<ClusterNode> PrepareAsync(
        ClusterNodeOptions options, string program, int? clientPort, TextWriter output, CancellationToken cancellationToken)
    {
        CheckCombination(options);
        var secret = ReadSecret(options);
        var certificate = NodeCertificate.Read(options);
        IMembershipStore store = options.Store switch
        {
            ClusterStoreKind.Redis => new RedisStore(options.Connection!),
            ClusterStoreKind.Postgres => new PostgresStore(options.Connection!, options.ApplySchema, options.KeepsAnswers),
            _ => new LocalhostStore(options.Primary, secret, certificate?.Tls),
        };
        var towardsStore = await store.PrepareAsync(output, cancellationToken);
        var advertised = options.AdvertisedAddress ?? towardsStore;
        var listen = options.ListenAddress ?? advertised;
        if (secret is null && certificate is null && !IPAddress.IsLoopback(listen))
        {
            throw new StartException($"Other nodes' connections are taken at {listen}, where anybody who reaches it could read and end what runs here: give all nodes the same --cluster-secret-file (or Grid__ClusterSecret in the environment) or certificates (--cluster-tls-cert), or --listen-address 127.0.0.1.", StartException.Usage);
        }

        int siloPort = NodePorts.Choose("--silo-port", options.SiloPort, listen);
        return new ClusterNode(
            options, program, secret, certificate, store, new IPEndPoint(advertised, siloPort), listen,
            clientPort is { } asked ? NodePorts.Choose("--gateway-port", asked, listen) : 0);
    }

    /// <summary>Sets the silo up: ids, name, endpoints, membership and its timing.</summary>
    public void Configure(ISiloBuilder silo)
    {
        silo.Configure<ClusterOptions>(cluster =>
        {
            cluster.ClusterId = _options.ClusterId;
            cluster.ServiceId = _options.ServiceId;
        });
        silo.Configure<SiloOptions>(node => node.SiloName = Name);
        silo.Configure<EndpointOptions>(endpoints =>
        {
            endpoints.AdvertisedIPAddress = Silo.Address;
            endpoints.SiloPort = Silo.Port;
            endpoints.GatewayPort = ClientPort;
            endpoints.SiloListeningEndpoint = new IPEndPoint(Listen, Silo.Port);
            endpoints.GatewayListeningEndpoint = ClientPort == 0 ? null : new IPEndPoint(Listen, ClientPort);
        });

        silo.Services.AddSingleton<IFatalErrorHandler>(new DeadNodeHandler(_program));
        silo.Services.AddHostedService<UnobservedFailures>();
        // Before the secret's proof, which then is told to nobody on the way.
        _certificate?.Configure(silo);
        if (_secret is { } secret)
        {
            silo.Services.AddSingleton<Strangers>();
            silo.Services.AddOptions<SiloConnectionOptions>().Configure<Strangers>((connections, strangers) =>
            {
                connections.ConfigureSiloInboundConnection(connection => secret.Demand(connection, strangers.Refused));
                connections.ConfigureGatewayInboundConnection(connection => secret.Demand(connection, strangers.Refused));
                connections.ConfigureSiloOutboundConnection(secret.Prove);
            });
        }

        // Moderate on purpose: a worker's silence is noticed by its gateways (WorkerLink), long before membership agrees,
        // and a busy node that is declared dead has to start anew.
        silo.Configure<ClusterMembershipOptions>(membership =>
        {
            membership.ProbeTimeout = TimeSpan.FromSeconds(2);
            membership.MinProbeTimeout = TimeSpan.FromSeconds(1);
            membership.MaxProbeTimeout = TimeSpan.FromSeconds(4);
            membership.NumMissedProbesLimit = 3;

            // After a whole cluster died at once, newcomers wait for its entries to look stale before they join.
            membership.IAmAliveTablePublishTimeout = TimeSpan.FromSeconds(5);
            membership.TableRefreshTimeout = TimeSpan.FromSeconds(10);
        });

        // Orleans remembers where each grain was that was ever called, up to a million. Sequences are called for as long as they run, and
        // where a grain lives is in its key: what is forgotten is found again without asking anybody.
        silo.Configure<GrainDirectoryOptions>(directory => directory.CacheSize = RememberedGrains);
        _store.Configure(silo, Silo);
        silo.Services.TryAddSingleton(TimeProvider.System);
        silo.Services.AddSingleton(provider => new NodeHealth(Name, NameOf(_options.Store), provider.GetRequiredService<TimeProvider>()));
        if (_options.Store != ClusterStoreKind.Localhost)
        {
            silo.Services.AddHostedService<StoreWatch>();
        }

        if (_options.SequenceRetention > TimeSpan.Zero)
        {
            silo.Services.AddSingleton<StreamOwners>();
            silo.Services.AddSingleton(provider => _store.CreateRequestStore(_options, Silo, provider));
            silo.Services.AddSingleton(provider => new MemoryRequestStore(
                _options.SequenceRetention, MemoryRequestStore.DefaultMaxBytes, provider.GetRequiredService<TimeProvider>()));
        }
    }

    /// <summary>Remembers answers where the membership is, in Redis or PostgreSQL.</summary>
    public IAnswerStore CreateAnswerStore(TimeSpan retention, long maxBytes) => _store.CreateAnswerStore(_options, retention, maxBytes);

    /// <summary>Lets the log say once what it would say for every message: while a dead node is still listed, these
    /// report each attempt to reach it, with a trace. What membership makes of it is still logged.</summary>
    public static void QuietLogs(ILoggingBuilder logging)
    {
        foreach (string category in new[]
        {
            "Orleans.Networking", "Orleans.Runtime.Messaging", "Orleans.Runtime.GrainDirectory",
            "Polly", "Orleans.Messaging", "Orleans.Runtime.CallbackData", "Orleans.Runtime.AsyncEnumerableRequest",
            "Orleans.Runtime.Metadata.ClusterManifestProvider", "Orleans.Runtime.MembershipService.MembershipSystemTarget",
        })
        {
            logging.AddFilter(category, LogLevel.Critical);
        }

        // Two that only alarm: one asks for the server collector, the other reports every busy moment of the cores.
        logging.AddFilter("Orleans.Runtime.Silo", LogLevel.Error);
        logging.AddFilter("Orleans.Runtime.Watchdog", LogLevel.Error);
    }

    /// <summary>A sentence for a start that failed in Orleans because of the cluster; null when it was something else.
    /// Nothing of the exception is quoted but Orleans' own words: a store's may hold a secret.</summary>
    public static string? Explain(Exception exception)
    {
        for (var inner = exception; inner is not null; inner = inner.InnerException)
        {
            switch (inner)
            {
                case RedisException or NpgsqlException:
                    return "The cluster's store was lost during the start; see that it runs, and start the node again.";
                case OrleansException:
                    return $"The node could not join its cluster: {inner.Message.TrimEnd('.')}.";
            }
        }

        return null;
    }

    /// <summary>The secret, from where it is given; null for none. No sentence quotes it.</summary>
    private static ClusterSecret? ReadSecret(ClusterNodeOptions options)
    {
        if (options.ClusterSecret is not null && options.ClusterSecretFile is not null)
        {
            throw new StartException("--cluster-secret and --cluster-secret-file are both given; leave one out.", StartException.Usage);
        }

        string? secret = options.ClusterSecret;
        try
        {
            secret ??= options.ClusterSecretFile is { } file ? File.ReadAllText(file).Trim() : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new StartException($"--cluster-secret-file is '{options.ClusterSecretFile}', which cannot be read: {exception.Message}", StartException.Usage);
        }

        return secret is null ? null
            : secret.Length >= ClusterSecret.LeastLength ? new ClusterSecret(secret)
            : throw new StartException($"The cluster secret has {secret.Length} characters; it must have at least {ClusterSecret.LeastLength}.", StartException.Usage);
    }

    private static string NameOf(ClusterStoreKind store) => store.ToString().ToLowerInvariant();

    private static void CheckCombination(ClusterNodeOptions options)
    {
        bool local = options.Store == ClusterStoreKind.Localhost;
        string store = NameOf(options.Store);
        if (local && options.Connection is not null)
        {
            throw new StartException("--cluster-connection is given, but --cluster is localhost, which has no store; choose --cluster redis or --cluster postgres.", StartException.Usage);
        }

        if (!local && options.Connection is null)
        {
            throw new StartException($"--cluster is {store}, but --cluster-connection does not say how it is reached; {(options.Store == ClusterStoreKind.Redis ? RedisStore.Example : PostgresStore.Example)}.", StartException.Usage);
        }

        if (!local && options.Primary is not null)
        {
            throw new StartException($"--primary is given, but --cluster is {store}: nodes find each other there; leave --primary out.", StartException.Usage);
        }

        if (options.ApplySchema && options.Store != ClusterStoreKind.Postgres)
        {
            throw new StartException($"--apply-schema is given, but --cluster is {store}; only postgres has tables to make.", StartException.Usage);
        }
    }
}

/// <summary>Finds the ports between nodes before anything is started.</summary>
internal static class NodePorts
{
    /// <summary>The port asked for, or a free one. Throws <see cref="StartException"/>.</summary>
    public static int Choose(string option, int asked, IPAddress address)
    {
        try
        {
            using var listener = new TcpListener(address, asked);
            listener.Start();
            return ((IPEndPoint)listener.LocalEndpoint).Port;
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            throw new StartException($"{option} is {asked}, which another program on this machine uses already; leave the option out and a free port is taken.");
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.AddressNotAvailable)
        {
            throw new StartException($"Other nodes' connections cannot be taken at {address}, which is no address of this machine; --listen-address names one that is (0.0.0.0 for all).");
        }
        catch (SocketException exception)
        {
            throw new StartException($"{option} is {asked}, where this machine does not let Grid listen on {address}: {exception.Message}.");
        }
    }
}
