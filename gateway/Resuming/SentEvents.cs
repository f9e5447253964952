using System.Collections.Concurrent;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Options;

namespace Grid.Gateway.Resuming;

/// <summary>
/// Where each event of a stream without ids led, so that a client that has counted them can go on after any. How tokens were grouped into
/// events depends on timing, so only the gateway that sent them knows.
/// </summary>
internal sealed class SentEvents
{
    /// <summary>Events of a stream at most; what follows is not remembered.</summary>
    public const int Max = 1_000_000;

    private readonly List<(int Sequence, SequenceProgress Progress)> _moves;

    public SentEvents() : this([])
    {
    }

    private SentEvents(List<(int Sequence, SequenceProgress Progress)> moves) => _moves = moves;

    public int Count
    {
        get
        {
            lock (_moves)
            {
                return _moves.Count;
            }
        }
    }

    /// <summary>An event was sent.</summary>
    /// <param name="sequence">The sequence it tells of; -1 for none, -2 for the usage.</param>
    /// <param name="progress">What it leads to.</param>
    public void Add(int sequence, SequenceProgress progress)
    {
        lock (_moves)
        {
            if (_moves.Count < Max)
            {
                _moves.Add((sequence, progress));
            }
        }
    }

    /// <summary>The first events, for a stream that goes on after them, and where they led; null when there were fewer.</summary>
    public (SentEvents First, StreamPosition Position)? After(int events, Guid request, int sequences)
    {
        lock (_moves)
        {
            if (events > _moves.Count)
            {
                return null;
            }
            var position = new StreamPosition(request, sequences);
            foreach (var (sequence, progress) in _moves.Take(events))
            {
                if (sequence >= 0)
                {
                    position.Sequences[sequence] = progress;
                }
                else if (sequence == -2)
                {
                    position.Stage = StreamStage.Usage;
                }
            }
            return (new SentEvents([.. _moves.Take(events)]), position);
        }
    }
}

/// <summary>The events of streams under way, and of those that ended within a time, as far as there is room for them.</summary>
internal sealed class SentEventLog(IOptions<GatewayOptions> options, TimeSpan life) : IDisposable
{
    /// <summary>Bytes that an event takes.</summary>
    private const int EventBytes = 16;

    private readonly ConcurrentDictionary<Guid, SentEvents> _running = [];
    private readonly MemoryCache _ended = new(new MemoryCacheOptions { SizeLimit = options.Value.TotalKeptBytes / 4 });

    /// <summary>What was sent of a stream; null where nothing is known.</summary>
    public SentEvents? Find(Guid request) => _running.TryGetValue(request, out var events) ? events : _ended.Get<SentEvents>(request);

    /// <summary>A stream begins, or goes on after what was sent.</summary>
    public void Begin(Guid request, SentEvents events, CancellationToken ended)
    {
        _running[request] = events;
        ended.UnsafeRegister(_ =>
        {
            if (_running.TryRemove(KeyValuePair.Create(request, events)))
            {
                _ended.Set(request, events, new MemoryCacheEntryOptions { Size = 64 + ((long)events.Count * EventBytes), AbsoluteExpirationRelativeToNow = life });
            }
        }, null);
    }

    public void Dispose() => _ended.Dispose();
}
