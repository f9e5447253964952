using System.Globalization;
using Grid.Grains;
using Grid.Numerics;
using Microsoft.Extensions.Options;

namespace Grid.Sequences.Routing;

/// <summary>
/// Where sequences wait while every worker of their model is full: a bounded line per model and its bits, in which clients take
/// turns. A sequence leaves it when a worker reports room, when its client gives up, or, refused, when it has waited too long.
/// </summary>
internal sealed class AdmissionQueue
{
    private readonly WorkerDirectory _workers;
    private readonly SequencesOptions _options;
    private readonly TimeProvider _time;
    private readonly CancellationToken _graceOver;
    private readonly Lock _gate = new();
    private readonly Dictionary<(string Model, string NumericsId), ModelLine> _lines = [];

    /// <summary>Made by the container.</summary>
    public AdmissionQueue(WorkerDirectory workers, IOptions<SequencesOptions> options, Drain drain, TimeProvider time)
    {
        (_workers, _options, _time, _graceOver) = (workers, options.Value, time, drain.Over);
        workers.Changed += LetIn;
    }

    /// <summary>Sequences waiting for workers of a model.</summary>
    public int Waiting(string model)
    {
        lock (_gate)
        {
            return _lines.Where(line => line.Key.Model == model).Sum(line => line.Value.Count);
        }
    }

    /// <summary>Waits until the client's sequence may be offered to the model's workers. Its place counts until it is
    /// given back. Throws <see cref="RefusedException"/> when too many wait already or this one has waited too long.</summary>
    public async Task<AdmissionPlace> EnterAsync(string model, string? numericsId, string client, CancellationToken cancellationToken)
    {
        var content = (model, numericsId ?? _workers.Representative(model)?.Status.NumericsId ?? "");
        AdmissionPlace place;
        lock (_gate)
        {
            if (!_lines.TryGetValue(content, out var line))
            {
                _lines.Add(content, line = new ModelLine(_time, _options.QueueAgeing));
            }

            place = line.Add(client);
            LetIn(content, line);
            Stand(place, model);
        }

        await WaitAsync(place, model, cancellationToken);
        return place;
    }

    /// <summary>All workers refused it as full: waits for its turn again.</summary>
    public Task ReturnAsync(AdmissionPlace place, string model, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            place.Line.PutBack(place);
            Stand(place, model);
        }

        return WaitAsync(place, model, cancellationToken);
    }

    /// <summary>A worker took the sequence.</summary>
    public void Depart(AdmissionPlace place)
    {
        lock (_gate)
        {
            place.Line.Depart(place);
        }
    }

    /// <summary>The sequence has ended, or waits no longer.</summary>
    public void Leave(AdmissionPlace place)
    {
        lock (_gate)
        {
            place.Line.Remove(place);
        }

        LetIn();
    }

    /// <summary>Refuses one more than may wait.</summary>
    private void Stand(AdmissionPlace place, string model)
    {
        if (place is { State: PlaceState.Waiting, HasWaited: false } && place.Line.Count > _options.QueueSize)
        {
            place.Line.Remove(place);
            throw Refuse(
                $"Every worker of model '{model}' is full, and {place.Line.Count} sequences wait for one already, as many as may.", place.Line.ExpectedWait());
        }

        place.HasWaited |= place.State == PlaceState.Waiting;
    }

    private async Task WaitAsync(AdmissionPlace place, string model, CancellationToken cancellationToken)
    {
        var left = _options.QueueTimeout - _time.GetElapsedTime(place.Since);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _graceOver);
        try
        {
            await place.Turn.Task.WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, _time, end.Token);
        }
        catch (Exception exception) when (exception is TimeoutException or OperationCanceledException)
        {
            TimeSpan retryAfter;
            lock (_gate)
            {
                retryAfter = place.Line.ExpectedWait();
            }

            Leave(place); // Let in at the last moment, maybe.
            cancellationToken.ThrowIfCancellationRequested();
            throw _graceOver.IsCancellationRequested
                ? new RefusedException(Refusal.Unavailable("The gateway is shutting down."))
                : Refuse($"Every worker of model '{model}' has been full for {Seconds(_options.QueueTimeout)} s.", retryAfter);
        }
    }

    private void LetIn()
    {
        lock (_gate)
        {
            foreach (var (content, line) in _lines)
            {
                LetIn(content, line);
            }
        }
    }

    /// <summary>Lets in whom workers have room for. Where there is no worker, nobody is kept waiting: what becomes of the sequence is
    /// said elsewhere.</summary>
    private void LetIn((string Model, string NumericsId) content, ModelLine line)
    {
        if (line.Count > 0)
        {
            var workers = _workers.Find(worker => worker.Status.NumericsId == content.NumericsId && worker.Status.ModelId == content.Model);
            long room = workers.Length == 0 ? long.MaxValue : workers.Sum(worker => (long)worker.Queue.Room);
            while (line.Count > 0 && line.Entering < room)
            {
                line.TakeNext().Turn.SetResult();
            }
        }
    }

    private static RefusedException Refuse(string reason, TimeSpan retryAfter) => new(new Refusal
    {
        Kind = RefusalKind.Overloaded,
        Rule = $"{reason} Try again in {Seconds(retryAfter)} s.",
        RetryAfter = retryAfter,
    });

    private static string Seconds(TimeSpan time) => Math.Ceiling(time.TotalSeconds).ToString(CultureInfo.InvariantCulture);
}

/// <summary>Where a sequence stands in its line.</summary>
internal enum PlaceState
{
    /// <summary>It waits.</summary>
    Waiting,

    /// <summary>It was let in, and it is not known yet whether a worker took it.</summary>
    Entering,

    /// <summary>A worker took it.</summary>
    Running,

    /// <summary>It has ended, or gave up.</summary>
    Left,
}

/// <summary>A sequence's place in its line, from when it comes until it ends. What changes is under the queue's lock.</summary>
/// <param name="line">The line.</param>
/// <param name="client">Who asks.</param>
/// <param name="number">Counts the line's sequences as they come.</param>
/// <param name="since">When it came.</param>
internal sealed class AdmissionPlace(ModelLine line, ClientShare client, long number, long since)
{
    public ModelLine Line => line;

    public ClientShare Client => client;

    public long Number => number;

    public long Since => since;

    public PlaceState State { get; set; }

    /// <summary>Whether it may stay: the line's bound is for those that come.</summary>
    public bool HasWaited { get; set; }

    /// <summary>Completed when it is let in.</summary>
    public TaskCompletionSource Turn { get; set; } = NewTurn();

    public static TaskCompletionSource NewTurn() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
