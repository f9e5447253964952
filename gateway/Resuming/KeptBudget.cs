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

    /// <summary>Takes in what is kept from now on for as long as what ends now; false where there is no room.</summary>
    public bool TryTake(int bytes)
    {
        lock (_lock)
        {
            LetGo();
            if (_bytes + bytes > max)
            {
                return false;
            }
            _bytes += bytes;
            _ended.Enqueue((clock.GetTimestamp(), bytes));
            return true;
        }
    }

    /// <summary>Takes a request in. Throws <see cref="ApiException"/> (429), with the time until another one is let go of.</summary>
    public void Take(int bytes, CancellationToken streamEnded)
    {
        lock (_lock)
        {
            LetGo();
            if (_bytes + bytes > max)
            {
                throw ApiErrors.Overloaded(
                    $"The streams of the last {life.TotalSeconds} s, which are kept so that they can be resumed, would take more than {max} bytes, the limit of this gateway; ask without 'stream', or later.",
                    _ended.TryPeek(out var first) ? life - clock.GetElapsedTime(first.Ended) : null);
            }
            _bytes += bytes;
        }
        streamEnded.UnsafeRegister(_ => End(bytes), null);
    }

    private void LetGo()
    {
        while (_ended.TryPeek(out var first) && clock.GetElapsedTime(first.Ended) >= life)
        {
            _bytes -= _ended.Dequeue().Bytes;
        }
    }

    private void End(int bytes)
    {
        lock (_lock)
        {
            _ended.Enqueue((clock.GetTimestamp(), bytes));
        }
    }
}
