using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Grid.Clustering;

/// <summary>Logs failures of tasks that nobody waited for: .NET drops them silently, and they are faults of Grid or of a
/// library that would otherwise stay unseen.</summary>
internal sealed partial class UnobservedFailures(ILogger<UnobservedFailures> logger) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        TaskScheduler.UnobservedTaskException += Log;
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        TaskScheduler.UnobservedTaskException -= Log;
        return Task.CompletedTask;
    }

    private void Log(object? sender, UnobservedTaskExceptionEventArgs failure)
    {
        if (!IsOrleansEnding(failure.Exception))
        {
            LogUnobserved(failure.Exception);
        }
    }

    /// <summary>A silo or client that is disposed of leaves tasks that are failed from the beginning and that nobody waits for: the ends
    /// of its lists of news. Every other node in the process hears of them, and none is a fault.</summary>
    private static bool IsOrleansEnding(AggregateException failure) =>
        failure.InnerExceptions is [ObjectDisposedException { StackTrace: null, ObjectName: "This instance has been disposed" }];

    [LoggerMessage(Level = LogLevel.Error, Message = "A task failed and nobody waited for it")]
    private partial void LogUnobserved(Exception exception);
}
