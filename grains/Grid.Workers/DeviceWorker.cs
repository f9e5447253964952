using System.Collections.Concurrent;
using System.Diagnostics;
using Grid.Engine;
using Grid.Grains;
using Grid.Grains.Messages;
using Grid.Numerics;
using Microsoft.Extensions.Logging;

namespace Grid.Workers;

/// <summary>
/// Owns one device: a thread of its own that loops the engine's steps (never a pool thread or an Orleans scheduler,
/// which it would block), the step streams of the gateways, and which attempt belongs to which stream.
/// </summary>
public sealed partial class DeviceWorker : IDrainable, IDisposable
{
    /// <summary>How long a stop waits for the step that runs.</summary>
    private static readonly TimeSpan s_lastStep = TimeSpan.FromSeconds(5);

    /// <summary>How long the end of a drain waits for the engine to cancel what was left.</summary>
    private static readonly TimeSpan s_lastCancels = TimeSpan.FromSeconds(2);

    private readonly IInferenceEngine _engine;
    private readonly WorkerOptions _options;
    private readonly ISiloProbe _probe;
    private readonly TimeProvider _time;
    private readonly ILogger<DeviceWorker> _logger;
    private readonly ConcurrentDictionary<GatewayId, StepSubscription> _subscriptions = new();
    private readonly ConcurrentDictionary<AttemptId, AcceptedAttempt> _attempts = new();
    private readonly RecentOutputs _outputs;
    private readonly PrefixDigest _prefixes;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Thread _thread;
    private readonly StepWatchdog _watchdog;

    // The step being published, kept from step to step; the device's thread only.
    private readonly List<AcceptedAttempt> _moved = [];
    private readonly List<StepSubscription> _written = [];

    private volatile WorkerModel _model;

    private ITimer? _heartbeat;
    private string? _quarantine;
    private volatile bool _draining;
    private volatile Exception? _failure;

    /// <summary>Takes the device; <see cref="Start"/> begins to run it.</summary>
    public DeviceWorker(
        WorkerModel model, IInferenceEngine engine, WorkerOptions options, ISiloProbe probe, TimeProvider time, ILogger<DeviceWorker> logger)
    {
        (_model, _engine, _options, _probe, _time, _logger) = (model, engine, options, probe, time, logger);
        _prefixes = new(model.NumericsId);
        engine.Observe(_prefixes);
        Started = time.GetUtcNow();
        _outputs = new RecentOutputs(time, options.OutputRetention);
        _watchdog = new StepWatchdog(options.StepLimit, options.HeartbeatInterval);
        _thread = new Thread(Loop) { Name = $"device {model.Device}", IsBackground = true };
    }

    /// <summary>What the device serves now.</summary>
    public WorkerModel Model => _model;

    /// <summary>When the worker came up.</summary>
    public DateTimeOffset Started { get; }

    /// <summary>The load now.</summary>
    public WorkerLoad Load => _engine.Status.ToMessage() with { State = State };

    /// <summary>What the engine counts.</summary>
    internal EngineStatus Status => _engine.Status;

    /// <summary>Told when each step began that has just ended (<see cref="Stopwatch"/>'s timestamp), on the device's thread.</summary>
    internal Action<long>? Stepped { get; set; }

    /// <summary>Whether it takes sequences.</summary>
    public WorkerState State => _failure is not null ? WorkerState.Failed
        : Quarantine is not null ? WorkerState.Quarantined
        : _draining ? WorkerState.Draining
        : _updating ? WorkerState.Updating
        : _watchdog.IsStuck ? WorkerState.Stuck
        : WorkerState.Live;

    /// <summary>Attempts accepted and not yet ended.</summary>
    public int OpenAttempts => _attempts.Count;

    /// <summary>What ended the device's thread; null while all is well.</summary>
    public Exception? Failure => _failure;

    /// <summary>Why the worker was put in quarantine; null when it was not.</summary>
    public string? Quarantine => Volatile.Read(ref _quarantine);

    /// <summary>Whether the device's thread runs no more; nothing of the model may be freed before.</summary>
    public bool HasStopped => !_thread.IsAlive;

    /// <summary>Called once, on the device's thread, when the engine failed as a whole.</summary>
    public event Action<Exception>? Failed;

    /// <summary>Starts the device's thread and the heartbeats.</summary>
    public void Start()
    {
        _thread.Start();
        _heartbeat = _time.CreateTimer(_ => Beat(), null, _options.HeartbeatInterval, _options.HeartbeatInterval);
    }

    /// <summary>Opens a gateway's step stream; one it had before ends. The first batch is there at once.</summary>
    public StepSubscription Subscribe(GatewayId gateway)
    {
        var subscription = new StepSubscription(gateway, _prefixes, _time, ended => End(ended, null));
        StepSubscription? previous = null;
        _subscriptions.AddOrUpdate(gateway, subscription, (_, existing) =>
        {
            previous = existing;
            return subscription;
        });
        if (previous is not null)
        {
            End(previous, null);
        }

        if (_failure is { } failure)
        {
            End(subscription, failure);
        }

        subscription.Heartbeat(Load);
        LogSubscribed(gateway);
        return subscription;
    }

    /// <summary>Hands a sequence to the engine; null when it was taken.</summary>
    public Refusal? Submit(SubmitRequest request)
    {
        if (WhyClosed(request) is { } closed)
        {
            return closed;
        }

        if (!_subscriptions.TryGetValue(request.Gateway, out var subscription))
        {
            return Refusal.Unavailable($"Gateway {request.Gateway} has no step stream here.");
        }

        if (TooLarge(request) is { } tooLarge)
        {
            return tooLarge;
        }

        var output = _outputs.Begin(request.Name, request.PriorOutputIds);
        var trace = AttemptTrace.Begin(request, Model, _time);
        if (!_attempts.TryAdd(request.Attempt, new AcceptedAttempt(request.Attempt, subscription, output, trace)))
        {
            trace?.End("refused", "refused");
            _outputs.Forget(output);
            return Refusal.Invalid(nameof(request.Attempt), request.Attempt, "not be that of an attempt that runs");
        }

        // Again: whoever waits for the last attempt to end, before it exchanges the weights, has seen this one, or is seen here.
        if (WhyClosed(request) is { } closedNow)
        {
            _attempts.TryRemove(request.Attempt, out _);
            _outputs.Forget(output);
            return closedNow;
        }

        return Enqueue(request, subscription);
    }

    /// <summary>Ends an attempt; unknown ones are ignored.</summary>
    public void Cancel(AttemptId attempt) => _engine.Cancel(attempt.ToEngine());

    /// <summary>The first output ids of a sequence that runs here, or ran here until lately, at most so many.</summary>
    public int[] FindOutput(Guid name, int count) => _outputs.Find(name, count);

    /// <summary>Drops unleased prefix-cache pages before the next step.</summary>
    public void FlushCache() => _engine.RequestFlush();

    /// <summary>Holds what is here and what comes, until <see cref="Continue"/>.</summary>
    public void Pause(PauseMode mode)
    {
        _engine.Pause(retract: mode == PauseMode.Retract);
        LogPaused(Model.Device, mode, _attempts.Count);
        if (mode == PauseMode.Abort)
        {
            AbortAll();
        }
    }

    /// <summary>Has what is held go on.</summary>
    public void Continue()
    {
        _engine.Continue();
        LogContinued(Model.Device, _attempts.Count);
    }

    /// <summary>Ends all attempts where they stand; their gateways hear that they were cancelled.</summary>
    public void AbortAll()
    {
        foreach (var attempt in _attempts.Keys)
        {
            Cancel(attempt);
        }
    }

    /// <summary>Takes nothing any more, for it computes wrongly; the gateways take what runs elsewhere. The first reason
    /// stays.</summary>
    public void EnterQuarantine(string reason)
    {
        if (Interlocked.CompareExchange(ref _quarantine, reason, null) is null)
        {
            LogQuarantined(Model.Device, reason);
            EndAll();
        }
    }

    /// <inheritdoc/>
    public async Task DrainAsync(CancellationToken end)
    {
        _draining = true;
        if (!await EmptyAsync(end))
        {
            // The gateways take it elsewhere.
            LogDrainExpired(_attempts.Count);
            EndAll();
            using var last = new CancellationTokenSource(s_lastCancels);
            await EmptyAsync(last.Token);
        }
    }

    /// <summary>Stops the device's thread and ends the streams. A thread that hangs is left behind: it ends with the
    /// process.</summary>
    public void Stop()
    {
        _draining = true;
        _heartbeat?.Dispose();
        _stopping.Cancel();
        if (_thread.IsAlive && Thread.CurrentThread != _thread)
        {
            // No longer than a step that is nearly done: the process may not be held up by a device that hangs.
            _thread.Join(_watchdog.IsStuck ? TimeSpan.FromSeconds(1) : s_lastStep);
        }

        EndAll();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Stop();
        _stopping.Dispose();
    }

    /// <summary>Why the worker takes nothing, or not this; null while it may.</summary>
    private Refusal? WhyClosed(SubmitRequest request) => State switch
    {
        WorkerState.Failed => Refusal.Unavailable($"The device has failed: {_failure?.Message}"),
        WorkerState.Quarantined => Refusal.Unavailable($"The worker is in quarantine: {Quarantine}"),
        WorkerState.Draining => Refusal.Unavailable("The worker is shutting down."),
        WorkerState.Stuck => Refusal.Unavailable("The device hangs."),
        WorkerState.Updating => new Refusal { Kind = RefusalKind.WeightsChanged, Rule = "The worker is getting other weights." },
        _ => request.NumericsId == Model.NumericsId ? null
            : new Refusal { Kind = RefusalKind.WeightsChanged, Rule = $"The worker serves {Model.NumericsId}, not {request.NumericsId}." },
    };

    private Refusal? Enqueue(SubmitRequest request, StepSubscription subscription)
    {
        bool queued = false;
        try
        {
            queued = _engine.TrySubmit(request.ToEngine());
        }
        catch (RefusedException refused)
        {
            return refused.Refusal;
        }
        catch (Exception exception)
        {
            // A step has failed, and the device's thread is just about to say so.
            return Refusal.Unavailable($"The device has failed: {exception.Message}");
        }
        finally
        {
            if (!queued && _attempts.TryRemove(request.Attempt, out var attempt))
            {
                attempt.Trace?.End("refused", "refused");
                _outputs.Forget(attempt.Output);
            }
        }

        if (!queued)
        {
            return new Refusal { Kind = RefusalKind.Overloaded, Rule = $"{Model.Limits.MaxWaitingSequences} sequences are waiting already." };
        }

        if (subscription.Ended)
        {
            // It ended between look-up and submission: nobody would read the events.
            Cancel(request.Attempt);
        }

        return null;
    }

    /// <summary>The refusal of a sequence whose keys and values the KV cache could not hold to its end; null where it can. The
    /// last token's are never computed.</summary>
    private Refusal? TooLarge(SubmitRequest request)
    {
        var limits = Model.Limits;
        long tokens = Math.Min(request.PromptIds.Length + (long)(request.Generation.MaxNewTokens ?? 0), limits.MaxModelTokens);
        return tokens - 1 <= limits.KvCacheTokens ? null : Refusal.Invalid(
            nameof(GenerationParameters.MaxNewTokens), request.Generation.MaxNewTokens,
            $"let prompt and output ({tokens} tokens) fit in this worker's KV cache of {limits.KvCacheTokens} tokens") with
        { Kind = RefusalKind.TooLarge };
    }

    private async Task<bool> EmptyAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        try
        {
            while (!_attempts.IsEmpty && _failure is null && !_watchdog.IsStuck && !HasStopped)
            {
                await timer.WaitForNextTickAsync(cancellationToken);
            }

            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    private void Loop()
    {
        try
        {
            while (!_stopping.IsCancellationRequested)
            {
                _engine.WaitForWork(_stopping.Token);
                Step();
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
        }
        catch (Exception exception)
        {
            // Whatever it is, the device's state is unknown now: the worker ends as a whole and its gateways move on.
            _failure = exception;
            LogFailed(exception, Model.Device);
            foreach (var attempt in _attempts.Values)
            {
                attempt.Trace?.End("failed", "device_failed");
            }

            foreach (var subscription in _subscriptions.Values)
            {
                End(subscription, exception);
            }

            Failed?.Invoke(exception);
        }
    }

    private void Step()
    {
        _watchdog.BeginStep();
        long started = Stopwatch.GetTimestamp();
        try
        {
            Publish(_engine.Step());
        }
        finally
        {
            _watchdog.EndStep();
        }

        Stepped?.Invoke(started);
    }

    /// <summary>Writes what a step did into the gateways' streams, one batch each.</summary>
    private void Publish(IReadOnlyList<EngineEvent> events)
    {
        // An engine reports in its own order; a batch wants each sequence's events together.
        for (int i = 0; i < events.Count; i++)
        {
            if (_attempts.TryGetValue(events[i].Id.ToMessage(), out var attempt))
            {
                if (attempt.Step.Count == 0)
                {
                    _moved.Add(attempt);
                }

                attempt.Step.Add(events[i]);
            }
        }

        foreach (var attempt in _moved)
        {
            Tell(attempt);
            attempt.Step.Clear();
        }

        var load = _written.Count > 0 ? Load : default;
        foreach (var subscription in _written)
        {
            subscription.Publish(load);
        }

        _moved.Clear();
        _written.Clear();
    }

    /// <summary>Adds what a step did for an attempt to its gateway's batch.</summary>
    private void Tell(AcceptedAttempt attempt)
    {
        _outputs.Add(attempt.Output, attempt.Step);
        attempt.Trace?.Take(attempt.Step, _engine);
        if (!attempt.Subscription.Ended && attempt.Subscription.Add(attempt.Id, attempt.Step))
        {
            _written.Add(attempt.Subscription);
        }

        if (attempt.Step[^1] is SequenceFinished)
        {
            _attempts.TryRemove(attempt.Id, out _);
            _outputs.End(attempt.Output);
        }
    }

    private void Beat()
    {
        switch (_exchanging ? StepWatchdog.News.None : _watchdog.Beat())
        {
            case StepWatchdog.News.Stuck:
                LogStuck(Model.Device, _options.StepLimit.TotalSeconds, _attempts.Count);
                EndAll();
                break;
            case StepWatchdog.News.Recovered:
                LogRecovered(Model.Device);
                break;
        }

        _outputs.Prune();
        foreach (var subscription in _subscriptions.Values)
        {
            if (subscription.SinceLastRead > _options.SubscriberGrace)
            {
                LogSubscriberGone(subscription.Gateway, subscription.SinceLastRead.TotalSeconds);
                End(subscription, null);
            }
            else
            {
                Beat(subscription);
            }
        }
    }

    private void Beat(StepSubscription subscription)
    {
        if (subscription.SinceLastWrite >= _options.HeartbeatInterval)
        {
            subscription.Heartbeat(Load);
        }

        if (IsSilent(subscription))
        {
            _ = LookForAsync(subscription);
        }
    }

    private bool IsSilent(StepSubscription subscription) =>
        !subscription.Ended && subscription.SinceLastRead >= _options.SubscriberSilence;

    /// <summary>Ends the stream of a gateway whose process has ended. Its clients come back by other gateways at once, and what ran for
    /// them would take the place of what runs for them now.</summary>
    private async Task LookForAsync(StepSubscription subscription)
    {
        if (await _probe.IsGoneAsync(subscription.Gateway.Address) && IsSilent(subscription))
        {
            LogSubscriberEnded(subscription.Gateway, subscription.SinceLastRead.TotalSeconds);
            End(subscription, null);
        }
    }

    /// <summary>Ends all streams without a last word: the gateways take the sequences elsewhere, with all they have so
    /// far, and subscribe again to see when the worker takes something.</summary>
    private void EndAll()
    {
        foreach (var subscription in _subscriptions.Values)
        {
            End(subscription, null);
        }
    }

    private void End(StepSubscription subscription, Exception? error)
    {
        _subscriptions.TryRemove(new(subscription.Gateway, subscription));
        subscription.End(error);
        foreach (var attempt in _attempts.Values)
        {
            if (attempt.Subscription == subscription)
            {
                Cancel(attempt.Id);
            }
        }
    }

    /// <summary>An attempt that runs here.</summary>
    private sealed class AcceptedAttempt(AttemptId id, StepSubscription subscription, AttemptOutput output, AttemptTrace? trace)
    {
        public AttemptId Id => id;

        public StepSubscription Subscription => subscription;

        public AttemptOutput Output => output;

        /// <summary>Null where nobody wants one.</summary>
        public AttemptTrace? Trace => trace;

        /// <summary>What the step being published did for it; the device's thread only.</summary>
        public List<EngineEvent> Step { get; } = [];
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Gateway {Gateway} reads this worker's steps")]
    private partial void LogSubscribed(GatewayId gateway);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Gateway {Gateway} has not read its step stream for {Seconds:F1} s; its sequences are cancelled")]
    private partial void LogSubscriberGone(GatewayId gateway, double seconds);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Gateway {Gateway} has not read its step stream for {Seconds:F1} s and its process has ended; its sequences are cancelled")]
    private partial void LogSubscriberEnded(GatewayId gateway, double seconds);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} sequences had not ended within the grace time and are given up")]
    private partial void LogDrainExpired(int count);

    [LoggerMessage(Level = LogLevel.Information, Message = "Device {Device} is paused ({Mode}) with {Count} sequences")]
    private partial void LogPaused(string device, PauseMode mode, int count);

    [LoggerMessage(Level = LogLevel.Information, Message = "Device {Device} goes on with {Count} sequences")]
    private partial void LogContinued(string device, int count);

    [LoggerMessage(Level = LogLevel.Critical, Message = "Device {Device} hangs: a step lasts longer than {Seconds} s; its {Count} sequences go on elsewhere")]
    private partial void LogStuck(string device, double seconds, int count);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Device {Device} goes on: the step that hung has ended")]
    private partial void LogRecovered(string device);

    [LoggerMessage(Level = LogLevel.Critical, Message = "Device {Device} is in quarantine until this node is started anew: {Reason}")]
    private partial void LogQuarantined(string device, string reason);

    [LoggerMessage(Level = LogLevel.Critical, Message = "Device {Device} failed")]
    private partial void LogFailed(Exception exception, string device);
}
