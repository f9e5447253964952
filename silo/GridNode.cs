using Grid.Clustering;
using Grid.Engine;
using Grid.Gateway;
using Grid.Gateway.Node;
using Grid.Grains;
using Grid.Options;
using Grid.Silo.Devices;
using Grid.Silo.Options;
using Grid.Silo.Startup;
using Grid.Workers;

namespace Grid.Silo;

/// <summary>
/// A node: devices and their engines, silo, gateway and HTTP in one process. Alone it is a whole grid; with others it is a part
/// of a cluster.
/// </summary>
public sealed class GridNode : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly IReadOnlyList<ServedDevice> _devices;

    /// <summary>The process, and what it can be told.</summary>
    public static GridProgram<NodeOptions> Program { get; } = new(
        "grid", "Grid", "Grid serves a language model with reproducible bits. Without options: the demo model, this machine's GPUs or its CPU, "
            + "HTTP on port 8000. Options can also be given in the environment (Grid__Port=8000, Gateway__QueueSize=64) or in appsettings.json.");

    private GridNode(WebApplication app, IReadOnlyList<ServedDevice> devices)
    {
        _app = app;
        _devices = devices;
        Workers = app.Services.GetRequiredService<WorkerHost>().Workers;
        Address = NodeHost.AddressOf(app);
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
    /// <param name="output">Gets a line for each step of the start.</param>
    /// <param name="cancellationToken">Gives the start up.</param>
    public static Task<GridNode> StartAsync(NodeOptions options, TextWriter output, CancellationToken cancellationToken) =>
        StartAsync(options, output, DeviceFinder.Find, cancellationToken);

    /// <summary>As above, with devices, and engines in front of the devices' own (made of a device's name and its engine), that
    /// only tests have.</summary>
    internal static async Task<GridNode> StartAsync(
        NodeOptions options, TextWriter output, Func<NodeOptions, TextWriter, IReadOnlyList<NodeDevice>> findDevices, CancellationToken cancellationToken,
        Func<string, IInferenceEngine, IInferenceEngine>? wrap = null)
    {
        CheckDrain(options.Gateway);
        NodeHost.CheckAccess(options);
        Ports.CheckHttp("--port", options.Host, options.Port);
        if (options.Gateway.Access.OperatePort is { } operate)
        {
            Ports.CheckHttp("--operate-port", options.Host, operate);
        }

        await ClusterNode.PrepareAsync(options.Cluster, "grid", options.GatewayPort, output, cancellationToken);
        var devices = await ServedModelLoader.LoadAsync(options, findDevices, output, cancellationToken);
        WebApplication? app = null;
        try
        {
            // Again: loading may have taken minutes, in which free ports were taken or the store was lost.
            var cluster = await ClusterNode.PrepareAsync(options.Cluster, "grid", options.GatewayPort, output, cancellationToken);
            output.WriteLine($"Cluster {cluster.Description}");
            app = Build(options, devices, cluster, wrap);
            await NodeHost.StartAsync(app, cancellationToken);
            await WaitUntilServingAsync(app.Services, devices.Count, cancellationToken);
            return new GridNode(app, devices);
        }
        catch (Exception exception)
        {
            if (app is not null)
            {
                if (exception is OperationCanceledException)
                {
                    await NodeHost.StopAsync(app); // It had started, and its workers did not yet serve.
                }

                await app.DisposeAsync();
            }

            Free(devices);
            throw NodeHost.Explain(exception);
        }
    }

    /// <summary>Runs until it is asked to stop, lets running sequences end within the grace time, and returns the exit
    /// code: 0, or 1 when no device was left, or its cluster's store has lost it.</summary>
    /// <param name="output">Gets a line when it is asked to stop.</param>
    /// <param name="signals">Ask it to.</param>
    public async Task<int> RunAsync(TextWriter output, StopSignals signals)
    {
        await NodeHost.RunAsync(_app, output, signals);
        bool failed = Workers.All(worker => worker.Failure is not null) || Services.GetRequiredService<NodeHealth>().StoreLost is not null;
        return failed ? StartException.Failed : 0;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await NodeHost.StopAsync(_app);
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

    private static WebApplication Build(
        NodeOptions options, IReadOnlyList<ServedDevice> devices, ClusterNode cluster, Func<string, IInferenceEngine, IInferenceEngine>? wrap)
    {
        var builder = NodeHost.CreateBuilder(options, cluster, silo => silo.AddGridWorkers());
        foreach (var device in devices)
        {
            builder.Services.AddSingleton(provider => CreateWorker(provider, options, device, wrap));
        }

        var app = builder.Build();
        app.MapGridGateway();
        return app;
    }

    /// <summary>A silo has one grace time, and would not honour another for its HTTP face.</summary>
    private static void CheckDrain(GatewayOptions gateway)
    {
        if (gateway.DrainGrace is { } grace)
        {
            throw new StartException(
                $"Gateway:DrainSeconds is {grace.TotalSeconds}, but a silo's requests end within the grace time of its devices; give it as --drain-seconds.", StartException.Usage);
        }
    }

    private static DeviceWorker CreateWorker(
        IServiceProvider provider, NodeOptions options, ServedDevice device, Func<string, IInferenceEngine, IInferenceEngine>? wrap)
    {
        var worker = new DeviceWorker(
            device.Description, wrap?.Invoke(device.Description.Device, device.Engine) ?? device.Engine,
            new WorkerOptions { StepLimit = options.WatchdogTimeout },
            provider.GetRequiredService<ISiloProbe>(), TimeProvider.System, provider.GetRequiredService<ILogger<DeviceWorker>>())
        { WeightsReader = device.ReadWeights };

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
}
