using System.Globalization;

namespace Grid.Models.Hub;

/// <summary>Waits between attempts: 1, 2, 4, 8, 16 seconds, or as long as the server asks. Attempts that brought
/// something do not count.</summary>
/// <param name="what">The file, or the revision, for messages.</param>
/// <param name="time">The clock.</param>
/// <param name="notice">Told before each wait.</param>
/// <param name="first">Whether nothing of the hub has been heard yet: a name that nobody knows is then most often no hub's.</param>
internal sealed class Retries(string what, TimeProvider time, Action<string>? notice, bool first = false)
{
    private const int MaxFailures = 5;

    private static readonly TimeSpan s_longestWait = TimeSpan.FromMinutes(10);

    private int _failures;

    /// <summary>Something new arrived.</summary>
    public void Progressed() => _failures = 0;

    /// <summary>Waits before the next attempt, or gives up with <see cref="HubException"/>.</summary>
    public async Task WaitAsync(HubTransientException reason, CancellationToken cancellationToken)
    {
        if (first && reason.InnerException is HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError })
        {
            throw new HubException($"{what}: the hub's name cannot be resolved; check the network, HF_ENDPOINT and HTTPS_PROXY.", reason);
        }

        if (++_failures > MaxFailures)
        {
            throw new HubException($"{what}: {reason.Message}, {_failures} times in a row; try again later, what has arrived is kept.", reason);
        }

        var wait = reason.RetryAfter ?? TimeSpan.FromSeconds(1 << (_failures - 1));
        if (wait > s_longestWait)
        {
            throw new HubException($"{what}: {reason.Message} and asks to wait {Seconds(wait)} s; try again after that, what has arrived is kept.", reason);
        }

        notice?.Invoke($"{what}: {reason.Message}; again in {Seconds(wait)} s");
        await Task.Delay(wait, time, cancellationToken);
    }

    private static string Seconds(TimeSpan wait) => wait.TotalSeconds.ToString("0", CultureInfo.InvariantCulture);
}
