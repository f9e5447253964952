using System.Diagnostics;
using Grid.Grains.Messages;
using Grid.Numerics;
using Microsoft.Extensions.Logging;

namespace Grid.Workers;

/// <summary>Weights that have been read and checked, and are not on the device yet.</summary>
public interface INewWeights : IDisposable
{
    /// <summary>The NumericsId that the worker has with them.</summary>
    string NumericsId { get; }

    /// <summary>Puts them in the place of the old ones, on the device's thread. When it throws, the device cannot be used any
    /// more.</summary>
    void Apply();
}

/// <content>Other weights for the model that is served.</content>
public sealed partial class DeviceWorker
{
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(5);

    private readonly Lock _updates = new();
    private WeightUpdate? _update;
    private volatile bool _updating; // It takes nothing.
    private volatile bool _exchanging; // A step may last.

    /// <summary>Reads weights. Throws <see cref="RefusedException"/> for those that cannot be taken. Null: the engine takes none.</summary>
    public Func<WeightsRequest, INewWeights>? WeightsReader { get; init; }

    /// <summary>Reads and checks weights, beside what runs. One update at a time; one that was prepared and not applied gives way to
    /// the next.</summary>
    public async Task<WeightsAnswer> PrepareWeightsAsync(WeightsRequest request)
    {
        if (WhyNoWeights(request) is { } refusal)
        {
            return new() { Refusal = refusal };
        }

        var update = new WeightUpdate(request);
        lock (_updates)
        {
            if (_update is { IsReady: false })
            {
                return new() { Refusal = Refusal.Unavailable("Another update of the weights is under way.") };
            }

            _update?.Weights?.Dispose();
            _update = update;
        }

        try
        {
            var weights = await Task.Run(() => WeightsReader!(request));
            lock (_updates)
            {
                update.Weights = weights;
                update.IsReady = true;
            }

            return new() { NumericsId = weights.NumericsId };
        }
        catch (RefusedException refused)
        {
            Forget(update);
            return new() { Refusal = refused.Refusal };
        }
        catch
        {
            Forget(update);
            throw;
        }
    }

    /// <summary>Puts prepared weights in place, once nothing runs; null when it is done. Where it is refused, the old ones serve on.</summary>
    public async Task<Refusal?> ApplyWeightsAsync(Guid id)
    {
        WeightUpdate update;
        lock (_updates)
        {
            if (_update is not { IsReady: true } ready || ready.Request.Update != id)
            {
                return Refusal.Unavailable("The update is not prepared here any more.");
            }

            update = ready;
            update.IsReady = false;
        }

        try
        {
            if (WhyNoWeights(update.Request) is { } refusal)
            {
                return refusal;
            }

            LogUpdating(Model.Device, _attempts.Count);
            _updating = true;
            return await EndAttemptsAsync(update.Request.AbortsAll) ?? await ExchangeAsync(update);
        }
        finally
        {
            _updating = false;
            Forget(update);
        }
    }

    /// <summary>Lets go of prepared weights; unknown ones are ignored.</summary>
    public void DropWeights(Guid id)
    {
        WeightUpdate? dropped = null;
        lock (_updates)
        {
            if (_update is { IsReady: true } ready && ready.Request.Update == id)
            {
                (dropped, _update) = (ready, null);
            }
        }

        dropped?.Weights?.Dispose();
    }

    private Refusal? WhyNoWeights(WeightsRequest request) =>
        WeightsReader is null ? Refusal.Unavailable("The worker's engine takes no other weights.")
        : State != WorkerState.Live ? Refusal.Unavailable($"The worker is {State.ToString().ToLowerInvariant()}.")
        : !request.AbortsAll && _engine.Status.Paused && !_attempts.IsEmpty ? new Refusal
        {
            Kind = RefusalKind.Invalid,
            Field = nameof(WeightsRequest.AbortsAll),
            Rule = $"must be true while the worker is paused and holds {_attempts.Count} sequences: they would end with the old weights, and cannot before they go on",
        }
        : null;

    /// <summary>Waits until nothing runs any more; gives the refusal where that does not come.</summary>
    private async Task<Refusal?> EndAttemptsAsync(bool aborts)
    {
        using var timer = new PeriodicTimer(s_look);
        while (true)
        {
            if (State != WorkerState.Updating || _watchdog.IsStuck || HasStopped)
            {
                return Refusal.Unavailable("The worker stopped while it waited for what runs.");
            }

            if (_attempts.IsEmpty)
            {
                return null;
            }

            if (aborts)
            {
                AbortAll();
            }

            await timer.WaitForNextTickAsync();
        }
    }

    private async Task<Refusal?> ExchangeAsync(WeightUpdate update)
    {
        var (weights, request) = (update.Weights!, update.Request);
        long started = Stopwatch.GetTimestamp();
        _exchanging = true;
        try
        {
            var done = _engine.ExchangeWeightsAsync(() =>
            {
                weights.Apply();
                _prefixes.Rename(weights.NumericsId);
            });
            while (!done.IsCompleted && _failure is null && !HasStopped)
            {
                await Task.WhenAny(done, Task.Delay(TimeSpan.FromMilliseconds(100)));
            }

            await done.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!done.IsCompletedSuccessfully)
            {
                return Refusal.Unavailable($"The weights were not put in place. {done.Exception?.InnerException?.Message ?? _failure?.Message}".TrimEnd());
            }
        }
        finally
        {
            _exchanging = false;
        }

        _outputs.Clear();
        _model = Model with { NumericsId = weights.NumericsId, WeightVersion = request.Version ?? weights.NumericsId, WeightsSince = request.Asked };
        _updating = false;
        EndAll(); // All gateways ask anew what it serves.
        var time = Stopwatch.GetElapsedTime(started);
        LogUpdated(Model.Device, Model.WeightVersion, Model.NumericsId, time.TotalSeconds);
        return null;
    }

    private void Forget(WeightUpdate update)
    {
        lock (_updates)
        {
            _update = _update == update ? null : _update;
        }

        update.Weights?.Dispose();
    }

    /// <summary>An update under way.</summary>
    private sealed class WeightUpdate(WeightsRequest request)
    {
        public WeightsRequest Request => request;

        public INewWeights? Weights { get; set; }

        /// <summary>Whether it is read and not being put in place.</summary>
        public bool IsReady { get; set; }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Device {Device} gets other weights, once {Count} sequences have ended")]
    private partial void LogUpdating(string device, int count);

    [LoggerMessage(Level = LogLevel.Information, Message = "Device {Device} has weights {Version} ({NumericsId}); putting them in place took {Seconds:F2} s")]
    private partial void LogUpdated(string device, string version, string numericsId, double seconds);
}
