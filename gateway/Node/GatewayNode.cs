using System.Net;
using System.Net.Sockets;
using Grid.Sequences;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Options;

namespace Grid.Gateway.Node;

/// <summary>A silo without devices that serves HTTP: it joins the cluster of a silo on this machine, and sequences run
/// on that silo's workers.</summary>
public sealed class GatewayNode : IAsyncDisposable
{
    private readonly WebApplication _app;

    private GatewayNode(WebApplication app)
    {
        _app = app;
        Address = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
    }

    /// <summary>Where HTTP listens.</summary>
    public Uri Address { get; }

    /// <summary>The node's services.</summary>
    public IServiceProvider Services => _app.Services;

    /// <summary>Joins the cluster and serves HTTP; requests get 503 until a worker is known. Throws
    /// <see cref="GatewayOptionException"/> when nothing listens where the silo should.</summary>
    public static async Task<GatewayNode> StartAsync(
        GatewayNodeOptions options, IReadOnlyDictionary<string, string?> settings, CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration.AddInMemoryCollection(settings);
        builder.Logging.SetMinimumLevel(LogLevel.Warning).AddFilter("Grid", LogLevel.Information);
        // Standard output says where the gateway listens, and nothing else.
        builder.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(options.Host, options.Port));
        builder.UseOrleans(silo => Join(silo, options));
        builder.Services.AddGridGateway(builder.Configuration);
        var app = builder.Build();
        try
        {
            // Reading the options checks them: what is wrong here is said before the network is asked.
            _ = app.Services.GetRequiredService<IOptions<GatewayOptions>>().Value;
            await RequirePrimaryAsync(options.Primary, cancellationToken);
            app.MapGridGateway();
            await app.StartAsync(cancellationToken);
            return new GatewayNode(app);
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs until SIGTERM or Ctrl+C.</summary>
    public Task RunAsync() => _app.WaitForShutdownAsync();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    private static void Join(ISiloBuilder silo, GatewayNodeOptions options)
    {
        // Orleans' own gateway port, for clients of its protocol, stays closed: this face speaks HTTP.
        silo.UseLocalhostClustering(
            options.SiloPort == 0 ? FreePort() : options.SiloPort, gatewayPort: 0, options.Primary, serviceId: "grid", clusterId: "grid");
        silo.AddMemoryGrainStorageAsDefault();
        silo.AddGridSequences();
    }

    /// <summary>Orleans would try to join for ever, and say so in stack traces.</summary>
    private static async Task RequirePrimaryAsync(IPEndPoint primary, CancellationToken cancellationToken)
    {
        using var probe = new TcpClient(primary.AddressFamily);
        try
        {
            await probe.ConnectAsync(primary, cancellationToken);
        }
        catch (SocketException)
        {
            throw new GatewayOptionException($"--primary is '{primary}'; it must be the silo port of a running silo (start one with --silo-port {primary.Port}).");
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
