using Grid.Grains;
using Grid.Grains.Placement;
using Grid.Sequences.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Orleans.Runtime.Hosting;

namespace Grid.Sequences;

/// <summary>Adds to a silo what a gateway needs.</summary>
public static class SequencesHosting
{
    /// <summary>Adds <see cref="ISequenceService"/> and what stands behind it.</summary>
    /// <param name="silo">The gateway's silo.</param>
    /// <param name="options">The gateway's options, taken as they are and not copied; null for the defaults.</param>
    public static ISiloBuilder AddGridSequences(this ISiloBuilder silo, SequencesOptions? options = null)
    {
        var services = silo.Services;
        services.AddSingleton(Microsoft.Extensions.Options.Options.Create(options ?? new SequencesOptions()));
        services.AddGridDrain();
        services.TryAddSingleton<ISiloProbe, TcpSiloProbe>();
        services.AddMetrics();
        services.AddSingleton<SequenceMetrics>();
        services.AddSingleton<WorkerDirectory>();
        services.AddHostedService(provider => provider.GetRequiredService<WorkerDirectory>());
        services.TryAddSingleton<IClientQuotas, EqualQuotas>();
        services.AddSingleton<AdmissionQueue>();
        services.AddSingleton<WeightUpdates>();
        services.AddSingleton<SequenceService>();
        services.AddSingleton<ISequenceService>(provider => provider.GetRequiredService<SequenceService>());
        silo.AddPlacementDirector<NamedSiloPlacement, NamedSiloPlacementDirector>();
        if (!silo.Services.Any(service => service.ServiceKey is NamedSiloDirectory.Name))
        {
            silo.AddGrainDirectory(NamedSiloDirectory.Name, (_, _) => new NamedSiloDirectory());
        }

        return silo;
    }
}
