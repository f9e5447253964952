using System.Runtime.CompilerServices;
using Grid.Clustering;
using Grid.Gateway.Tests.Fakes;
using Microsoft.Extensions.Logging;

namespace Grid.Gateway.Tests;

/// <summary>Tasks that fail and that nobody waits for.</summary>
public sealed class UnobservedFailureTests
{
    [Fact]
    public async Task They_are_logged_and_what_Orleans_leaves_of_a_silo_that_is_disposed_of_is_not()
    {
        var token = TestContext.Current.CancellationToken;
        var logs = new LogCollector();
        using var factory = LoggerFactory.Create(logging => logging.AddProvider(logs));
        var failures = new UnobservedFailures(factory.CreateLogger<UnobservedFailures>());
        await failures.StartAsync(token);
        Leave(new ObjectDisposedException("This instance has been disposed"));
        Leave(new ObjectDisposedException("a stream"));
        await Until.HoldsAsync(
            () =>
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
                return logs.Lines.Any(line => line.Contains("'a stream'", StringComparison.Ordinal));
            },
            "The failure was not logged.");
        await failures.StopAsync(token);
        Assert.DoesNotContain(logs.Lines, line => line.Contains("This instance has been disposed", StringComparison.Ordinal));
    }

    /// <summary>Of its own, so that nothing on the test's stack holds the task.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Leave(Exception exception) => _ = Task.FromException(exception).IsFaulted;
}
