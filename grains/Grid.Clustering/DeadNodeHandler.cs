namespace Grid.Clustering;

/// <summary>
/// Ends a node that Orleans cannot go on with: one that its cluster declared dead, because it did not answer for too long
/// (it was stopped, its machine slept, its network was cut). It cannot join again under its old generation, so it says so
/// in one sentence and ends with exit code 1; whoever runs it starts it anew. Orleans' own handler aborts with a trace.
/// </summary>
/// <param name="program">What its sentences begin with.</param>
internal sealed class DeadNodeHandler(string program) : IFatalErrorHandler
{
    private const int ExitCode = 1;
    private int _ended;

    /// <inheritdoc/>
    public bool IsUnexpected(Exception exception) => true;

    /// <inheritdoc/>
    public void OnFatalException(object? sender, string? context, Exception? exception)
    {
        if (Interlocked.Exchange(ref _ended, 1) == 0)
        {
            Console.Error.WriteLine(Explain(context, exception));
            Environment.Exit(ExitCode);
        }
    }

    private string Explain(string? context, Exception? exception) =>
        exception is null && context?.Contains("told I am dead", StringComparison.Ordinal) == true
            ? $"{program}: its cluster has declared this node dead, because it did not answer for too long; what ran here goes on elsewhere, and the node ends: start it again."
            : $"{program}: unexpected error, the node ends. {context} {exception}".TrimEnd();
}
