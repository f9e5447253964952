namespace Grid.Grains.Messages;

/// <summary>What becomes of sequences when their worker is paused; SGLang's modes.</summary>
public enum PauseMode
{
    /// <summary>They are held, with their keys and values.</summary>
    InPlace = 0,

    /// <summary>They are held, and give their KV pages back: a flush of the cache drops all. They are recomputed later.</summary>
    Retract = 1,

    /// <summary>They end where they stand. What comes later is held.</summary>
    Abort = 2,
}
