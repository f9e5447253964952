using Grid.Grains;
using Grid.Grains.Placement;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Orleans.Runtime.Hosting;

namespace Grid.Workers;

/// <summary>The devices of this silo; they run while it runs.</summary>
public sealed class WorkerHost(IEnumerable<DeviceWorker> workers) : IDrainable, IHostedService
{
    /// <summary>One per device.</summary>
    public IReadOnlyList<DeviceWorker> Workers { get; } = [.. workers];

    /// <summary>The worker of a device. Throws <see cref="KeyNotFoundException"/> naming the devices there are.</summary>
    public DeviceWorker Find(string device) => Workers.FirstOrDefault(worker => worker.Model.Device == device)
        ?? throw new KeyNotFoundException($"This silo has no device '{device}'; it has {string.Join(", ", Workers.Select(worker => $"'{worker.Model.Device}'"))}.");

    /// <inheritdoc/>
    public Task DrainAsync(CancellationToken end) => Task.WhenAll(Workers.Select(worker => worker.DrainAsync(end)));

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var worker in Workers)
        {
            worker.Start();
        }

        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken)
    {
        foreach (var worker in Workers)
        {
            worker.Stop();
        }

        return Task.CompletedTask;
    }
}

/// <summary>Adds devices to a silo.</summary>
public static class WorkersHosting
{
    /// <summary>Serves the <see cref="DeviceWorker"/>s registered as services.</summary>
    public static ISiloBuilder AddGridWorkers(this ISiloBuilder silo)
    {
        silo.Services.TryAddSingleton<ISiloProbe, TcpSiloProbe>();
        silo.Services.AddSingleton<WorkerHost>();
        silo.Services.AddMetrics();
        silo.Services.AddHostedService<WorkerMetrics>();
        silo.Services.AddHostedService(provider => provider.GetRequiredService<WorkerHost>());
        silo.Services.AddSingleton<IDrainable>(provider => provider.GetRequiredService<WorkerHost>());
        silo.Services.AddGridDrain();
        silo.AddPlacementDirector<NamedSiloPlacement, NamedSiloPlacementDirector>();
        if (!silo.Services.Any(service => service.ServiceKey is NamedSiloDirectory.Name))
        {
            silo.AddGrainDirectory(NamedSiloDirectory.Name, (_, _) => new NamedSiloDirectory());
        }

        return silo;
    }
}
