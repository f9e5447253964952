using System.Threading.Channels;
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
public sealed partial class WorkerLink
{
    private readonly WorkerId _id;
    private readonly GatewayId _gateway;
    private readonly TextModelCache _texts;
    private readonly SequencesOptions _options;
    private readonly TimeProvider _time;
    private readonly Action _changed;
    private readonly ILogger _logger;
    private readonly Lock _switching = new();
    private LiveWorker? _live;
    private long _lastBatch;
    private CancellationTokenSource? _stream;

    internal WorkerLink(
        WorkerId id, IGpuWorkerGrain grain, GatewayId gateway, TextModelCache texts, SequencesOptions options,
        TimeProvider time, Action changed, ILogger logger)
    {
        _id = id;
        Grain = grain;
        _gateway = gateway;
        _texts = texts;
        _options = options;
        _time = time;
        _changed = changed;
        _logger = logger;
    }

    /// <summary>The worker's grain.</summary>
    public IGpuWorkerGrain Grain { get; }

    /// <summary>What the worker serves; null while the link is not live.</summary>
    public LiveWorker? Live => Volatile.Read(ref _live);

    /// <summary>Keeps the link up until cancelled; never throws.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await ConnectAsync(cancellationToken);
                LogEnded(_id);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
            }
            catch (Exception exception)
            {
                LogLost(exception, _id);
            }

            Lose();
            await Task.Delay(_options.ReconnectDelay, _time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Gives the stream up when the worker has been silent for too long.</summary>
    internal void CheckSilence()
    {
        if (Live is null || _time.GetElapsedTime(Volatile.Read(ref _lastBatch)) <= _options.WorkerSilence)
        {
            return;
        }

        LogSilent(_id, _options.WorkerSilence.TotalSeconds);
        Lose();
        lock (_switching)
        {
            _stream?.Cancel();
        }
    }

    private async Task ConnectAsync(CancellationToken cancellationToken)
    {
        using var stream = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        SetStream(stream);
        try
        {
            var status = await Grain.GetStatus().WaitAsync(stream.Token);
            var text = await _texts.GetAsync(Grain, status.TextDigest, stream.Token);
            LiveWorker? live = null;
            var batches = Grain.Subscribe(_gateway, stream.Token).WithBatchSize(_options.StreamBatchSize);
            await foreach (var batch in batches.WithCancellation(stream.Token))
            {
                Volatile.Write(ref _lastBatch, _time.GetTimestamp());
                live ??= GoLive(status, text);
                live.Load = batch.Load;
                live.Demultiplexer.Dispatch(batch);
            }
        }
        finally
        {
            SetStream(null);
        }
    }

    private void SetStream(CancellationTokenSource? stream)
    {
        lock (_switching)
        {
            _stream = stream;
        }
    }

    private LiveWorker GoLive(WorkerStatus status, TextModel? text)
    {
        var live = new LiveWorker(this, status, text);
        lock (_switching)
        {
            _live = live;
        }

        LogLive(_id, status.ModelId);
        _changed();
        return live;
    }

    private void Lose()
    {
        LiveWorker? lost;
        lock (_switching)
        {
            (lost, _live) = (_live, null);
        }

        if (lost is not null)
        {
            _changed();
            lost.Close();
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Worker {Worker} is live with model {Model}")]
    private partial void LogLive(WorkerId worker, string model);

    [LoggerMessage(Level = LogLevel.Information, Message = "Worker {Worker} ended its step stream")]
    private partial void LogEnded(WorkerId worker);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Worker {Worker} is lost")]
    private partial void LogLost(Exception exception, WorkerId worker);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Worker {Worker} has been silent for {Seconds} s and is given up")]
    private partial void LogSilent(WorkerId worker, double seconds);
}

/// <summary>A worker while its step stream is up.</summary>
public sealed class LiveWorker
{
    private readonly WorkerLink _link;
    private int _underWay;
    private volatile bool _open = true;

    internal LiveWorker(WorkerLink link, WorkerStatus status, TextModel? text)
    {
        _link = link;
        Status = status;
        Text = text;
        Load = status.Load;
    }

    /// <summary>The worker's grain.</summary>
    public IGpuWorkerGrain Grain => _link.Grain;

    /// <summary>What it serves, as of when the stream began.</summary>
    public WorkerStatus Status { get; }

    /// <summary>Tokenizer and chat template of its model; null when it is served by token ids alone.</summary>
    public TextModel? Text { get; }

    /// <summary>Its load, as of the last batch.</summary>
    public WorkerLoad Load { get; internal set; }

    /// <summary>Where its events go.</summary>
    public StepDemultiplexer Demultiplexer { get; } = new();

    /// <summary>False once the stream is gone; then nothing may be submitted under this object any more.</summary>
    public bool IsOpen => _open;

    /// <summary>Sequences on the worker as far as this gateway knows: those reported and those just being submitted.</summary>
    public int Queue => Load.Running + Load.Waiting + Volatile.Read(ref _underWay);

    /// <summary>Listens for an attempt's events and submits it. When it is refused, or the worker is lost meanwhile,
    /// nobody listens any more.</summary>
    public async Task<SubmitReply> SubmitAsync(SubmitRequest request, ChannelWriter<SequenceEvent> inbox)
    {
        Demultiplexer.Add(request.Attempt, inbox);
        Interlocked.Increment(ref _underWay);
        SubmitReply? reply = null;
        try
        {
            reply = IsOpen ? await Grain.Submit(request) : Lost();
        }
        catch (Exception exception) when (exception is OrleansException or TimeoutException)
        {
            reply = Lost(exception);
        }
        finally
        {
            Interlocked.Decrement(ref _underWay);
            if (reply?.Refusal != RefusalKind.None)
            {
                Demultiplexer.Remove(request.Attempt);
            }
        }

        return reply;
    }

    private SubmitReply Lost(Exception? exception = null) =>
        SubmitReply.Refused(RefusalKind.Unavailable, $"Worker {Status.Worker} is lost. {exception?.Message}".TrimEnd());

    internal void Close()
    {
        _open = false;
        Demultiplexer.LoseAll();
    }
}
