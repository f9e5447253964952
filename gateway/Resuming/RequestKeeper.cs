using Grid.Gateway.Http;
using Grid.Gateway.Requests;
using Grid.Gateway.Running;
using Grid.Resumption;
using Microsoft.Extensions.Options;

namespace Grid.Gateway.Resuming;

/// <summary>
/// Keeps streamed requests in the cluster's store while they run and for the retention after that. A store that is away
/// stops no stream: those that begin meanwhile have no event ids, and cannot be resumed, until it has their requests.
/// </summary>
internal sealed class RequestKeeper(
    ActiveRequests requests, IOptions<GatewayOptions> options, TimeProvider clock, ILogger<RequestKeeper> logger,
    IRequestStore? store = null, StreamOwners? owners = null) : BackgroundService
{
    /// <summary>The longest that a stream's first event waits for the store.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    /// <summary>How long no stream waits for a store that one has just waited for in vain; also the longest pause between two
    /// tries to keep one, and between two complaints.</summary>
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(5);

    /// <summary>The first pause between two tries; each further one is twice as long. A connection that was cut is soon made
    /// anew.</summary>
    private static readonly TimeSpan s_firstPause = TimeSpan.FromMilliseconds(100);

    private readonly KeptBudget? _kept = store is null ? null : new(options.Value.TotalKeptBytes, store.Retention * 1.5, clock);
    private readonly KeptBudget? _receipts = store is null ? null : new(options.Value.TotalKeptBytes / 4, store.Retention, clock);
    private readonly SentEventLog? _sent = store is null ? null : new(options, store.Retention);
    private readonly string _self = owners?.Self ?? Guid.NewGuid().ToString("N");
    private long _pausedUntil;
    private long _quietUntil;
    private long _receiptsPausedUntil;

    /// <summary>Why nothing may be found here, for error messages.</summary>
    public string NotFoundReason => store is null
        ? "this gateway keeps no requests (--sequence-retention 0)"
        : string.Create(null, $"the id is unknown here, or more than {store.Retention.TotalSeconds} s (--sequence-retention) have passed since its end");

    /// <summary>What a running stream's request has before it: renewed at each half of the retention, it is kept for all of
    /// it at least, even when its gateway dies.</summary>
    private TimeSpan Life => store!.Retention * 1.5;

    /// <summary>Whether a request is kept at all, if its record is not too large.</summary>
    public bool MayKeep(RequestPlan plan) => store is not null && plan.Sequences.Count <= StreamPosition.MaxSequences;

    /// <summary>Begins to keep a request whose sequences have started, and tries on while its stream runs; gives the stream's start, or
    /// null when it is not to be kept. Who knows the id can go on with the stream, and so it is not the one that answers show. Throws <see cref="ApiException"/> (429) while too much is kept.</summary>
    public StreamPosition? Keep(Guid id, RequestPlan plan, IReadOnlyList<Transcript> transcripts, DateTimeOffset created, ActiveRequest active)
    {
        if (!MayKeep(plan))
        {
            return null;
        }
        byte[] record = StoredRequest.Write(plan, transcripts, created);
        if (record.Length > options.Value.MaxKeptRequestBytes)
        {
            return null;
        }
        _kept!.Take(record.Length, active.Token);
        var start = new StreamPosition(id, transcripts.Count);
        active.Keeping = PutAsync(start.Request, record, active);
        return start;
    }

    /// <summary>Remembers where the events of a stream without ids lead, from now on or after those that were sent.</summary>
    public SentEvents? Log(StreamPosition? position, RequestPlan plan, SentEvents? sent, ActiveRequest active)
    {
        if (position is null || plan.EventIds)
        {
            return null;
        }
        sent ??= new SentEvents();
        _sent?.Begin(position.Request, sent, active.Token);
        return sent;
    }

    /// <summary>What this gateway has sent of a stream without ids; null where it knows of nothing.</summary>
    public SentEvents? Sent(Guid request) => _sent?.Find(request);

    /// <summary>Keeps what belongs to a request's sequence for as long as an ended stream; false where there is no room for it, or the
    /// store fails, or has just failed somebody. Throws nothing.</summary>
    public async Task<bool> KeepAsync(Guid name, byte[] record)
    {
        bool isAway = clock.GetTimestamp() < Volatile.Read(ref _receiptsPausedUntil);
        if (store is null || isAway || record.Length > options.Value.MaxKeptRequestBytes || !_receipts!.TryTake(record.Length))
        {
            return false;
        }
        try
        {
            using var patience = Patience(CancellationToken.None);
            await store.PutAsync(name, record, _self, store.Retention, patience.Token);
            return true;
        }
        catch (Exception exception)
        {
            // No answer waits for it while it is away; nor is more than one complaint made.
            if (Interlocked.Exchange(ref _receiptsPausedUntil, After(s_pause)) <= clock.GetTimestamp())
            {
                GatewayLog.ReceiptNotKept(logger, exception);
            }
            return false;
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _sent?.Dispose();
        base.Dispose();
    }

    /// <summary>Waits for the store before a stream's first event, but not for long, and not at all where another stream has just
    /// waited in vain.</summary>
    public async Task WaitAsync(ActiveRequest active)
    {
        if (clock.GetTimestamp() < Volatile.Read(ref _pausedUntil))
        {
            return;
        }
        await active.Keeping.WaitAsync(s_patience, clock).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!active.Keeping.IsCompleted)
        {
            Volatile.Write(ref _pausedUntil, After(s_pause));
        }
    }

    /// <summary>A kept request; null when there is none. Throws <see cref="ApiException"/> (503) when the store fails.</summary>
    public Task<byte[]?> FindAsync(Guid id, CancellationToken cancellationToken) => store is null
        ? Task.FromResult<byte[]?>(null)
        : AskAsync(token => store.FindAsync(id, token), cancellationToken);

    /// <summary>Makes this gateway the owner of a kept request, ends older streams of it wherever they run, and gives the
    /// new epoch; null when there is no such request any more. Throws <see cref="ApiException"/> (503) when the store
    /// fails.</summary>
    public async Task<int?> ClaimAsync(Guid id, CancellationToken cancellationToken)
    {
        if (store is null || await AskAsync(token => store.ClaimAsync(id, _self, Life, token), cancellationToken) is not { } claim)
        {
            return null;
        }
        requests.Supersede(id, claim.Epoch);
        if (claim.PreviousOwner != _self)
        {
            owners?.Supersede(claim.PreviousOwner, id, claim.Epoch);
        }
        return claim.Epoch;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (store is null)
        {
            return;
        }
        owners?.Superseded += requests.Supersede;
        using var timer = new PeriodicTimer(store.Retention / 2, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                using var patience = Patience(stoppingToken);
                await store.RenewAsync(requests.Streams, Life, patience.Token);
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                GatewayLog.NotRenewed(logger, exception);
            }
        }
    }

    private async Task PutAsync(Guid id, byte[] record, ActiveRequest active)
    {
        for (var pause = s_firstPause; ; pause = pause * 2 < s_pause ? pause * 2 : s_pause)
        {
            try
            {
                using var patience = Patience(active.Token);
                await store!.PutAsync(id, record, _self, Life, patience.Token);
                Volatile.Write(ref _pausedUntil, 0);
                active.Keep(id, epoch: 0);
                return;
            }
            catch (Exception exception) when (!active.Token.IsCancellationRequested)
            {
                long quietUntil = Volatile.Read(ref _quietUntil);
                if (clock.GetTimestamp() >= quietUntil && Interlocked.CompareExchange(ref _quietUntil, After(s_pause), quietUntil) == quietUntil)
                {
                    GatewayLog.NotKept(logger, exception);
                }
            }
            await Task.Delay(pause, clock, active.Token);
        }
    }

    private long After(TimeSpan time) => clock.GetTimestamp() + (long)(time.TotalSeconds * clock.TimestampFrequency);

    /// <summary>Asks the store for something that a client waits for.</summary>
    private static async Task<T> AskAsync<T>(Func<CancellationToken, Task<T>> ask, CancellationToken cancellationToken)
    {
        try
        {
            using var patience = Patience(cancellationToken);
            return await ask(patience.Token);
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw ApiErrors.Unavailable("The store that keeps streams' requests does not answer; try again.");
        }
    }

    private static CancellationTokenSource Patience(CancellationToken cancellationToken)
    {
        var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(s_patience);
        return patience;
    }
}
