using System.Collections.Concurrent;

namespace Grid.Models.Tests.Hub;

/// <summary>A clock for which waits between attempts are over at once, while the limits of stalled connections end when a
/// test says so.</summary>
public sealed class ObedientTime(TimeSpan stall) : TimeProvider
{
    private readonly ConcurrentDictionary<HeldTimer, bool> _held = [];

    /// <summary>The waits so far.</summary>
    public ConcurrentQueue<TimeSpan> Waits { get; } = [];

    /// <summary>Connections that may be stalled, are.</summary>
    public void Stall()
    {
        foreach (var timer in _held.Keys)
        {
            timer.Fire();
        }
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        if (dueTime == stall)
        {
            var timer = new HeldTimer(this, callback, state);
            _held[timer] = true;
            return timer;
        }

        Waits.Enqueue(dueTime);
        return base.CreateTimer(callback, state, TimeSpan.Zero, period);
    }

    private sealed class HeldTimer(ObedientTime owner, TimerCallback callback, object? state) : ITimer
    {
        public void Fire() => callback(state);

        public bool Change(TimeSpan dueTime, TimeSpan period) => true;

        public void Dispose() => owner._held.TryRemove(this, out _);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
