namespace Grid.Workers;

/// <summary>Timing of workers. None of it changes a token's bits.</summary>
public sealed record WorkerOptions
{
    /// <summary>A stream that had no step for this long carries a heartbeat.</summary>
    public TimeSpan HeartbeatInterval { get; set; } = TimeSpan.FromMilliseconds(250);

    /// <summary>A gateway that has not read its step stream for this long is looked for at its address: where its process has ended, the
    /// stream is, too. A few heartbeats.</summary>
    public TimeSpan SubscriberSilence { get; set; } = TimeSpan.FromMilliseconds(750);

    /// <summary>A step stream that its gateway, which may hang, has not read for this long is ended and its sequences are
    /// cancelled.</summary>
    public TimeSpan SubscriberGrace { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long the output of an attempt that has ended can be found: a client that lost its gateway takes some
    /// time to come back by another.</summary>
    public TimeSpan OutputRetention { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>A step that lasts longer is taken for a device that hangs: the worker takes nothing and its sequences go on
    /// elsewhere, until the step ends after all. Far above the longest step there is; a prefill on a CPU may take minutes.</summary>
    public TimeSpan StepLimit { get; set; } = TimeSpan.FromSeconds(300);
}
