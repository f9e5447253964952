namespace Grid.Client;

/// <summary>Timing of a client. None of it changes a token's bits.</summary>
public sealed record GridClientOptions
{
    /// <summary>A silo without news for this long is given up, and the sequence goes on at another; a silo sends
    /// something every 0.4 s.</summary>
    public TimeSpan Silence { get; set; } = TimeSpan.FromSeconds(1.5);

    /// <summary>How long to wait between attempts that brought nothing.</summary>
    public TimeSpan RetryDelay { get; set; } = TimeSpan.FromMilliseconds(250);

    /// <summary>Attempts at one sequence that may bring nothing new, one after the other.</summary>
    public int MaxFruitlessAttempts { get; set; } = 20;
}
