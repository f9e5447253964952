using Grid.Options;

namespace Grid.Sequences;

/// <summary>Timing of a gateway. None of it changes a token's bits.</summary>
public sealed record SequencesOptions
{
    /// <summary>How often a worker's silence is looked for while it lasts.</summary>
    internal const int SilenceTicks = 10;

    /// <summary>A worker that is silent for so many ticks, and then again so many, is looked for at its address. More than a heartbeat
    /// and less than half of <see cref="WorkerSilence"/>.</summary>
    internal const int ProbeTicks = 4;

    /// <summary>How often a token is looked for while <see cref="HedgeAfter"/> lasts.</summary>
    internal const int HedgeTicks = 4;

    /// <summary>A worker without step or heartbeat for this long is given up; its sequences go on elsewhere. Several times
    /// the workers' heartbeat interval (250 ms). One whose process has ended is found sooner (<see cref="ProbeTicks"/>).</summary>
    public TimeSpan WorkerSilence { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How long to wait before a lost worker is called again.</summary>
    public TimeSpan ReconnectDelay { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>How long a worker may take to say whether it takes a sequence; it is asked no more then, and what it may have
    /// taken is cancelled.</summary>
    public TimeSpan SubmitTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a new sequence, when it is its turn, looks for workers in all.</summary>
    public TimeSpan StartLimit { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>How long a sequence whose worker was lost waits for another with the same NumericsId.</summary>
    public TimeSpan FailoverWait { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Attempts at one sequence that may be lost one after the other without a new token.</summary>
    public int MaxFruitlessAttempts { get; set; } = 8;

    /// <summary>A sequence without a token for this long is started on a second worker as well, and goes on with the one that
    /// delivers first; null: never. Takes a free worker for every such wait.</summary>
    [DurationOption("Start a sequence on a second, free worker too when no token has come for this long", 20, 600_000, inMilliseconds: true, Default = "never")]
    public TimeSpan? HedgeAfter { get; set; }

    /// <summary>Whether every sequence is computed by two workers, as if it had asked for it
    /// (<see cref="Grains.Messages.SequenceSpec.CrossCheck"/>).</summary>
    [SwitchOption("Have every sequence computed by two workers, and send only what both agree on; cross_check asks for one request")]
    public bool CrossCheck { get; set; }

    /// <summary>What a sequence on a worker counts against it, in prompt tokens to compute: about what it has still to
    /// generate. A page's worth.</summary>
    public int SequenceCost { get; set; } = 64;

    /// <summary>A worker that has not reported for this long may be loaded otherwise than it seems.</summary>
    public TimeSpan StaleReport { get; set; } = TimeSpan.FromMilliseconds(750);

    /// <summary>How long a node with workers of its own stays linked to those of others after the last request that came to it.</summary>
    public TimeSpan LinkRetention { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>How long the first request after that waits until all of them have answered.</summary>
    public TimeSpan LinkPatience { get; set; } = TimeSpan.FromMilliseconds(500);

    [NumberOption("Sequences of one model that may wait while all its workers are full, half of those left for one client; more are refused", 0, 1_000_000, Key = "Gateway:QueueSize")]
    public int QueueSize { get; set; } = 16_384;

    [DurationOption("How long a sequence waits for a worker at most; then it is refused", 1, 3600, Key = "Gateway:QueueTimeoutSecs")]
    public TimeSpan QueueTimeout { get; set; } = TimeSpan.FromSeconds(60);

    [NumberOption("Sequences of one client, the key or else the address that asks, that may run and wait at a time; more get 429", 1, 1_000_000, Default = "unlimited")]
    public int? MaxClientRequests { get; set; }

    [NumberOption("Tokens a minute, of prompts and outputs, that one client may have; past them its next sequence gets 429", 1, int.MaxValue, Default = "unlimited")]
    public int? MaxClientTokens { get; set; }

    [NumberOption("Sequences that one client may begin in a minute; past them the next gets 429", 1, 1_000_000, Default = "unlimited")]
    public int? MaxClientRequestsPerMinute { get; set; }

    /// <summary>A client that has waited for this long is preferred as if it had one sequence less running: nobody waits for ever
    /// behind newcomers.</summary>
    public TimeSpan QueueAgeing { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Step batches that one read of a step stream may bring.</summary>
    public int StreamBatchSize { get; set; } = 64;
}
