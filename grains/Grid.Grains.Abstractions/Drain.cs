using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Grid.Grains;

/// <summary>How a node ends.</summary>
public sealed record DrainOptions
{
    /// <summary>How long what runs may go on after the signal; then its clients and gateways take it elsewhere.</summary>
    public TimeSpan Grace { get; set; } = TimeSpan.FromSeconds(20);
}

/// <summary>What computes sequences, also for other nodes.</summary>
public interface IDrainable
{
    /// <summary>Takes nothing new from now on, waits until what runs has ended, and ends what is left when it is told to.</summary>
    Task DrainAsync(CancellationToken end);
}

/// <summary>
/// What may still run on a node that is asked to stop, in which order it ends, and when. From the signal on nothing new is taken:
/// neither requests and sequences read here nor sequences on this node's devices. What runs has one grace time. Past it, those who
/// read here are told to go on elsewhere; then the devices end what is left, which other gateways take elsewhere. Before all that no
/// other service of the node is stopped, whatever the order of their registration.
/// </summary>
public sealed partial class Drain : IHostedLifecycleService, IDisposable
{
    /// <summary>For the last words to those who are told to go on elsewhere.</summary>
    private static readonly TimeSpan s_goodbye = TimeSpan.FromSeconds(3);

    private readonly CancellationTokenSource _over = new();
    private readonly TaskCompletionSource _empty = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly IEnumerable<IDrainable> _devices;
    private readonly DrainOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<Drain> _logger;
    private readonly CancellationTokenRegistration _signal;
    private ITimer? _timer;
    private int _begun;
    private int _open;

    /// <summary>Made by the container.</summary>
    public Drain(
        IHostApplicationLifetime lifetime, IEnumerable<IDrainable> devices, IOptions<DrainOptions> options, TimeProvider time, ILogger<Drain> logger)
    {
        ArgumentNullException.ThrowIfNull(lifetime);
        ArgumentNullException.ThrowIfNull(options);
        (_devices, _options, _time, _logger) = (devices, options.Value, time, logger);
        Over = _over.Token;
        _signal = lifetime.ApplicationStopping.Register(Begin);
    }

    /// <summary>Whether the node has been asked to stop.</summary>
    public bool HasBegun => Volatile.Read(ref _begun) != 0;

    /// <summary>How long what runs may go on.</summary>
    public TimeSpan Grace => _options.Grace;

    /// <summary>Cancelled when the node has been asked to stop and the grace time has passed.</summary>
    public CancellationToken Over { get; }

    /// <summary>Ends the grace time.</summary>
    public void EndNow()
    {
        Begin();
        _over.Cancel();
    }

    /// <summary>Takes in somebody who reads sequences here, until the result is disposed; null once the node has been asked to
    /// stop.</summary>
    public IDisposable? TryEnter()
    {
        Interlocked.Increment(ref _open);
        var entry = new Entry(this);
        if (!HasBegun)
        {
            return entry;
        }

        entry.Dispose();
        return null;
    }

    /// <inheritdoc/>
    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        Begin(); // A host that is stopped without a signal says so here first.
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, Over);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var devices = Task.WhenAll(_devices.Select(device => device.DrainAsync(end.Token)));
        LeaveIfEmpty();
        await Task.WhenAll(_empty.Task, devices).WaitAsync(over.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!_empty.Task.IsCompleted)
        {
            LogExpired(Volatile.Read(ref _open), _options.Grace.TotalSeconds);
            await _empty.Task.WaitAsync(s_goodbye, _time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await end.CancelAsync();
        await devices;
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public void Dispose()
    {
        _signal.Dispose();
        _timer?.Dispose();
    }

    private void Begin()
    {
        if (Interlocked.Exchange(ref _begun, 1) == 0)
        {
            _timer = _time.CreateTimer(_ => _over.Cancel(), null, _options.Grace, Timeout.InfiniteTimeSpan);
        }
    }

    private void LeaveIfEmpty()
    {
        if (Volatile.Read(ref _open) == 0 && HasBegun)
        {
            _empty.TrySetResult();
        }
    }

    private sealed class Entry(Drain drain) : IDisposable
    {
        private int _left;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _left, 1) == 0)
            {
                Interlocked.Decrement(ref drain._open);
                drain.LeaveIfEmpty();
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} requests had not ended within the grace time of {Seconds} s and are told to go on elsewhere")]
    private partial void LogExpired(int count, double seconds);
}

/// <summary>Adds the drain to a host.</summary>
public static class DrainHosting
{
    /// <summary>Adds <see cref="Drain"/>, once.</summary>
    public static IServiceCollection AddGridDrain(this IServiceCollection services)
    {
        services.AddOptions<DrainOptions>();
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<Drain>();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, Drain>(provider => provider.GetRequiredService<Drain>()));
        return services;
    }
}
