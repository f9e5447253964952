namespace Grid.Workers;

/// <summary>
/// Notices that a step of the device does not end. Time is counted in beats of the worker's heartbeat, not by a clock:
/// a process that was itself stopped for a while does not take that for a long step.
/// </summary>
/// <param name="limit">The longest step there may be.</param>
/// <param name="beat">Time between two calls of <see cref="Beat"/>.</param>
internal sealed class StepWatchdog(TimeSpan limit, TimeSpan beat)
{
    private readonly Lock _beating = new();
    private readonly long _limitBeats = Math.Max(1, (long)Math.Ceiling(limit / beat));
    private long _turns; // Odd while a step runs.
    private long _seenTurns;
    private long _beats;
    private volatile bool _stuck;

    /// <summary>What a beat found out.</summary>
    public enum News
    {
        /// <summary>Nothing has changed.</summary>
        None,

        /// <summary>A step has just been found to last too long.</summary>
        Stuck,

        /// <summary>The step that lasted too long has ended.</summary>
        Recovered,
    }

    /// <summary>Whether a step lasts too long.</summary>
    public bool IsStuck => _stuck;

    /// <summary>A step begins. The device's thread.</summary>
    public void BeginStep() => Interlocked.Increment(ref _turns);

    /// <summary>The step ended. The device's thread.</summary>
    public void EndStep() => Interlocked.Increment(ref _turns);

    /// <summary>Looks whether the same step still runs.</summary>
    public News Beat()
    {
        lock (_beating)
        {
            long turns = Interlocked.Read(ref _turns);
            bool sameStep = turns == _seenTurns && (turns & 1) == 1;
            (_seenTurns, _beats) = (turns, sameStep ? _beats + 1 : 0);
            bool was = _stuck;
            _stuck = sameStep && _beats >= _limitBeats;
            return _stuck == was ? News.None : _stuck ? News.Stuck : News.Recovered;
        }
    }
}
