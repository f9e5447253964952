namespace Grid.Sequences.Attempts;

/// <summary>How long a sequence's beginning may still take. Whoever started it waits for the answer to one call, which has
/// Orleans' response timeout; past that nobody would know that it runs.</summary>
/// <param name="time">Time.</param>
/// <param name="limit">How long in all.</param>
internal sealed class StartPatience(TimeProvider time, TimeSpan limit)
{
    private readonly long _since = time.GetTimestamp();

    /// <summary>What is left; zero at least.</summary>
    public TimeSpan Left => limit - time.GetElapsedTime(_since) is var left && left > TimeSpan.Zero ? left : TimeSpan.Zero;

    /// <summary>Whether nothing is left.</summary>
    public bool IsOver => Left == TimeSpan.Zero;
}
