using System.Diagnostics;

namespace Grid.Cli.Bench;

/// <summary>Sends requests as a load says.</summary>
internal sealed class LoadGenerator(HttpClient client, BenchRequests requests, BenchOptions options, Action<int> ended, CancellationToken cancellationToken)
{
    private const int WarmUps = 8;

    /// <summary>Warms up, then runs the load; what was cancelled before it was sent is left out.</summary>
    public async Task<BenchRun> RunAsync(Load load)
    {
        if (options.WarmupTokens > 0)
        {
            int count = load.Concurrency ?? WarmUps;
            await CloseAsync(requests.NextShort(count, options.WarmupTokens), count, _ => { });
        }

        var all = requests.Next(load.Requests);
        var before = await DeviceTimes.ReadAsync(client, cancellationToken);
        long start = Stopwatch.GetTimestamp();
        await (load.Concurrency is { } concurrency ? CloseAsync(all, concurrency, ended) : OpenAsync(all, load.Rate!.Value));
        var time = Stopwatch.GetElapsedTime(start);
        var sent = all.Where(request => request.Sent != 0).ToList();
        double? idle = (await DeviceTimes.ReadAsync(client, CancellationToken.None)).IdleShareSince(before);
        return new BenchRun(
            load, sent.FindAll(request => request.Error is null),
            sent.Where(request => request.Error is not null).GroupBy(request => request.Error!).ToDictionary(group => group.Key, group => group.Count()),
            time, idle, options);
    }

    /// <summary>Keeps so many under way until all have ended.</summary>
    private async Task CloseAsync(BenchRequest[] all, int concurrency, Action<int> told)
    {
        int next = 0;
        int done = 0;
        await Task.WhenAll(Enumerable.Range(0, Math.Min(concurrency, all.Length)).Select(async _ =>
        {
            while (!cancellationToken.IsCancellationRequested && Interlocked.Increment(ref next) - 1 is var mine && mine < all.Length)
            {
                await all[mine].RunAsync(client, options.Server.Timeout, cancellationToken);
                told(Interlocked.Increment(ref done));
            }
        }));
    }

    /// <summary>Sends each at its time, which chance says beforehand: the times between them are exponential.</summary>
    private async Task OpenAsync(BenchRequest[] all, double rate)
    {
        var random = new Random(options.Seed);
        var running = new List<Task>(all.Length);
        int done = 0;
        double due = 0;
        long start = Stopwatch.GetTimestamp();
        foreach (var request in all)
        {
            due += -Math.Log(1 - random.NextDouble()) / rate;
            var wait = TimeSpan.FromSeconds(due) - Stopwatch.GetElapsedTime(start);
            if (wait > TimeSpan.Zero)
            {
                await Task.Delay(wait, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            if (cancellationToken.IsCancellationRequested)
            {
                break;
            }

            running.Add(Task.Run(async () =>
            {
                await request.RunAsync(client, options.Server.Timeout, cancellationToken);
                ended(Interlocked.Increment(ref done));
            }));
        }

        await Task.WhenAll(running);
    }
}
