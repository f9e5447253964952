using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Grid.Sequences;

/// <summary>The time between the signal that ends this gateway and the end of what it may still do: sequences that wait for a
/// worker go on waiting in it.</summary>
public sealed class GraceTime : IDisposable
{
    private readonly CancellationTokenSource _over = new();
    private readonly CancellationTokenRegistration _signal;
    private ITimer? _timer;

    /// <summary>Made by the container.</summary>
    public GraceTime(IHostApplicationLifetime lifetime, IOptions<SequencesOptions> options, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(lifetime);
        ArgumentNullException.ThrowIfNull(options);
        Over = _over.Token;
        _signal = lifetime.ApplicationStopping.Register(() =>
            _timer = time.CreateTimer(_ => _over.Cancel(), null, options.Value.DrainGrace, Timeout.InfiniteTimeSpan));
    }

    /// <summary>Cancelled when the gateway has been asked to stop and <see cref="SequencesOptions.DrainGrace"/> has passed.</summary>
    public CancellationToken Over { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        _signal.Dispose();
        _timer?.Dispose();
    }
}
