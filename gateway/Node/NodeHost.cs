using Grid.Clustering;
using Grid.Gateway.Access;
using Grid.Gateway.Http;
using Grid.Gateway.Receipts;
using Grid.Gateway.Telemetry;
using Grid.Grains;
using Grid.Options;
using Grid.Sequences;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace Grid.Gateway.Node;

/// <summary>The host that gateways and silos have in common: HTTP, logs, and a silo that joins its cluster.</summary>
public static class NodeHost
{
    /// <summary>What a stop may take besides the drain; whoever ends processes that do not stop waits for both.</summary>
    internal static readonly TimeSpan StopMargin = TimeSpan.FromSeconds(15);

    /// <summary>Where a process says what it does: standard output, in the form of its logs.</summary>
    public static TextWriter OutputOf(GatewayNodeOptions options) =>
        options.JsonLogs ? TextWriter.Synchronized(new JsonLines(Console.Out, TimeProvider.System)) : Console.Out;

    /// <summary>Looks at the files that the options of HTTP name, and at what they ask of the cluster's store, before anything takes its time.
    /// Throws <see cref="StartException"/>.</summary>
    public static void CheckAccess(GatewayNodeOptions options)
    {
        AccessHosting.Check(options.Gateway.Access, options.Sequences);
        ReceiptSigner.Check(options.Gateway);
        if (options.Gateway.Receipts && options.Cluster.SequenceRetention == TimeSpan.Zero)
        {
            throw new StartException("--receipts makes receipts that are kept for --sequence-retention, which is 0; leave one of them out.", StartException.Usage);
        }
        var cache = options.Gateway.AnswerCache;
        if ((cache == AnswerCacheKind.Redis && options.Cluster.Store != ClusterStoreKind.Redis) || (cache == AnswerCacheKind.Postgres && options.Cluster.Store != ClusterStoreKind.Postgres))
        {
            string store = cache.ToString().ToLowerInvariant();
            throw new StartException($"--answer-cache {store} remembers answers in the cluster's store, which must be that of --cluster {store}; memory needs none.", StartException.Usage);
        }
        options.Cluster.KeepsAnswers = cache is AnswerCacheKind.Redis or AnswerCacheKind.Postgres;
    }

    /// <summary>A host that serves HTTP and runs sequences.</summary>
    /// <param name="options">What the process was told.</param>
    /// <param name="cluster">Its place in the cluster.</param>
    /// <param name="configureSilo">Adds what only this kind of process has.</param>
    public static WebApplicationBuilder CreateBuilder(GatewayNodeOptions options, ClusterNode cluster, Action<ISiloBuilder>? configureSilo = null)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        NodeLogs.Configure(builder.Logging, options);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(options.Host, options.Port, options.Gateway.Access));
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.Grace + StopMargin);
        if (options.LogRequests)
        {
            builder.Logging.AddFilter(typeof(RequestLog).FullName, LogLevel.Information);
            builder.Services.AddTransient<IStartupFilter, RequestLogStartupFilter>();
        }
        builder.Services.AddGridTelemetry(options.Telemetry, options.GetType() == typeof(GatewayNodeOptions) ? "grid-gateway" : "grid-silo", cluster.Name);
        builder.Services.AddGridGateway(options.Gateway with { DrainGrace = options.Grace });
        if (options.Cluster.KeepsAnswers)
        {
            builder.Services.AddSingleton(_ => cluster.CreateAnswerStore(options.Gateway.AnswerCacheRetention, options.Gateway.AnswerCacheSize));
        }
        builder.UseOrleans(silo =>
        {
            cluster.Configure(silo);
            silo.AddGridSequences(options.Sequences);
            configureSilo?.Invoke(silo);
        });
        return builder;
    }

    /// <summary>Starts a host. Orleans that is given up in the middle fails with traces, and leaves an entry in the store: so it is started
    /// whole, and stopped where nobody wants it any more.</summary>
    public static async Task StartAsync(WebApplication app, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await app.StartAsync(CancellationToken.None);
        app.Services.WarnWhereAnybodyMayAsk(AddressOf(app));
        if (cancellationToken.IsCancellationRequested)
        {
            await StopAsync(app);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <summary>Runs a started host until it is asked to stop and has drained. A second signal ends the drain.</summary>
    public static async Task RunAsync(WebApplication app, TextWriter output, StopSignals signals)
    {
        using var quiet = app.Lifetime.ApplicationStopping.Register(() => app.Services.GetService<NodeLogs>()?.Stopping = true);
        var drain = app.Services.GetRequiredService<Drain>();
        using var said = signals.Asked.Register(() => output.WriteLine($"Stopping: what runs may end within {drain.Grace.TotalSeconds} s; a second signal ends it now."));
        using var now = signals.Insisted.Register(drain.EndNow);
        await app.WaitForShutdownAsync(signals.Asked);
    }

    /// <summary>Stops a host.</summary>
    public static Task StopAsync(WebApplication app)
    {
        app.Services.GetService<NodeLogs>()?.Stopping = true;
        return app.StopAsync(CancellationToken.None);
    }

    /// <summary>Where a started host listens.</summary>
    public static Uri AddressOf(WebApplication app) =>
        new(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());

    /// <summary>A sentence for what is known to go wrong at start; what is not, as it is.</summary>
    public static Exception Explain(Exception exception) => exception switch
    {
        StartException or OperationCanceledException => exception,
        _ when ClusterNode.Explain(exception) is { } sentence => new StartException(sentence),
        IOException or ConnectionAbortedException => new StartException($"HTTP cannot be served: {exception.Message}"),
        _ => exception,
    };

    /// <summary>Signals are the process's (<see cref="StopSignals"/>), also before there is a host.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
