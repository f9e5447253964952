using System.Globalization;
using Grid.Grains;
using Grid.Numerics;
using Microsoft.Extensions.Options;

namespace Grid.Sequences.Routing;

/// <summary>
/// Where sequences wait while every worker of their model is full: a bounded line per model and its bits, in which clients take
/// turns, each client's sequences in the order they came. A sequence leaves it when a worker reports room, when its
/// client gives up, or, refused, when it has waited too long.
/// </summary>
internal sealed class AdmissionQueue
{
    private readonly WorkerDirectory _workers;
    private readonly SequencesOptions _options;
    private readonly TimeProvider _time;
    private readonly CancellationToken _graceOver;
    private readonly Lock _gate = new();
    private readonly Dictionary<(string Model, string NumericsId), ModelLine> _lines = [];
    private int _waiting;

    /// <summary>Made by the container.</summary>
    public AdmissionQueue(WorkerDirectory workers, IOptions<SequencesOptions> options, Drain drain, TimeProvider time)
    {
        (_workers, _options, _time, _graceOver) = (workers, options.Value, time, drain.Over);
        workers.Reported += LetIn;
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

    /// <summary>Waits until the client's sequence may be offered to the model's workers. The place is held until it is
    /// disposed. Throws <see cref="RefusedException"/> when too many wait already or this one has waited too long.</summary>
    public async Task<AdmissionPlace> EnterAsync(string model, string? numericsId, string client, CancellationToken cancellationToken)
    {
        numericsId ??= _workers.Representative(model)?.Status.NumericsId;
        var place = new AdmissionPlace(this, (model, numericsId ?? ""), client, _time.GetTimestamp());
        if (numericsId is null)
        {
            return place; // Nobody to wait for; what becomes of the sequence is said elsewhere.
        }

        lock (_gate)
        {
            var line = LineOf(place.Content);
            if (line.Count == 0 && line.Entering < Room(place.Content))
            {
                line.Entering++;
                place.Held = true;
            }
            else
            {
                Stand(line, place);
            }
        }

        await WaitAsync(place, cancellationToken);
        return place;
    }

    /// <summary>All workers refused it as full: waits for its turn again.</summary>
    public Task ReturnAsync(AdmissionPlace place, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            Release(place);
            Stand(LineOf(place.Content), place);
        }

        return WaitAsync(place, cancellationToken);
    }

    /// <summary>It is known what has become of the sequence.</summary>
    public void Leave(AdmissionPlace place)
    {
        lock (_gate)
        {
            Release(place);
        }

        LetIn();
    }

    private async Task WaitAsync(AdmissionPlace place, CancellationToken cancellationToken)
    {
        if (place.Held)
        {
            return;
        }

        var left = _options.QueueTimeout - _time.GetElapsedTime(place.Since);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _graceOver);
        try
        {
            await place.Turn.Task.WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, _time, end.Token);
        }
        catch (Exception exception) when (exception is TimeoutException or OperationCanceledException)
        {
            var retryAfter = GiveUp(place);
            cancellationToken.ThrowIfCancellationRequested();
            throw _graceOver.IsCancellationRequested
                ? new RefusedException(Refusal.Unavailable("The gateway is shutting down."))
                : Refuse($"Every worker of model '{place.Content.Model}' has been full for {Seconds(_options.QueueTimeout)} s.", retryAfter);
        }
    }

    private TimeSpan GiveUp(AdmissionPlace place)
    {
        TimeSpan retryAfter;
        lock (_gate)
        {
            var line = LineOf(place.Content);
            retryAfter = line.ExpectedWait(_time);
            _waiting -= line.Remove(place) ? 1 : 0;
        }

        Leave(place); // Let in at the last moment, maybe.
        return retryAfter;
    }

    private void Stand(ModelLine line, AdmissionPlace place)
    {
        if (place.Round == 0 && line.Count >= _options.QueueSize)
        {
            throw Refuse(
                $"Every worker of model '{place.Content.Model}' is full, and {line.Count} sequences wait for one already, as many as may.",
                line.ExpectedWait(_time));
        }

        line.Add(place);
        _waiting++;
    }

    /// <summary>Lets in whom workers have room for.</summary>
    private void LetIn()
    {
        if (Volatile.Read(ref _waiting) == 0)
        {
            return; // Every report comes by here.
        }

        lock (_gate)
        {
            foreach (var (content, line) in _lines)
            {
                for (int room = line.Count == 0 ? 0 : Room(content); line.Count > 0 && line.Entering < room;)
                {
                    var next = line.TakeNext(_time);
                    _waiting--;
                    line.Entering++;
                    next.Held = true;
                    next.Turn.SetResult();
                }
            }
        }
    }

    private void Release(AdmissionPlace place)
    {
        if (place.Held)
        {
            place.Held = false;
            LineOf(place.Content).Entering--;
        }
    }

    /// <summary>Sequences that the workers of a model's content take. Where there is no worker, nobody is kept waiting: what becomes of
    /// the sequence is said elsewhere.</summary>
    private int Room((string Model, string NumericsId) content)
    {
        var workers = _workers.Find(worker => worker.Status.NumericsId == content.NumericsId && worker.Status.ModelId == content.Model);
        return workers.Length == 0 ? int.MaxValue : (int)Math.Min(int.MaxValue, workers.Sum(worker => (long)worker.Queue.Room));
    }

    private ModelLine LineOf((string Model, string NumericsId) content)
    {
        if (!_lines.TryGetValue(content, out var line))
        {
            _lines.Add(content, line = new ModelLine());
        }

        return line;
    }

    private static RefusedException Refuse(string reason, TimeSpan retryAfter) => new(new Refusal
    {
        Kind = RefusalKind.Overloaded,
        Rule = $"{reason} Try again in {Seconds(retryAfter)} s.",
        RetryAfter = retryAfter,
    });

    private static string Seconds(TimeSpan time) => Math.Ceiling(time.TotalSeconds).ToString(CultureInfo.InvariantCulture);
}

/// <summary>The right to offer a sequence to workers, and the wait for it; held until it is known whether one took it. What a line notes
/// about it is under the queue's lock.</summary>
/// <param name="queue">The queue.</param>
/// <param name="content">What it waits for: the model's name and the bits.</param>
/// <param name="client">Who asks.</param>
/// <param name="since">When it came.</param>
internal sealed class AdmissionPlace(AdmissionQueue queue, (string Model, string NumericsId) content, string client, long since) : IDisposable
{
    public (string Model, string NumericsId) Content => content;

    public string Client => client;

    public long Since => since;

    /// <summary>Its client's turn in the line; 0 while it has never had to wait.</summary>
    public long Round { get; set; }

    /// <summary>Counts the line's sequences as they come.</summary>
    public long Number { get; set; }

    /// <summary>When it was let in, among the line's departures; null while it waits.</summary>
    public LinkedListNode<long>? Departure { get; set; }

    /// <summary>Completed when it is let in.</summary>
    public TaskCompletionSource Turn { get; set; } = new();

    /// <summary>Whether it is let in.</summary>
    public bool Held { get; set; }

    /// <summary>All workers refused it as full: waits for its turn again.</summary>
    public Task WaitAgainAsync(CancellationToken cancellationToken) => queue.ReturnAsync(this, cancellationToken);

    public void Dispose() => queue.Leave(this);
}
