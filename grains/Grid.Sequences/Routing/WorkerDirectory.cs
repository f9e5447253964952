using System.Collections.Concurrent;
using Grid.Grains;
using Grid.Grains.Messages;
using Grid.Grains.Placement;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Metadata;

namespace Grid.Sequences.Routing;

/// <summary>
/// The workers this gateway knows: a hosted service that follows the cluster's manifest. Silos that do not host the
/// worker node's grain type (gateways) are never asked. A gateway is linked to all workers; a node with workers of its own only while
/// somebody asks it (<see cref="OpenAsync"/>), and otherwise to its own.
/// </summary>
public sealed partial class WorkerDirectory(
    IClusterManifestProvider manifests, IGrainFactory grains, ILocalSiloDetails silo, ISiloProbe probe,
    IOptions<SequencesOptions> options, TimeProvider time, ILogger<WorkerDirectory> logger) : BackgroundService
{
    private static readonly TimeSpan s_firstLook = TimeSpan.FromSeconds(5);

    private static readonly GrainType NodeType = GrainType.Create(IWorkerNodeGrain.GrainTypeName);

    private readonly TextModelCache _texts = new();
    private readonly ConcurrentDictionary<WorkerId, WorkerLink> _links = new();
    private readonly ConcurrentDictionary<SiloAddress, Node> _nodes = new();
    private readonly SequencesOptions _options = options.Value;
    private readonly Lock _opening = new();
    private readonly CancellationTokenSource _stop = new();
    private ClusterManifest? _manifest;
    private long _since = time.GetTimestamp();
    private long _lastUse = time.GetTimestamp();
    private int _users;
    private bool _isOpen;
    private Task _opened = Task.CompletedTask;
    private volatile TaskCompletionSource _changed = NewSignal();
    private LiveWorker[] _live = [];
    private LiveWorker[] _expected = [];
    private Dictionary<string, LiveWorker> _representatives = [];
    private Dictionary<string, int> _contexts = [];
    private volatile bool _followed;

    /// <summary>This gateway.</summary>
    public GatewayId Gateway { get; } = GatewayId.Of(silo.SiloAddress);

    /// <summary>Workers whose step stream is up, ordered by key.</summary>
    public IReadOnlyList<LiveWorker> Live => Volatile.Read(ref _live);

    /// <summary>The live workers, and those lost so recently that they may be back: what the grid serves does not change
    /// because a worker was held up for a moment.</summary>
    public IReadOnlyList<LiveWorker> Expected => Volatile.Read(ref _expected);

    /// <summary>Workers whose device has failed for good while their silo lives on, ordered by key.</summary>
    public IReadOnlyList<WorkerStatus> Failed => [.. _links.Values.Select(link => link.Failed).OfType<WorkerStatus>().OrderBy(status => status.Worker.Key, StringComparer.Ordinal)];

    /// <summary>Whether every node that is known was asked for its workers and each of those was called once, or a gateway that has
    /// just started, or was just opened, has had its time for that.</summary>
    public bool KnowsAll => HasHeardAll || time.GetElapsedTime(Interlocked.Read(ref _since)) > s_firstLook;

    private bool HasOwnWorkers => manifests.LocalGrainManifest.Grains.ContainsKey(NodeType);

    private bool HasHeardAll => _followed && _nodes.Values.All(node => node.IsAsked) && _links.Values.All(link => link.HasBeenUp);

    /// <summary>Tokens that one sequence of a NumericsId may come to, prompt and output: what the largest of its workers takes, live or
    /// expected back. 0 where there is none.</summary>
    public int ContextOf(string numericsId) => Volatile.Read(ref _contexts).GetValueOrDefault(numericsId);

    /// <summary>Raised after <see cref="Live"/> or <see cref="Expected"/> changed.</summary>
    public event Action? Changed;

    /// <summary>Raised when a worker has said how loaded it is.</summary>
    public event Action<LiveWorker>? Reported;

    /// <summary>The live workers by what they serve.</summary>
    internal WorkerPools Pools { get; } = new();

    /// <summary>The worker that stands for a model, live or expected back: of those that serve it the one that came up
    /// first. Its NumericsId is the model's, so that equal requests get equal bits on every gateway; workers that serve
    /// other bits under the same name get no sequences until the last of these has gone, hangs or is in quarantine. Null when
    /// none serves it.</summary>
    public LiveWorker? Representative(string modelId) => Representatives.GetValueOrDefault(modelId);

    /// <summary>The <see cref="Representative"/> of every model, by model id.</summary>
    public IReadOnlyDictionary<string, LiveWorker> Representatives => Volatile.Read(ref _representatives);

    /// <summary>Waits until a live worker fits; false when none did in time. A deadline ends the waiting and not the search.</summary>
    public async Task<bool> WaitForAsync(Func<LiveWorker, bool> fits, TimeSpan timeout, CancellationToken deadline)
    {
        long start = time.GetTimestamp();
        while (true)
        {
            var changed = _changed.Task;
            if (Live.Any(worker => worker.State == WorkerState.Live && fits(worker)))
            {
                return true;
            }

            var left = timeout - time.GetElapsedTime(start);
            if (left <= TimeSpan.Zero || deadline.IsCancellationRequested)
            {
                return false;
            }

            await changed.WaitAsync(left, time, deadline).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>A live worker of a NumericsId that fits; null where there is none. Where the last one has just been lost or hangs, it or
    /// another is waited for, as running sequences wait, until the deadline at most.</summary>
    public async Task<LiveWorker?> FindExpectedAsync(string? numericsId, Func<LiveWorker, bool> fits, CancellationToken deadline)
    {
        bool Fits(LiveWorker worker) => worker.Status.NumericsId == numericsId && fits(worker);
        LiveWorker? There() => Array.Find(Pools.Of(numericsId).Workers, worker => worker.State == WorkerState.Live && fits(worker));
        if (There() is { } there)
        {
            return there;
        }

        bool isThere = Live.Any(worker => Fits(worker) && worker.State is WorkerState.Live or WorkerState.Draining);
        if (!isThere && Expected.Any(worker => Fits(worker) && worker.State is WorkerState.Lost or WorkerState.Stuck))
        {
            var before = Expected.Where(Fits).ToArray();
            await WaitForAsync(worker => Fits(worker) || before.Any(one => IsNewer(worker.Status, one.Status)), _options.FailoverWait, deadline);
        }

        return There();
    }

    /// <summary>Whether a worker of the same model has got weights later: with it, the older ones are not coming back.</summary>
    private static bool IsNewer(WorkerStatus status, WorkerStatus than) =>
        status.ModelId == than.ModelId && status.WeightsSince is { } since && !(than.WeightsSince >= since);

    /// <summary>Whoever asks this gateway something comes by here first: a node that has only been linked to its own workers is linked to
    /// all, and the first to ask waits for their answers, for <see cref="SequencesOptions.LinkPatience"/> at most.</summary>
    public Task OpenAsync(CancellationToken cancellationToken)
    {
        Interlocked.Exchange(ref _lastUse, time.GetTimestamp());
        Task opened;
        lock (_opening)
        {
            if (!_isOpen)
            {
                _isOpen = true;
                Interlocked.Exchange(ref _since, time.GetTimestamp());
                Follow(Newest(manifests.Current));
                _opened = HearAllAsync();
            }

            opened = _opened;
        }

        return opened.IsCompleted ? Task.CompletedTask : opened.WaitAsync(cancellationToken);
    }

    /// <summary>A sequence runs here, or something else that takes long: links stay.</summary>
    public void Enter() => Interlocked.Increment(ref _users);

    /// <summary>It has ended.</summary>
    public void Leave()
    {
        Interlocked.Exchange(ref _lastUse, time.GetTimestamp());
        Interlocked.Decrement(ref _users);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _stop.Dispose();
        base.Dispose();
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var stop = stoppingToken.UnsafeRegister(static stop => ((CancellationTokenSource)stop!).Cancel(), _stop);
        var watching = WatchAsync(stoppingToken);
        try
        {
            FollowNow(manifests.Current);
            await foreach (var manifest in manifests.Updates.WithCancellation(stoppingToken))
            {
                FollowNow(manifest);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }

        await Task.WhenAll(_nodes.Values.Select(node => node.StopAsync()).Append(watching));
    }

    /// <summary>A worker has said how loaded it is.</summary>
    internal void Report(LiveWorker worker) => Raise(Reported, worker);

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void FollowNow(ClusterManifest manifest)
    {
        lock (_opening)
        {
            _isOpen |= !HasOwnWorkers;
            Follow(Newest(manifest));
        }
    }

    /// <summary>Of what was seen: an update may come before the provider says that it is current.</summary>
    private ClusterManifest Newest(ClusterManifest manifest) =>
        _manifest = _manifest is { } known && known.Version > manifest.Version ? known : manifest;

    private void Follow(ClusterManifest manifest)
    {
        foreach (var (node, types) in manifest.Silos)
        {
            if ((_isOpen || node.Equals(silo.SiloAddress)) && types.Grains.ContainsKey(NodeType) && !_nodes.ContainsKey(node))
            {
                var added = _nodes[node] = new Node(CancellationTokenSource.CreateLinkedTokenSource(_stop.Token));
                added.Run = RunNodeAsync(node, added);
            }
        }

        foreach (var (address, node) in _nodes.Where(node => !manifest.Silos.ContainsKey(node.Key)))
        {
            LogNodeGone(address);
            Forget(address, node);
        }

        _followed = true;
    }

    private void Forget(SiloAddress address, Node node)
    {
        node.StopAsync().Ignore();
        _nodes.TryRemove(address, out _);
    }

    private async Task HearAllAsync()
    {
        using var patience = new CancellationTokenSource(_options.LinkPatience, time);
        for (var changed = _changed.Task; !HasHeardAll && !patience.IsCancellationRequested; changed = _changed.Task)
        {
            await changed.WaitAsync(patience.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Lets go of other nodes' workers when nobody has asked for long.</summary>
    private void CloseWhereUnused()
    {
        if (Volatile.Read(ref _users) > 0 || time.GetElapsedTime(Interlocked.Read(ref _lastUse)) <= _options.LinkRetention)
        {
            return;
        }

        lock (_opening)
        {
            if (_isOpen && HasOwnWorkers && time.GetElapsedTime(Interlocked.Read(ref _lastUse)) > _options.LinkRetention)
            {
                _isOpen = false;
                foreach (var (address, node) in _nodes.Where(node => !node.Key.Equals(silo.SiloAddress)))
                {
                    Forget(address, node);
                }
            }
        }
    }

    private async Task RunNodeAsync(SiloAddress address, Node node)
    {
        await Task.Yield();
        var grain = grains.GetGrain<IWorkerNodeGrain>(new SiloKey(address, IWorkerNodeGrain.KeyName).ToString());
        while (!node.Stopping.IsCancellationRequested)
        {
            try
            {
                var workers = await grain.GetWorkers().WaitObservedAsync(node.Stopping);
                var links = Task.WhenAll(workers.Select(worker => RunLinkAsync(worker, node)));
                node.IsAsked = true;
                Refresh(); // It may have none.
                await links;
                return;
            }
            catch (Exception exception) when (!node.Stopping.IsCancellationRequested)
            {
                node.IsAsked = true;
                LogNodeSilent(exception, address);
                await Task.Delay(_options.ReconnectDelay, time, node.Stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private async Task RunLinkAsync(WorkerId worker, Node node)
    {
        var cancellationToken = node.Stopping;
        var grain = grains.GetGrain<IGpuWorkerGrain>(worker.Key);
        var link = new WorkerLink(worker, grain, Gateway, probe, _texts, Pools, _options, time, Refresh, Report, logger);
        _links[worker] = link;
        await link.RunAsync(cancellationToken);
        if (link.Failed is not null)
        {
            // To be shown for as long as its silo lives on with other devices.
            Refresh();
            await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        _links.TryRemove(new(worker, link));
        Refresh();
    }

    private void Refresh()
    {
        lock (_links)
        {
            Volatile.Write(ref _expected, Ordered(link => link.Expected));
            Volatile.Write(ref _contexts, _expected.GroupBy(worker => worker.Status.NumericsId, StringComparer.Ordinal)
                .ToDictionary(group => group.Key, group => group.Max(worker => worker.Status.Limits.MaxContextTokens), StringComparer.Ordinal));
            Volatile.Write(ref _representatives, _expected.GroupBy(worker => worker.Status.ModelId, StringComparer.Ordinal)
                .ToDictionary(group => group.Key, RepresentativeOf, StringComparer.Ordinal));

            // Last: who finds a live worker finds its model served.
            Volatile.Write(ref _live, Ordered(link => link.Live));
        }

        Raise(static directory => directory.Changed?.Invoke(), this);
        Interlocked.Exchange(ref _changed, NewSignal()).TrySetResult();
    }

    private void Raise<T>(Action<T>? handler, T news)
    {
        try
        {
            handler?.Invoke(news);
        }
        catch (Exception exception)
        {
            LogHandlerFailed(exception); // Whoever failed, the links go on.
        }
    }

    /// <summary>Of a model's workers those that got weights last, and of these the one that came up first, among those of contents that
    /// anybody can serve: a worker that hangs, is in quarantine or about to change does not keep others from serving under its name.</summary>
    private static LiveWorker RepresentativeOf(IEnumerable<LiveWorker> workers)
    {
        var contents = workers.GroupBy(worker => worker.Status.NumericsId, StringComparer.Ordinal).ToArray();
        var usable = contents.Where(content => content.Any(worker => worker.State is not (WorkerState.Quarantined or WorkerState.Stuck or WorkerState.Updating))).ToArray();
        return (usable.Length > 0 ? usable : contents).SelectMany(content => content)
            .OrderByDescending(worker => worker.Status.WeightsSince).ThenBy(worker => worker.Status.Started).First();
    }

    private LiveWorker[] Ordered(Func<WorkerLink, LiveWorker?> choose) =>
        [.. _links.Values.Select(choose).OfType<LiveWorker>().OrderBy(worker => worker.Status.Worker.Key, StringComparer.Ordinal)];

    private async Task WatchAsync(CancellationToken stoppingToken)
    {
        // Ticks that this process missed come as one.
        using var timer = new PeriodicTimer(_options.WorkerSilence / SequencesOptions.SilenceTicks, time);
        using var end = stoppingToken.UnsafeRegister(static timer => ((PeriodicTimer)timer!).Dispose(), timer);
        while (await timer.WaitForNextTickAsync(CancellationToken.None))
        {
            bool forgot = false;
            foreach (var link in _links.Values)
            {
                link.CheckSilence();
                forgot |= link.ForgetLost();
            }

            if (forgot)
            {
                Refresh();
            }

            CloseWhereUnused();
        }
    }

    /// <summary>A silo with workers, while it is a member and linked.</summary>
    private sealed class Node(CancellationTokenSource stop)
    {
        /// <summary>Cancelled when it is no longer a member.</summary>
        public CancellationToken Stopping { get; } = stop.Token;

        public Task Run { get; set; } = Task.CompletedTask;

        /// <summary>Whether it was asked for its workers once.</summary>
        public bool IsAsked { get; set; }

        public async Task StopAsync()
        {
            await stop.CancelAsync();
            await Run;
            stop.Dispose();
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Silo {Silo} left; its workers are gone")]
    private partial void LogNodeGone(SiloAddress silo);

    [LoggerMessage(Level = LogLevel.Error, Message = "A listener to the workers' news failed")]
    private partial void LogHandlerFailed(Exception exception);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Silo {Silo} did not say which workers it has")]
    private partial void LogNodeSilent(Exception exception, SiloAddress silo);
}
