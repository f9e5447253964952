using Microsoft.Extensions.Options;

namespace Grid.Gateway;

/// <summary>Limits of the HTTP face (configuration section <see cref="Section"/>).</summary>
public sealed class GatewayOptions
{
    /// <summary>Where these options are in the configuration.</summary>
    public const string Section = "Gateway";

    /// <summary>Largest request body in bytes.</summary>
    public long MaxRequestBodyBytes { get; set; } = 16 * 1024 * 1024;

    /// <summary>Deepest nesting of a request's JSON.</summary>
    public int MaxJsonDepth { get; set; } = 32;

    /// <summary>Most sequences that one request may start: prompts times n.</summary>
    public int MaxSequencesPerRequest { get; set; } = 1024;

    /// <summary>Sequences of one model that may wait while all its workers are full; 0 refuses at once.</summary>
    public int QueueSize { get; set; } = 1024;

    /// <summary>Seconds that a sequence waits for a worker at most; then it is refused.</summary>
    public int QueueTimeoutSecs { get; set; } = 60;

    /// <summary>Largest record of a streamed request that is kept for resumption, in bytes; the stream of a larger one
    /// cannot be resumed.</summary>
    public int MaxKeptRequestBytes { get; set; } = 4 * 1024 * 1024;

    /// <summary>How long requests may go on after SIGTERM, in seconds.</summary>
    public int DrainSeconds { get; set; } = 20;
}

/// <summary>Checks <see cref="GatewayOptions"/> at start.</summary>
internal sealed class GatewayOptionsValidator : IValidateOptions<GatewayOptions>
{
    public ValidateOptionsResult Validate(string? name, GatewayOptions options)
    {
        var failures = new List<string>();
        Check(nameof(options.MaxRequestBodyBytes), options.MaxRequestBodyBytes, 1024, 1 << 30, failures);
        Check(nameof(options.MaxJsonDepth), options.MaxJsonDepth, 8, 256, failures);
        Check(nameof(options.MaxSequencesPerRequest), options.MaxSequencesPerRequest, 1, 65536, failures);
        Check(nameof(options.QueueSize), options.QueueSize, 0, 1_000_000, failures);
        Check(nameof(options.QueueTimeoutSecs), options.QueueTimeoutSecs, 1, 3600, failures);
        Check(nameof(options.MaxKeptRequestBytes), options.MaxKeptRequestBytes, 0, 1 << 30, failures);
        Check(nameof(options.DrainSeconds), options.DrainSeconds, 0, 3600, failures);
        return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);
    }

    private static void Check(string property, long value, long min, long max, List<string> failures)
    {
        if (value < min || value > max)
        {
            failures.Add($"{GatewayOptions.Section}:{property} is {value}; it must be from {min} to {max}.");
        }
    }
}
