using System.Net;
using Grid.Clustering;
using Grid.Clustering.Options;
using Grid.Sequences;
using Grid.Sequences.Routing;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Options;

namespace Grid.Gateway.Node;

/// <summary>A silo without devices that serves HTTP: it joins a cluster, and sequences run on the workers there.</summary>
public sealed class GatewayNode : IAsyncDisposable
{
    private readonly WebApplication _app;

    private GatewayNode(WebApplication app, ClusterNode cluster)
    {
        _app = app;
        Cluster = cluster;
        Address = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
    }

    /// <summary>Where HTTP listens.</summary>
    public Uri Address { get; }

    /// <summary>Its place in the cluster.</summary>
    public ClusterNode Cluster { get; }

    /// <summary>The node's services.</summary>
    public IServiceProvider Services => _app.Services;

    /// <summary>Joins the cluster and serves HTTP; requests get 503 until a worker is known. Throws
    /// <see cref="ClusterStartException"/> when the cluster's store cannot be used.</summary>
    public static async Task<GatewayNode> StartAsync(
        GatewayNodeOptions options, IReadOnlyDictionary<string, string?> settings, TextWriter output, CancellationToken cancellationToken)
    {
        if (options.Cluster.Store == ClusterStoreKind.Localhost)
        {
            // A gateway is never the primary: the cluster ends with that one, and should end with a worker at most.
            options.Cluster.Primary ??= new(IPAddress.Loopback, 11111);
        }
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration.AddInMemoryCollection(settings);
        CheckSettings(builder.Configuration);
        var cluster = await ClusterNode.PrepareAsync(options.Cluster, takesClients: false, output, cancellationToken);
        builder.Logging.SetMinimumLevel(LogLevel.Warning).AddFilter("Grid", LogLevel.Information);
        ClusterNode.QuietLogs(builder.Logging);
        // Standard output says where the gateway listens and whether it serves, and nothing else.
        builder.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(options.Host, options.Port));
        builder.Services.AddGridGateway(builder.Configuration);
        builder.Services.Configure<GatewayOptions>(gateway => gateway.DrainSeconds = options.DrainSeconds ?? gateway.DrainSeconds);
        builder.Services.AddOptions<HostOptions>().Configure<IOptions<GatewayOptions>>((host, gateway) =>
            host.ShutdownTimeout = TimeSpan.FromSeconds(gateway.Value.DrainSeconds + 15));
        builder.UseOrleans(silo => Join(silo, cluster, options.Sequences));
        var app = builder.Build();
        try
        {
            app.MapGridGateway();
            await app.StartAsync(cancellationToken);
            return new GatewayNode(app, cluster);
        }
        catch (Exception exception)
        {
            await app.DisposeAsync();
            throw ClusterNode.Explain(exception) is { } sentence ? new ClusterStartException(sentence) : exception;
        }
    }

    /// <summary>Runs until SIGTERM or Ctrl+C; says when workers come to serve, and when none is left.</summary>
    public async Task RunAsync(TextWriter output)
    {
        var workers = Services.GetRequiredService<WorkerDirectory>();
        bool? serves = null;
        void Tell()
        {
            lock (output)
            {
                var live = workers.Live;
                if (serves == live.Count > 0)
                {
                    return;
                }
                serves = live.Count > 0;
                Say(output, live.Count > 0
                    ? $"Ready: workers serve {string.Join(", ", live.Select(worker => worker.Status.ModelId).Distinct())}."
                    : "Waiting for a worker: none is in the cluster, and requests get 503 until one is.");
            }
        }
        workers.Changed += Tell;
        Tell();
        await _app.WaitForShutdownAsync();
        workers.Changed -= Tell;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    /// <summary>Writes a line. A full disk must not stop who tells of it: that is the directory of workers, in the middle of a
    /// change.</summary>
    internal static void Say(TextWriter output, string line)
    {
        try
        {
            output.WriteLine(line);
            output.Flush();
        }
        catch (IOException)
        {
            // The next change is told again, if it can be.
        }
    }

    /// <summary>What is wrong in the gateway's own section is said before the network is asked.</summary>
    private static void CheckSettings(IConfiguration configuration)
    {
        using var provider = new ServiceCollection().AddGridGateway(configuration).BuildServiceProvider();
        _ = provider.GetRequiredService<IOptions<GatewayOptions>>().Value;
    }

    private static void Join(ISiloBuilder silo, ClusterNode cluster, SequencesOptions sequences)
    {
        cluster.Configure(silo);
        silo.AddMemoryGrainStorageAsDefault();
        silo.AddGridSequences(sequences);
    }
}
