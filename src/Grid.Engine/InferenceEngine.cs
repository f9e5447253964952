using Grid.Engine.Admission;
using Grid.Engine.Paging;
using Grid.Engine.PrefixCaching;
using Grid.Engine.Publishing;
using Grid.Engine.Sampling;
using Grid.Engine.Scheduling;
using Grid.Engine.Sequences;
using Grid.Models;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Engine;

/// <summary>One replica of a model on one device: continuous batching over a paged KV cache.</summary>
/// <remarks>
/// <see cref="TrySubmit"/>, <see cref="Cancel"/>, <see cref="RequestFlush"/> and <see cref="Status"/> may be used from any
/// thread; <see cref="Step"/> and <see cref="WaitForWork"/> from one thread only, the one that owns the device.
/// When <see cref="Step"/> throws, the device or the engine is broken and the engine cannot be used further.
/// </remarks>
public sealed class InferenceEngine : IInferenceEngine, IDisposable
{
    private readonly ICausalLanguageModel _model;
    private readonly IOperations _operations;
    private readonly KvCache _kvCache;
    private readonly RequestValidator _validator;
    private readonly Inbox _inbox;
    private readonly WaitingQueue _waiting = new();
    private readonly PagePool _pool;
    private readonly PrefixCache _prefixes;
    private readonly SequencePages _pages;
    private readonly Scheduler _scheduler;
    private readonly LaunchedStep[] _stepsInTurn;
    private readonly Sampler _sampler;
    private readonly Publisher _publisher;
    private LaunchedStep? _ahead;
    private int _turn;
    private bool _wasIdle = true;
    private bool _isPaused;
    private bool _retracts;
    private WeightExchange? _exchange;
    private long _steps;
    private volatile bool _broken;

    /// <summary>Allocates the KV cache and working memory. Throws <see cref="ArgumentOutOfRangeException"/> naming option,
    /// value and rule.</summary>
    public InferenceEngine(ICausalLanguageModel model, IOperations operations, EngineOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(operations);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate(model);
        _model = model;
        _operations = operations;
        _kvCache = model.AllocateKvCache(options.KvPages);
        _validator = new RequestValidator(model.Config, options.KvPages);
        _inbox = new Inbox();
        _pool = new PagePool(options.KvPages);
        _prefixes = new PrefixCache(options.KvPages);
        _pages = new SequencePages(_pool, _prefixes, options.PrefixCaching);
        _scheduler = new Scheduler(_pages, _waiting, options);
        _stepsInTurn = [new LaunchedStep(options.MaxBatchTokens), new LaunchedStep(options.MaxBatchTokens)];
        _sampler = new Sampler(model, operations, options.MaxBatchTokens, options.MaxLogitRows);
        _publisher = new Publisher(_inbox, _waiting, _scheduler, _pages);
        ReportLoad();
    }

    /// <summary>Current load, readable from any thread.</summary>
    public EngineStatus Status => _inbox.Status;

    internal Scheduler Scheduler => _scheduler;

    internal WaitingQueue Waiting => _waiting;

    internal PagePool Pool => _pool;

    internal PrefixCache Prefixes => _prefixes;

    internal bool SharesPages => _pages.Sharing;

    /// <summary>Whether no further step is given to the device for now.</summary>
    private bool IsHeld => _isPaused || _exchange is not null;

    /// <summary>Has somebody told of every page that enters or leaves the prefix cache; before the first step.</summary>
    public void Observe(IPrefixCacheObserver observer) => _prefixes.Observer = observer;

    /// <summary>Queues a sequence; false when there is no room for one more of its rank (resumed ones are always taken). Throws
    /// <see cref="RefusedException"/> when the request cannot run on this model.</summary>
    public bool TrySubmit(SequenceRequest request)
    {
        ThrowIfBroken();
        _validator.Validate(request);
        return _inbox.TrySubmit(new Sequence(request, _model.Config.EndTokenIds, _model.Config.MaxPositions));
    }

    /// <summary>Ends a waiting or running sequence: the next step reports it as <see cref="FinishReason.Cancelled"/>.
    /// Unknown ids are ignored (it may just have finished).</summary>
    public void Cancel(SequenceId id) => _inbox.Cancel(id);

    /// <summary>Asks for all unleased prefix-cache pages to be dropped before the next step.</summary>
    public void RequestFlush() => _inbox.RequestFlush();

    /// <summary>Holds all sequences before the next step; new ones are taken, and wait. They go on with the same bits.</summary>
    /// <param name="retract">Whether they give their slots and pages back, so that a flush drops all pages; they are recomputed when they go
    /// on.</param>
    public void Pause(bool retract) => _inbox.Pause(retract);

    /// <summary>Has held sequences go on.</summary>
    public void Continue() => _inbox.Continue();

    /// <summary>
    /// Puts new weights in place between two steps, and drops the prefix cache. Ends with <see cref="InvalidOperationException"/>, and
    /// nothing has changed, when a sequence waits or runs then: its keys and values would be of the old weights. When <paramref name="apply"/>
    /// throws, so does the step, for the weights are of neither kind.
    /// </summary>
    /// <param name="apply">Called on the step thread, while the device does nothing else.</param>
    public Task ExchangeWeightsAsync(Action apply)
    {
        ThrowIfBroken();
        var exchange = new WeightExchange(apply);
        _inbox.Exchange(exchange);
        return exchange.Done;
    }

    /// <summary>Blocks until there is work for <see cref="Step"/> or the token is cancelled; returns in both cases.</summary>
    public void WaitForWork(CancellationToken cancellationToken)
    {
        if (_ahead is null && (_isPaused || (_scheduler.Running.Count == 0 && _waiting.Count == 0)))
        {
            _wasIdle = true;
            _inbox.Wait(cancellationToken);
        }
    }

    /// <summary>Runs one step and returns its events in order; the list is reused by the next step. Without work it
    /// returns at once. On a device that runs ahead, the step after it is given to the device before this one's events are there,
    /// where it needs no more than the tokens drawn; a sequence that ends meanwhile has a row for nothing.</summary>
    public IReadOnlyList<EngineEvent> Step()
    {
        ThrowIfBroken();
        try
        {
            _publisher.Clear();
            TakeCommands();
            if ((_ahead ?? (IsHeld ? null : LaunchNext())) is { } step)
            {
                _ahead = IsHeld ? null : TryLaunchAhead(step);
                var tasks = step.Batches.Tasks;
                _publisher.Publish(step.Plan, tasks, _sampler.End(step));
            }
            else
            {
                _wasIdle = true;
            }

            if (_ahead is null)
            {
                BetweenSteps();
            }

            ReportLoad();
            return _publisher.Events;
        }
        catch (Exception exception)
        {
            _broken = true;
            _exchange?.Refuse(exception);
            throw;
        }
    }

    /// <summary>Runs a few sequences of its own, one with a prompt of so many tokens, so that code is compiled and the device at
    /// speed before the first request comes. Nothing of it stays: no page, no count. On the step thread or before it
    /// starts, while nothing else waits or runs, and before anybody observes the prefix cache.</summary>
    /// <param name="promptTokens">Cut to what one sequence can hold.</param>
    public void WarmUp(int promptTokens)
    {
        int most = (int)Math.Min(_model.Config.MaxPositions, (long)_pool.TotalPages * AttentionLayout.BlockTokens);
        foreach (var request in WarmUpRequests.Create(promptTokens, most, _model.Config.VocabularySize))
        {
            TrySubmit(request);
        }

        while (Status is { Running: > 0 } or { Waiting: > 0 } || _ahead is not null)
        {
            Step();
        }

        _pages.Flush();
        _publisher.Clear();
        _publisher.ForgetCounts();
        _sampler.ForgetTimes();
        _scheduler.ForgetCounts();
        _steps = 0;
        ReportLoad();
    }

    /// <summary>Frees the KV cache and the logits; model and operations are their owner's.</summary>
    public void Dispose()
    {
        if (!_broken && _ahead is { } step)
        {
            _sampler.End(step);
        }

        _broken = true;
        _sampler.Dispose();
        _kvCache.Dispose();
    }

    private void TakeCommands()
    {
        foreach (var command in _inbox.TakeAll())
        {
            switch (command.Kind)
            {
                case CommandKind.Submit:
                    command.Sequence!.ExpectedTokens = _pages.UncachedTokens(command.Sequence);
                    _waiting.AddLast(command.Sequence);
                    break;
                case CommandKind.Cancel:
                    _publisher.Cancel(command.Sequence!);
                    break;
                case CommandKind.Flush:
                    _pages.Flush();
                    break;
                case CommandKind.Exchange:
                    _exchange?.Refuse(new InvalidOperationException("Other weights came first."));
                    _exchange = command.Exchange;
                    break;
                default:
                    _isPaused = command.Kind != CommandKind.Continue;
                    _retracts = command.Kind == CommandKind.Retract;
                    break;
            }
        }
    }

    /// <summary>Does what must not meet a step.</summary>
    private void BetweenSteps()
    {
        if (_retracts)
        {
            _retracts = false;
            _scheduler.PreemptAll();
        }

        if (_exchange is { } exchange)
        {
            _exchange = null;
            Exchange(exchange);
        }
    }

    private void Exchange(WeightExchange exchange)
    {
        if (_scheduler.Running.Count > 0 || _waiting.Count > 0)
        {
            exchange.Refuse(new InvalidOperationException(
                $"{_scheduler.Running.Count} sequences run and {_waiting.Count} wait; weights are exchanged while there are none."));
            return;
        }

        exchange.Apply();
        _pages.Flush();
        exchange.Complete();
    }

    /// <summary>Gives the next step to the device; null when there is none.</summary>
    private LaunchedStep? LaunchNext()
    {
        var step = _stepsInTurn[_turn];
        _scheduler.Schedule(step.Plan);
        return step.Plan.RowCount > 0 ? Launch(step) : null;
    }

    /// <summary>Gives the device the step after one that it is still at; null when that must be published first.</summary>
    private LaunchedStep? TryLaunchAhead(LaunchedStep before)
    {
        var step = _stepsInTurn[_turn];
        return before.LeftToDevice && _scheduler.TryScheduleAhead(before.Batches.Tasks, step.Plan) ? Launch(step) : null;
    }

    private LaunchedStep Launch(LaunchedStep step)
    {
        Forward(step.Batches.Build(step.Plan));
        step.AfterPause = _wasIdle;
        step.LeftToDevice = _sampler.Begin(step.Batches.Tasks);
        _wasIdle &= !step.LeftToDevice; // Until a step that the device times.
        _turn ^= 1;
        return step;
    }

    private void Forward(BatchLayout batch)
    {
        if (_pool.PagesToClear.Length > 0)
        {
            _operations.ClearPages(_kvCache, _pool.PagesToClear);
            _pool.MarkCleared();
        }

        _model.Forward(batch, _kvCache);
        _steps++;
    }

    private void ReportLoad() => _inbox.Report(new EngineLoad(
        _scheduler.Running.Count, _waiting.Count, _pool.FreePages, _prefixes.CachedPages, _pool.TotalPages, _steps,
        _publisher.GeneratedTokens, _publisher.PromptTokens, _publisher.CachedPromptTokens, _scheduler.Preemptions,
        _waiting.ExpectedTokens + _scheduler.PrefillTokens, _prefixes.UnleasedPages, _scheduler.Room, _scheduler.DisplacedRank,
        _sampler.DeviceBusy, _sampler.DeviceIdle));

    private void ThrowIfBroken()
    {
        if (_broken)
        {
            throw new InvalidOperationException("An earlier step failed, or the engine was disposed; it cannot be used further.");
        }
    }
}

/// <summary>An engine's load at one moment.</summary>
/// <param name="Running">Sequences admitted.</param>
/// <param name="Waiting">Sequences waiting for admission, preempted ones included.</param>
/// <param name="FreePages">Pages that hold nothing.</param>
/// <param name="CachedPages">Pages in the prefix cache, in use by sequences or not.</param>
/// <param name="TotalPages">All pages; those neither free nor cached belong to one sequence each.</param>
/// <param name="Steps">Forward passes so far.</param>
/// <param name="GeneratedTokens">Output tokens so far.</param>
/// <param name="PromptTokens">Prompt tokens of sequences admitted so far.</param>
/// <param name="CachedPromptTokens">How many of them the prefix cache gave.</param>
/// <param name="Preemptions">Preemptions so far.</param>
public sealed record EngineStatus(
    int Running, int Waiting, int FreePages, int CachedPages, int TotalPages, long Steps, long GeneratedTokens,
    long PromptTokens, long CachedPromptTokens, long Preemptions)
{
    /// <summary>Tokens that wait for prefill: those that running sequences have still to compute, and those that waiting
    /// ones would have had to when they came.</summary>
    public long QueuedTokens { get; init; }

    /// <summary>Those of the cached pages that no sequence uses: the next ones to be taken when pages are short.</summary>
    public int UnleasedPages { get; init; }

    /// <summary>Time that the device spent on steps, by its own clock; null where it does not say.</summary>
    public TimeSpan? DeviceBusy { get; init; }

    /// <summary>Time that the device had nothing to do while there was something for the engine to do.</summary>
    public TimeSpan? DeviceIdle { get; init; }

    /// <summary>Whether sequences are held.</summary>
    public bool Paused { get; init; }

    /// <summary>Sequences that would be taken now.</summary>
    public int Room { get; init; }

    /// <summary>A sequence of a lower rank is taken though there is no room; 0: none is.</summary>
    public int DisplacedRank { get; init; }
}
