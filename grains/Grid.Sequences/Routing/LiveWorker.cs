using System.Threading.Channels;
using Grid.Grains;
using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Text;

namespace Grid.Sequences.Routing;

/// <summary>A worker while its step stream is up.</summary>
public sealed class LiveWorker
{
    private readonly WorkerLink _link;
    private readonly SequencesOptions _options;
    private readonly TimeProvider _time;
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private readonly WorkerPools _pools;
    private readonly ModelRoom.Share _room;
    private volatile bool _isClosed;
    private volatile bool _takes;

    internal LiveWorker(WorkerLink link, WorkerStatus status, TextModel? text, SequencesOptions options, TimeProvider time, WorkerPools pools)
    {
        _link = link;
        _options = options;
        _time = time;
        Status = status;
        Text = text;
        Queue = new(Demultiplexer, status, options, time);
        _pools = pools;
        Pool = pools.Join(status.NumericsId);
        Prefixes = new(Pool.Prefixes);
        _room = Pool.RoomOf(status.ModelId).Join();
        TellRoom();
        pools.Add(this);
    }

    /// <summary>The worker's grain.</summary>
    public IGpuWorkerGrain Grain => _link.Grain;

    /// <summary>What it serves, as of when the stream began.</summary>
    public WorkerStatus Status { get; }

    /// <summary>Tokenizer and chat template of its model; null when it is served by token ids alone.</summary>
    public TextModel? Text { get; }

    /// <summary>Its load, as of the last batch.</summary>
    public WorkerLoad Load => Queue.Load;

    /// <summary>What its prefix cache holds, as of the last batch.</summary>
    public PrefixView Prefixes { get; }

    /// <summary>Where its events go.</summary>
    public StepDemultiplexer Demultiplexer { get; } = new();

    /// <summary>Why the worker is in quarantine; null when it is not.</summary>
    public string? Quarantine => _link.Quarantine;

    /// <summary>Whether it takes sequences.</summary>
    public WorkerState State => Quarantine is not null || Queue.State == WorkerState.Quarantined ? WorkerState.Quarantined
        : IsOpen ? Queue.State
        : WorkerState.Lost;

    /// <summary>False once the stream is gone; then nothing may be submitted under this object any more.</summary>
    public bool IsOpen => !_isClosed;

    /// <summary>Those that give the same bits.</summary>
    internal WorkerPool Pool { get; }

    /// <summary>Whether it is <see cref="WorkerState.Live"/>: for those who look at all workers.</summary>
    internal bool Takes => _takes;

    /// <summary>How loaded it is, as far as this gateway knows.</summary>
    internal WorkerQueue Queue { get; }

    /// <summary>Takes a batch of its step stream.</summary>
    internal void Take(StepBatch batch)
    {
        if (batch.Prefixes is { } prefixes)
        {
            // First, so that whoever hears of a sequence's end finds its pages here.
            Prefixes.Apply(prefixes);
        }

        Demultiplexer.Dispatch(batch);
        if (Demultiplexer.PrefillTokens == 0 && !Queue.IsReserved)
        {
            Prefixes.ExpectNothing();
        }

        Queue.Report(batch.Load);
        TellRoom();
    }

    /// <summary>Listens for an attempt's events and submits it. When it is refused, or the worker is lost meanwhile,
    /// nobody listens any more.</summary>
    /// <param name="request">The attempt.</param>
    /// <param name="inbox">Gets the events.</param>
    /// <param name="uncachedTokens">Tokens that the worker has to compute for it, where that is known already.</param>
    public async Task<Refusal?> SubmitAsync(SubmitRequest request, ChannelWriter<SequenceEvent> inbox, long? uncachedTokens = null)
    {
        long prefill = uncachedTokens ?? new PromptPrefix(request).UncachedTokens(this);
        Demultiplexer.Add(request.Attempt, inbox, prefill);
        Queue.Submitted(prefill);
        TellRoom();
        Refusal? refusal;
        try
        {
            refusal = IsOpen ? await AskAsync(request) : Lost();
        }
        catch (Exception exception)
        {
            // Whatever went wrong on the way, another worker may take it.
            refusal = Lost(exception);
        }

        if (refusal is not null)
        {
            Demultiplexer.Remove(request.Attempt);
            Queue.Refused(refusal.Kind == RefusalKind.Overloaded);
            TellRoom();
        }

        return refusal;
    }

    /// <summary>The first output ids of a sequence that it remembers, at most so many; none when it is lost meanwhile, or of a version
    /// that remembers nothing. Throws nothing.</summary>
    public async Task<int[]> FindOutputAsync(Guid name, int count)
    {
        try
        {
            var answer = Grain.FindOutput(name, count);
            return await IsAnsweredAsync(answer, CancellationToken.None) ? await answer : [];
        }
        catch (Exception)
        {
            return []; // The call could not even be made.
        }
    }

    /// <summary>Drops unleased prefix-cache pages; false when the worker is lost or does not answer.</summary>
    public Task<bool> FlushCacheAsync(CancellationToken cancellationToken) => IsAnsweredAsync(Grain.FlushCache(), cancellationToken);

    /// <summary>Holds what it has; false when the worker is lost or does not answer.</summary>
    public Task<bool> PauseAsync(PauseMode mode, CancellationToken cancellationToken) => IsAnsweredAsync(Grain.Pause(mode), cancellationToken);

    /// <summary>Has what it holds go on; false when the worker is lost or does not answer.</summary>
    public Task<bool> ContinueAsync(CancellationToken cancellationToken) => IsAnsweredAsync(Grain.Continue(), cancellationToken);

    /// <summary>Ends what it has where it stands; false when the worker is lost or does not answer.</summary>
    public Task<bool> AbortAllAsync(CancellationToken cancellationToken) => IsAnsweredAsync(Grain.AbortAll(), cancellationToken);

    /// <summary>Has other weights read and checked. Throws nothing.</summary>
    public async Task<WeightsAnswer> PrepareWeightsAsync(WeightsRequest request)
    {
        try
        {
            return await Grain.PrepareWeights(request);
        }
        catch (Exception exception)
        {
            return new() { Refusal = Lost(exception) };
        }
    }

    /// <summary>Has prepared weights put in place; null when that is done. Throws nothing.</summary>
    public async Task<Refusal?> ApplyWeightsAsync(Guid update)
    {
        try
        {
            return await Grain.ApplyWeights(update);
        }
        catch (Exception exception)
        {
            return Lost(exception);
        }
    }

    /// <summary>Gives the worker nothing any more, and has all gateways do so: it computed other bits than two others. What
    /// runs there goes on elsewhere. It stays so until its silo is started anew; the first reason stays.</summary>
    public void PutInQuarantine(string reason) => _link.PutInQuarantine(reason);

    /// <summary>Waits for the answer, but not longer than the worker is heard of: to a hung silo a call takes its whole
    /// response timeout. So it does where a message was lost on the way.</summary>
    private async Task<Refusal?> AskAsync(SubmitRequest request)
    {
        var answer = Grain.Submit(request);
        var heard = Task.WhenAny(answer, _closed.Task).WaitAsync(_options.SubmitTimeout, _time);
        await ((Task)heard).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (answer.IsCompletedSuccessfully)
        {
            return await answer;
        }

        CancelIfTakenAsync(answer, request.Attempt).Ignore();
        return Lost(answer.Exception?.InnerException ?? heard.Exception?.InnerException);
    }

    /// <summary>Should it have reached the worker after all, nobody listens to it any more. A call that failed may have, too.</summary>
    private async Task CancelIfTakenAsync(Task<Refusal?> answer, AttemptId attempt)
    {
        await ((Task)answer).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!answer.IsCompletedSuccessfully || await answer is null)
        {
            await Grain.Cancel(attempt);
        }
    }

    private async Task<bool> IsAnsweredAsync(Task call, CancellationToken cancellationToken)
    {
        call.Ignore();
        await Task.WhenAny(call, _closed.Task).WaitAsync(cancellationToken);
        return call.IsCompletedSuccessfully;
    }

    private Refusal Lost(Exception? exception = null) => Refusal.Unavailable($"Worker {Status.Worker} is lost. {exception?.Message}".TrimEnd());

    internal void Close()
    {
        _isClosed = true;
        _closed.TrySetResult();
        TellRoom();
        _pools.Leave(this);
        Demultiplexer.LoseAll();
        Prefixes.Close();
    }

    private void TellRoom()
    {
        lock (_room)
        {
            _takes = State == WorkerState.Live;
            _room.Tell(_takes, Queue.Room, Queue.DisplacedRank);
        }
    }
}
