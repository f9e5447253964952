using Grid.Gateway.Http;

namespace Grid.Gateway.Resuming;

/// <summary>The bytes of all requests that this gateway keeps: of streams under way, and of those that ended within a time.</summary>
/// <param name="max">Most bytes.</param>
/// <param name="life">How long a request is kept after its stream's end.</param>
/// <param name="clock">Time.</param>
internal sealed class KeptBudget(long max, TimeSpan life, TimeProvider clock)
{
    private readonly Lock _lock = new();
    private readonly Queue<(long Ended, int Bytes)> _ended = new();
    private long _bytes;

    /// <summary>Takes a request in. Throws <see cref="ApiException"/> (429), with the time until another one is let go of.</summary>
    public void Take(int bytes, CancellationToken streamEnded)
    {
        lock (_lock)
        {
            (long Ended, int Bytes) first;
            while (_ended.TryPeek(out first) && clock.GetElapsedTime(first.Ended) >= life)
            {
                _bytes -= _ended.Dequeue().Bytes;
            }
            if (_bytes + bytes > max)
            {
                throw ApiErrors.Overloaded(
                    $"The streams of the last {life.TotalSeconds} s, which are kept so that they can be resumed, would take more than {max} bytes, the limit of this gateway; ask without 'stream', or later.",
                    _ended.TryPeek(out first) ? life - clock.GetElapsedTime(first.Ended) : null);
            }
            _bytes += bytes;
        }
        streamEnded.UnsafeRegister(_ => End(bytes), null);
    }

    private void End(int bytes)
    {
        lock (_lock)
        {
            _ended.Enqueue((clock.GetTimestamp(), bytes));
        }
    }
}
