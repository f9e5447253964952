using System.Net;
using Grid.Clustering;
using Grid.Gateway;
using Grid.Grains;
using Grid.Sequences;
using Grid.Silo.Devices;
using Grid.Silo.Options;
using Grid.Silo.Startup;
using Grid.Workers;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Options;

namespace Grid.Silo;

/// <summary>
/// A node: devices and their engines, silo, gateway and HTTP in one process. Alone it is a whole grid; with others it is a part
/// of a cluster.
/// </summary>
public sealed class GridNode : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly IReadOnlyList<ServedDevice> _devices;

    private GridNode(WebApplication app, IReadOnlyList<ServedDevice> devices)
    {
        _app = app;
        _devices = devices;
        Workers = app.Services.GetRequiredService<WorkerHost>().Workers;
        Address = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
    }

    /// <summary>Where HTTP listens.</summary>
    public Uri Address { get; }

    /// <summary>The node's services.</summary>
    public IServiceProvider Services => _app.Services;

    /// <summary>One per device.</summary>
    public IReadOnlyList<DeviceWorker> Workers { get; }

    /// <summary>
    /// Loads the model, starts everything and returns once requests are served. Throws <see cref="StartException"/>
    /// with a sentence for the operator.
    /// </summary>
    /// <param name="options">What to serve, and how.</param>
    /// <param name="settings">Other sections of the configuration, by key; they override files and environment.</param>
    /// <param name="output">Gets a line for each step of the start.</param>
    /// <param name="cancellationToken">Gives the start up.</param>
    public static Task<GridNode> StartAsync(
        NodeOptions options, IReadOnlyDictionary<string, string?> settings, TextWriter output, CancellationToken cancellationToken) =>
        StartAsync(options, settings, output, DeviceFinder.Find, cancellationToken);

    /// <summary>As above, with devices, and engines in front of the devices' own, that only tests have.</summary>
    internal static async Task<GridNode> StartAsync(
        NodeOptions options, IReadOnlyDictionary<string, string?> settings, TextWriter output,
        Func<NodeOptions, TextWriter, IReadOnlyList<NodeDevice>> findDevices, CancellationToken cancellationToken,
        Func<IWorkerEngine, IWorkerEngine>? wrap = null)
    {
        Ports.CheckHttp(options.Host, options.Port);
        await PrepareClusterAsync(options, output, cancellationToken);
        var devices = await ServedModelLoader.LoadAsync(options, findDevices, output, cancellationToken);
        WebApplication? app = null;
        try
        {
            // Again: loading may have taken minutes, in which free ports were taken or the store was lost.
            var cluster = await PrepareClusterAsync(options, output, cancellationToken);
            output.WriteLine($"Cluster {cluster.Description}");
            app = Build(options, settings, devices, cluster, wrap);
            await app.StartAsync(cancellationToken);
            await WaitUntilServingAsync(app.Services, devices.Count, cancellationToken);
            return new GridNode(app, devices);
        }
        catch (Exception exception)
        {
            if (app is not null)
            {
                await app.DisposeAsync();
            }

            Free(devices);
            throw Explain(exception);
        }
    }

    /// <summary>Runs until SIGTERM or Ctrl+C, lets running sequences end within the grace time, and returns the exit
    /// code: 0, or 1 when no device was left.</summary>
    public async Task<int> RunAsync()
    {
        await _app.WaitForShutdownAsync();
        return Workers.All(worker => worker.Failure is not null) ? StartException.Failed : 0;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();

        // A step that hangs still uses its device and model, and after a fault even freeing may fail; those go with the process.
        Free([.. _devices.Where((_, i) => Workers[i].HasStopped && Workers[i].Failure is null)]);
    }

    private static void Free(IReadOnlyList<ServedDevice> devices)
    {
        foreach (var device in devices)
        {
            device.Dispose();
        }
    }

    private static async Task<ClusterNode> PrepareClusterAsync(NodeOptions options, TextWriter output, CancellationToken cancellationToken)
    {
        try
        {
            return await ClusterNode.PrepareAsync(options.Cluster, takesClients: true, output, cancellationToken);
        }
        catch (ClusterStartException exception)
        {
            throw new StartException(exception.Message, exception.IsUsage ? StartException.Usage : StartException.Failed);
        }
    }

    private static WebApplication Build(
        NodeOptions options, IReadOnlyDictionary<string, string?> settings, IReadOnlyList<ServedDevice> devices, ClusterNode cluster,
        Func<IWorkerEngine, IWorkerEngine>? wrap)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Configuration.AddInMemoryCollection(settings);
        CheckDrain(builder.Configuration);
        ConfigureLogging(builder.Logging, options);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Parse(options.Host), options.Port));
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.DrainGrace + TimeSpan.FromSeconds(15));
        foreach (var device in devices)
        {
            builder.Services.AddSingleton(provider => CreateWorker(provider, options, device, wrap));
        }

        // The gateway first: services are asked to stop in reverse, and devices drain within the same grace time.
        builder.Services.AddGridGateway(builder.Configuration);
        builder.Services.Configure<GatewayOptions>(gateway => gateway.DrainSeconds = (int)options.DrainGrace.TotalSeconds);
        builder.UseOrleans(silo => ConfigureSilo(silo, cluster, options));
        var app = builder.Build();
        app.MapGridGateway();
        return app;
    }

    /// <summary>A silo has one grace time, and would not honour another for its HTTP face.</summary>
    private static void CheckDrain(ConfigurationManager configuration)
    {
        const string Key = $"{GatewayOptions.Section}:{nameof(GatewayOptions.DrainSeconds)}";
        if (configuration[Key] is { } value)
        {
            throw new StartException(
                $"{Key} is {value}, but a silo's requests end within the grace time of its devices; give it as --drain-seconds.", StartException.Usage);
        }
    }

    private static void ConfigureSilo(ISiloBuilder silo, ClusterNode cluster, NodeOptions options)
    {
        cluster.Configure(silo);
        silo.AddMemoryGrainStorageAsDefault();

        // The sequences first, as the gateway before them: devices drain within the same grace time.
        silo.AddGridSequences(options.Sequences);
        silo.AddGridWorkers();
    }

    private static DeviceWorker CreateWorker(
        IServiceProvider provider, NodeOptions options, ServedDevice device, Func<IWorkerEngine, IWorkerEngine>? wrap)
    {
        var worker = new DeviceWorker(
            device.Description, wrap?.Invoke(device.Engine) ?? device.Engine,
            new WorkerOptions { DrainGrace = options.DrainGrace, StepLimit = options.WatchdogTimeout },
            provider.GetRequiredService<ISiloProbe>(), TimeProvider.System, provider.GetRequiredService<ILogger<DeviceWorker>>());

        // The others go on without it. A node without any is of no use: end, and let whoever runs it start it anew.
        worker.Failed += _ =>
        {
            if (provider.GetRequiredService<WorkerHost>().Workers.All(one => one.Failure is not null))
            {
                provider.GetRequiredService<IHostApplicationLifetime>().StopApplication();
            }
        };
        return worker;
    }

    private static void ConfigureLogging(ILoggingBuilder logging, NodeOptions options)
    {
        logging.ClearProviders();
        logging.SetMinimumLevel(LogLevel.Warning);
        logging.AddFilter("Grid", options.LogLevel);
        logging.AddFilter("Orleans", options.LogLevel > LogLevel.Warning ? options.LogLevel : LogLevel.Warning);
        ClusterNode.QuietLogs(logging);
        logging.AddFilter("Microsoft", options.LogLevel > LogLevel.Warning ? options.LogLevel : LogLevel.Warning);
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

    private static async Task WaitUntilServingAsync(IServiceProvider services, int devices, CancellationToken cancellationToken)
    {
        var workers = services.GetRequiredService<Sequences.Routing.WorkerDirectory>();
        var self = services.GetRequiredService<ILocalSiloDetails>().SiloAddress;
        if (!await workers.WaitForAsync(
            _ => workers.Live.Count(worker => worker.Status.Worker.Silo.Equals(self)) >= devices, TimeSpan.FromSeconds(30), cancellationToken))
        {
            throw new StartException("The node's workers did not answer its gateway within 30 s; --log-level info says more.");
        }
    }

    private static Exception Explain(Exception exception) => exception switch
    {
        StartException or OperationCanceledException => exception,
        OptionsValidationException validation => new StartException(string.Join(' ', validation.Failures), StartException.Usage),
        _ when ClusterNode.Explain(exception) is { } sentence => new StartException(sentence),
        IOException or Microsoft.AspNetCore.Connections.ConnectionAbortedException => new StartException($"HTTP cannot be served: {exception.Message}"),
        _ => exception,
    };
}
