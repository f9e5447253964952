namespace Grid.Sequences.Routing;

/// <summary>What a gateway hears of a node, whichever of its workers says it.</summary>
internal sealed class NodePulse(TimeProvider time)
{
    private long _heardAt = time.GetTimestamp();
    private int _heard;
    private volatile bool _isSilent;

    /// <summary>When something was heard last.</summary>
    public long HeardAt => Interlocked.Read(ref _heardAt);

    /// <summary>Counts what is heard.</summary>
    public int Heard => Volatile.Read(ref _heard);

    /// <summary>Whether it was found to be gone or to hang, and has said nothing since.</summary>
    public bool IsSilent => _isSilent;

    /// <summary>One of its workers said something.</summary>
    public void Hear()
    {
        Interlocked.Increment(ref _heard);
        Interlocked.Exchange(ref _heardAt, time.GetTimestamp());
        _isSilent = false;
    }

    /// <summary>It has been found to be gone or to hang: all of its workers are.</summary>
    public void FallSilent() => _isSilent = true;
}
