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

    private void Log(object? sender, UnobservedTaskExceptionEventArgs failure) => LogUnobserved(failure.Exception);

    [LoggerMessage(Level = LogLevel.Error, Message = "A task failed and nobody waited for it")]
    private partial void LogUnobserved(Exception exception);
}
