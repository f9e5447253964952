namespace Grid.Sequences;

/// <summary>Timing of a gateway. None of it changes a token's bits.</summary>
public sealed record SequencesOptions
{
    /// <summary>How often a worker's silence is looked for while it lasts.</summary>
    internal const int SilenceTicks = 10;

    /// <summary>A worker without step or heartbeat for this long is given up; its sequences go on elsewhere. Several times
    /// the workers' heartbeat interval (250 ms).</summary>
    public TimeSpan WorkerSilence { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How long to wait before a lost worker is called again.</summary>
    public TimeSpan ReconnectDelay { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>How long a sequence whose worker was lost waits for another with the same NumericsId.</summary>
    public TimeSpan FailoverWait { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Attempts at one sequence that may be lost one after the other without a new token.</summary>
    public int MaxFruitlessAttempts { get; set; } = 8;

    /// <summary>Step batches that one read of a step stream may bring.</summary>
    public int StreamBatchSize { get; set; } = 64;
}
