using System.Collections.Concurrent;
using Grid.Grains;

namespace Grid.Workers;

/// <summary>When the workers of a node told each gateway something last: one heartbeat says of all of them that they live.</summary>
internal sealed class NodeBeats
{
    private readonly ConcurrentDictionary<GatewayId, Told> _gateways = new();

    /// <summary>What is known of a gateway.</summary>
    public Told Of(GatewayId gateway) => _gateways.GetOrAdd(gateway, static _ => new Told());

    /// <summary>It has left.</summary>
    public void Forget(GatewayId gateway) => _gateways.TryRemove(gateway, out _);

    /// <summary>What one gateway was told.</summary>
    internal sealed class Told
    {
        private long _last;

        /// <summary>Something is being told.</summary>
        public void Now(long timestamp) => Volatile.Write(ref _last, timestamp);

        /// <summary>Whether nothing was told for an interval; true for one that asks, and not for the next.</summary>
        public bool IsDue(TimeProvider time, TimeSpan interval)
        {
            long last = Volatile.Read(ref _last);
            return time.GetElapsedTime(last) >= interval && Interlocked.CompareExchange(ref _last, time.GetTimestamp(), last) == last;
        }
    }
}
