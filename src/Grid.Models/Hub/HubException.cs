namespace Grid.Models.Hub;

/// <summary>A model that cannot be had from the hub. The message is one sentence that says what is wrong and what to do;
/// it never holds a token or a signed address.</summary>
public sealed class HubException(string message, Exception? innerException = null) : Exception(message, innerException);

/// <summary>A request that failed and may succeed when it is made again.</summary>
/// <param name="message">What happened, to follow the name of the file.</param>
/// <param name="retryAfter">When the server wants to be asked again.</param>
internal sealed class HubTransientException(string message, TimeSpan? retryAfter = null, Exception? innerException = null)
    : Exception(message, innerException)
{
    public TimeSpan? RetryAfter { get; } = retryAfter;
}
