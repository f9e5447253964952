using System.Net;
using Grid.Clustering;
using Grid.Options;
using Grid.Sequences.Routing;
using Microsoft.Extensions.Logging.Console;

namespace Grid.Gateway.Node;

/// <summary>A silo without devices that serves HTTP: it joins a cluster, and sequences run on the workers there.</summary>
public sealed class GatewayNode : IAsyncDisposable
{
    private readonly WebApplication _app;

    /// <summary>The process, and what it can be told.</summary>
    public static GridProgram<GatewayNodeOptions> Program { get; } = new(
        "gateway", "the gateway", "The grid's HTTP face in a process of its own: a node without devices that joins the cluster of the silos. "
            + "Options can also be given in the environment (Grid__Port=8001, Gateway__QueueSize=64) or in appsettings.json.");

    private GatewayNode(WebApplication app, ClusterNode cluster)
    {
        _app = app;
        Cluster = cluster;
        Address = NodeHost.AddressOf(app);
    }

    /// <summary>Where HTTP listens.</summary>
    public Uri Address { get; }

    /// <summary>Its place in the cluster.</summary>
    public ClusterNode Cluster { get; }

    /// <summary>The node's services.</summary>
    public IServiceProvider Services => _app.Services;

    /// <summary>Joins the cluster and serves HTTP; requests get 503 until a worker is known. Throws
    /// <see cref="StartException"/> when the cluster's store or the port cannot be used.</summary>
    public static async Task<GatewayNode> StartAsync(GatewayNodeOptions options, TextWriter output, CancellationToken cancellationToken)
    {
        NodeHost.CheckAccess(options);
        if (options.Cluster.Store == ClusterStoreKind.Localhost)
        {
            // A gateway is never the primary: the cluster ends with that one, and should end with a worker at most.
            options.Cluster.Primary ??= new(IPAddress.Loopback, 11111);
        }
        var cluster = await ClusterNode.PrepareAsync(options.Cluster, "gateway", clientPort: null, output, cancellationToken);
        var builder = NodeHost.CreateBuilder(options, cluster);
        // Standard output says where the gateway listens and whether it serves, and nothing else.
        builder.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        var app = builder.Build();
        try
        {
            app.MapGridGateway();
            await NodeHost.StartAsync(app, cancellationToken);
            return new GatewayNode(app, cluster);
        }
        catch (Exception exception)
        {
            await app.DisposeAsync();
            throw NodeHost.Explain(exception);
        }
    }

    /// <summary>Runs until it is asked to stop; says when workers come to serve, and when none is left. Returns the exit code: 0, or 1
    /// when its cluster's store has lost it.</summary>
    public async Task<int> RunAsync(TextWriter output, StopSignals signals)
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
        await NodeHost.RunAsync(_app, output, signals);
        workers.Changed -= Tell;
        return Services.GetRequiredService<NodeHealth>().StoreLost is null ? 0 : StartException.Failed;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await NodeHost.StopAsync(_app);
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
}
