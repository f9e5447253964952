using Grid.Grains;
using Grid.Grains.Placement;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Orleans.Runtime.Hosting;

namespace Grid.Workers;

/// <summary>The devices of this silo.</summary>
public sealed class WorkerHost(IEnumerable<DeviceWorker> workers)
{
    /// <summary>One per device.</summary>
    public IReadOnlyList<DeviceWorker> Workers { get; } = [.. workers];

    /// <summary>The worker of a device. Throws <see cref="KeyNotFoundException"/> naming the devices there are.</summary>
    public DeviceWorker Find(string device) => Workers.FirstOrDefault(worker => worker.Model.Device == device)
        ?? throw new KeyNotFoundException($"This silo has no device '{device}'; it has {string.Join(", ", Workers.Select(worker => $"'{worker.Model.Device}'"))}.");
}

/// <summary>Runs the devices while the silo runs, and drains them when it is asked to stop.</summary>
internal sealed class WorkerHostedService(WorkerHost host) : IHostedLifecycleService
{
    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var worker in host.Workers)
        {
            worker.Start();
        }

        return Task.CompletedTask;
    }

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    // Before any service stops: HTTP and grains go on while running sequences end.
    public Task StoppingAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(host.Workers.Select(worker => worker.DrainAsync(cancellationToken)));

    public Task StopAsync(CancellationToken cancellationToken)
    {
        foreach (var worker in host.Workers)
        {
            worker.Stop();
        }

        return Task.CompletedTask;
    }

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}

/// <summary>Adds devices to a silo.</summary>
public static class WorkersHosting
{
    /// <summary>Serves the <see cref="DeviceWorker"/>s registered as services.</summary>
    public static ISiloBuilder AddGridWorkers(this ISiloBuilder silo)
    {
        silo.Services.TryAddSingleton<ISiloProbe, TcpSiloProbe>();
        silo.Services.AddSingleton<WorkerHost>();
        silo.Services.AddHostedService<WorkerHostedService>();
        silo.AddPlacementDirector<NamedSiloPlacement, NamedSiloPlacementDirector>();
        if (!silo.Services.Any(service => service.ServiceKey is NamedSiloDirectory.Name))
        {
            silo.AddGrainDirectory(NamedSiloDirectory.Name, (_, _) => new NamedSiloDirectory());
        }

        return silo;
    }
}
