using Grid.Grains;
using Grid.Grains.Messages;
using Grid.Text;
using Microsoft.Extensions.Logging;

namespace Grid.Sequences.Routing;

/// <summary>
/// A gateway's tie to one worker: fetches what it serves, reads its step stream, and notices when it falls silent. A
/// link is live from its stream's first batch until the stream breaks or is silent for too long; then its sequences are
/// told and it is set up anew, for as long as the worker's silo is a member of the cluster.
/// </summary>
internal sealed partial class WorkerLink(
    WorkerId id, IGpuWorkerGrain grain, GatewayId gateway, ISiloProbe probe, TextModelCache texts, WorkerPools pools, SequencesOptions options,
    TimeProvider time, Action changed, Action<LiveWorker> reported, ILogger logger)
{
    /// <summary>Silences that one answer may take while the link is set up. A message that was lost would else be waited for
    /// until Orleans' response timeout.</summary>
    private const int SetUpSilences = 5;

    /// <summary>The same for the text files, which are megabytes.</summary>
    private const int TextSilences = 30;

    private readonly Lock _switching = new();
    private LiveWorker? _live;
    private LiveWorker? _lost;
    private long _lostAt;
    private int _quietTicks;
    private int _allowedTicks;
    private string? _quarantine;
    private volatile CancellationTokenSource? _stream; // Cancelled under the lock, and not after it was taken away.
    private volatile WorkerStatus? _failed;

    /// <summary>The worker's grain.</summary>
    public IGpuWorkerGrain Grain => grain;

    /// <summary>What the worker serves; null while the link is not live.</summary>
    public LiveWorker? Live => Volatile.Read(ref _live);

    /// <summary>The worker last seen here, live or lost, while it may be expected back; null after
    /// <see cref="SequencesOptions.FailoverWait"/> without it.</summary>
    public LiveWorker? Expected
    {
        get
        {
            lock (_switching)
            {
                return _failed is null ? _live ?? _lost : null;
            }
        }
    }

    /// <summary>Why the worker is in quarantine, by this gateway's finding or its own word; null when it is not.</summary>
    public string? Quarantine => Volatile.Read(ref _quarantine);

    /// <summary>What the worker said when it said that its device has failed for good; null while it has not.</summary>
    public WorkerStatus? Failed => _failed;

    /// <summary>Whether it has been live, or was tried in vain: what it serves is known as far as can be.</summary>
    public bool HasBeenUp { get; private set; }

    /// <summary>Keeps the link up until cancelled, or until the worker says that its device has failed; never throws.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested && _failed is null)
        {
            using var stream = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            AllowSilences(SetUpSilences);
            SetStream(stream);
            var reading = ReadAsync(stream);
            try
            {
                // Not the reading itself: a silo that hangs answers neither it nor the news that its reader has left,
                // and the link must be free to take the worker up again.
                await reading.WaitAsync(stream.Token);
                if (_failed is null)
                {
                    LogEnded(id);
                }
            }
            catch (OperationCanceledException) when (stream.IsCancellationRequested)
            {
                reading.Ignore();
            }
            catch (Exception exception)
            {
                LogLost(exception, id);
            }

            SetStream(null);
            bool wasUpdating = Live?.Load.State == WorkerState.Updating;
            Lose();
            HasBeenUp = true;
            await Task.Delay(wasUpdating ? TimeSpan.Zero : options.ReconnectDelay, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>
    /// Gives the stream up when the worker has been silent for too long, or for a while and its process has ended, or when it
    /// does not answer while it is set up. Called once a tick: silence is counted in ticks, not by a clock, so that a gateway
    /// that was itself held up does not take the gap for its workers' silence.
    /// </summary>
    internal void CheckSilence()
    {
        if (_stream is not { IsCancellationRequested: false } stream)
        {
            return; // Between two streams.
        }

        int allowed = Volatile.Read(ref _allowedTicks);
        int quiet = Interlocked.Increment(ref _quietTicks);
        if (quiet > allowed)
        {
            LogSilent(id, Seconds(allowed));
            GiveUp(stream);
        }
        else if (quiet % SequencesOptions.ProbeTicks == 0 && Live is not null)
        {
            _ = LookForAsync(stream, quiet);
        }
    }

    /// <summary>Gives the worker up because it computes wrongly, and tells it so; should it not hear that, it is told again
    /// when the link is set up anew.</summary>
    internal void PutInQuarantine(string reason)
    {
        if (Interlocked.CompareExchange(ref _quarantine, reason, null) is not null)
        {
            return;
        }

        LogQuarantined(id, reason);
        Grain.Quarantine(reason).Ignore();
        Lose();
        lock (_switching)
        {
            _stream?.Cancel();
        }
    }

    /// <summary>Gives the stream up when the process of its worker, which is silent, has ended.</summary>
    private async Task LookForAsync(CancellationTokenSource stream, int quiet)
    {
        if (await probe.IsGoneAsync(id.Silo) && Volatile.Read(ref _quietTicks) >= quiet && GiveUp(stream))
        {
            LogGone(id, Seconds(quiet));
        }
    }

    /// <summary>Loses the worker, unless another stream has taken the place of this one.</summary>
    private bool GiveUp(CancellationTokenSource stream)
    {
        if (_stream != stream || stream.IsCancellationRequested)
        {
            return false;
        }

        Lose();
        lock (_switching)
        {
            if (_stream == stream)
            {
                stream.Cancel();
            }
        }

        return true;
    }

    private double Seconds(int ticks) => options.WorkerSilence.TotalSeconds * ticks / SequencesOptions.SilenceTicks;

    /// <summary>Expects a lost worker back no longer than <see cref="SequencesOptions.FailoverWait"/>; true when that has
    /// just passed.</summary>
    internal bool ForgetLost()
    {
        lock (_switching)
        {
            if (_lost is null || time.GetElapsedTime(_lostAt) < options.FailoverWait)
            {
                return false;
            }

            _lost = null;
            return true;
        }
    }

    private async Task ReadAsync(CancellationTokenSource stream)
    {
        var token = stream.Token;
        var status = await Grain.GetStatus().WaitObservedAsync(token);
        if (status.Load.State == WorkerState.Failed)
        {
            // Its silo lives on with other devices; this one never comes back.
            _failed = status;
            LogFailed(id, status.Reason);
            return;
        }

        if (status.Load.State == WorkerState.Quarantined)
        {
            Interlocked.CompareExchange(ref _quarantine, status.Reason, null);
        }
        else if (Quarantine is { } reason)
        {
            await Grain.Quarantine(reason).WaitObservedAsync(token);
        }

        AllowSilences(TextSilences);
        var text = await texts.GetAsync(Grain, status.TextDigest, token);
        AllowSilences(SetUpSilences);
        LiveWorker? live = null;
        var batches = Grain.Subscribe(gateway, token).WithBatchSize(options.StreamBatchSize);
        await foreach (var batch in batches.WithCancellation(token))
        {
            token.ThrowIfCancellationRequested(); // Given up meanwhile: what comes late counts for nothing.
            Volatile.Write(ref _quietTicks, 0);
            if (live is null)
            {
                AllowSilences(1);
                live = GoLive(stream, status with { Load = batch.Load }, text);
            }

            var before = live.State;
            live.Take(batch);
            if (live.State != before)
            {
                LogState(id, live.State);
                changed();
            }

            reported(live);
        }
    }

    /// <summary>From now on the worker may be silent for so many of <see cref="SequencesOptions.WorkerSilence"/>.</summary>
    private void AllowSilences(int silences)
    {
        Volatile.Write(ref _quietTicks, 0);
        Volatile.Write(ref _allowedTicks, silences * SequencesOptions.SilenceTicks);
    }

    private void SetStream(CancellationTokenSource? stream)
    {
        lock (_switching)
        {
            _stream = stream;
        }
    }

    private LiveWorker GoLive(CancellationTokenSource stream, WorkerStatus status, TextModel? text)
    {
        LiveWorker live;
        lock (_switching)
        {
            if (_stream != stream)
            {
                throw new OperationCanceledException(); // Another stream has taken its place.
            }

            live = new LiveWorker(this, status, text, options, time, pools);
            (_live, _lost) = (live, null);
        }

        HasBeenUp = true;
        LogLive(id, status.ModelId);
        if (live.State != WorkerState.Live)
        {
            LogState(id, live.State);
        }

        changed();
        return live;
    }

    private void Lose()
    {
        LiveWorker? lost;
        lock (_switching)
        {
            (lost, _live) = (_live, null);
            if (lost is { Load.State: not WorkerState.Draining })
            {
                (_lost, _lostAt) = (lost, time.GetTimestamp());
            }
        }

        if (lost is not null)
        {
            // Closed first: whoever looks meanwhile finds it lost and waits for it. Were it only gone from the live ones, it
            // would look like a worker that serves and yet cannot be found.
            lost.Close();
            changed();
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Worker {Worker} is live with model {Model}")]
    private partial void LogLive(WorkerId worker, string model);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Worker {Worker} is {State}")]
    private partial void LogState(WorkerId worker, WorkerState state);

    [LoggerMessage(Level = LogLevel.Critical, Message = "Worker {Worker} is put in quarantine: {Reason}")]
    private partial void LogQuarantined(WorkerId worker, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "Worker {Worker} has failed and is not asked any more: {Failure}")]
    private partial void LogFailed(WorkerId worker, string? failure);

    [LoggerMessage(Level = LogLevel.Information, Message = "Worker {Worker} ended its step stream")]
    private partial void LogEnded(WorkerId worker);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Worker {Worker} is lost")]
    private partial void LogLost(Exception exception, WorkerId worker);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Worker {Worker} has been silent for {Seconds} s and is given up")]
    private partial void LogSilent(WorkerId worker, double seconds);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Worker {Worker} is given up after {Seconds} s of silence: its process has ended")]
    private partial void LogGone(WorkerId worker, double seconds);
}
