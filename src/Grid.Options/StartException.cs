namespace Grid.Options;

/// <summary>A start that cannot go on; the message is all that the operator sees, so it says what and why. It holds no
/// secret.</summary>
public sealed class StartException(string message, int exitCode = StartException.Failed) : Exception(message)
{
    /// <summary>Exit code of a start that failed.</summary>
    public const int Failed = 1;

    /// <summary>Exit code of a command line or configuration that is wrong.</summary>
    public const int Usage = 2;

    /// <summary>The process's exit code.</summary>
    public int ExitCode { get; } = exitCode;
}
