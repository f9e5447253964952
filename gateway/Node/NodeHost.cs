using Grid.Clustering;
using Grid.Options;
using Grid.Sequences;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Logging.Console;

namespace Grid.Gateway.Node;

/// <summary>The host that gateways and silos have in common: HTTP, logs, and a silo that joins its cluster.</summary>
public static class NodeHost
{
    /// <summary>A host that serves HTTP and runs sequences.</summary>
    /// <param name="options">What the process was told.</param>
    /// <param name="cluster">Its place in the cluster.</param>
    /// <param name="configureSilo">Adds what only this kind of process has.</param>
    public static WebApplicationBuilder CreateBuilder(GatewayNodeOptions options, ClusterNode cluster, Action<ISiloBuilder>? configureSilo = null)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        ConfigureLogging(builder.Logging, options);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(options.Host, options.Port));
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.Grace + TimeSpan.FromSeconds(15));
        builder.Services.AddGridGateway(options.Gateway with { DrainGrace = options.Grace });
        builder.UseOrleans(silo =>
        {
            cluster.Configure(silo);
            silo.AddGridSequences(options.Sequences);
            configureSilo?.Invoke(silo);
        });
        return builder;
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

    private static void ConfigureLogging(ILoggingBuilder logging, GatewayNodeOptions options)
    {
        var others = options.LogLevel > LogLevel.Warning ? options.LogLevel : LogLevel.Warning;
        logging.ClearProviders();
        logging.SetMinimumLevel(LogLevel.Warning);
        logging.AddFilter("Grid", options.LogLevel).AddFilter("Orleans", others).AddFilter("Microsoft", others);
        ClusterNode.QuietLogs(logging);
        if (options.JsonLogs)
        {
            logging.AddJsonConsole(console => console.UseUtcTimestamp = true);
        }
        else
        {
            logging.AddSimpleConsole(console =>
            {
                console.SingleLine = true;
                console.TimestampFormat = "HH:mm:ss ";
                console.ColorBehavior = LoggerColorBehavior.Disabled;
            });
        }
    }
}
