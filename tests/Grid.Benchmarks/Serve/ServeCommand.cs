using System.Diagnostics;
using System.Globalization;

namespace Grid.Benchmarks.Serve;

/// <summary>
/// "serve": drives a running server's /generate with streams, at one concurrency after the other, and prints what its clients
/// see. Decoding is what came between the last stream's first token and the first stream's end, while every stream
/// decodes and none prefills.
/// </summary>
internal static class ServeCommand
{
    private static int s_number;

    /// <summary>Runs it; the exit code is 1 when a request failed.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        ServeOptions options;
        try
        {
            options = ServeOptions.Parse(args);
        }
        catch (FormatException exception)
        {
            await Console.Error.WriteLineAsync(exception.Message);
            return 2;
        }

        using var handler = new SocketsHttpHandler { MaxConnectionsPerServer = int.MaxValue, UseProxy = false };
        using var client = new HttpClient(handler) { BaseAddress = options.Url, Timeout = Timeout.InfiniteTimeSpan };
        Console.WriteLine(Line($"{options.Title}{(options.Title.Length > 0 ? ": " : "")}{options.PromptTokens} random prompt ids, {options.OutputTokens} tokens, temperature {options.Temperature}"));
        Console.WriteLine("streams   requests    tok/s   decode tok/s  of target   TTFT ms p50      p99    ITL ms p50      p99   device idle");
        bool failed = false;
        foreach (int concurrency in options.Concurrency)
        {
            failed |= !await RunAsync(client, options, concurrency);
        }

        return failed ? 1 : 0;
    }

    private static async Task<bool> RunAsync(HttpClient client, ServeOptions options, int concurrency)
    {
        if (options.WarmupTokens > 0)
        {
            await SendAsync(client, options, concurrency, 1, options.WarmupTokens);
        }

        var before = await DeviceTimes.ReadAsync(client);
        long start = Stopwatch.GetTimestamp();
        var requests = await SendAsync(client, options, concurrency, options.Requests, options.OutputTokens);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        var whole = requests.Where(request => request.Error is null).ToList();
        if (whole.Count > 0)
        {
            Print(options, concurrency, whole, seconds, (await DeviceTimes.ReadAsync(client)).IdleShareSince(before));
        }

        foreach (var failure in requests.Where(request => request.Error is not null).GroupBy(request => request.Error))
        {
            Console.WriteLine(Line($"{concurrency,7}   {failure.Count()} failed: {failure.Key}"));
        }

        return whole.Count == requests.Count;
    }

    private static void Print(ServeOptions options, int concurrency, List<StreamedRequest> requests, double seconds, double? idle)
    {
        double[] first = [.. requests.Select(request => Milliseconds(request.Sent, request.Arrivals[0].Time)).Order()];
        double[] between = [.. requests.SelectMany(Gaps).Order()];
        double? decode = Decode(requests, concurrency);
        string target = options.Targets.TryGetValue(concurrency, out double goal) && decode is { } rate ? Line($"{rate / goal:0.00}") : "-";
        string tokens = Line($"{requests.Sum(request => request.Tokens) / seconds:0.0}");
        string decoding = decode is { } shown ? Line($"{shown:0.0}") : "-";
        Console.WriteLine(Line(
            $"{concurrency,7}   {requests.Count,8} {tokens,8}   {decoding,12}  {target,9}   {Percentile(first, 0.5),11:0.0} {Percentile(first, 0.99),8:0.0}   {Percentile(between, 0.5),11:0.00} {Percentile(between, 0.99),8:0.00}   {(idle is { } share ? Line($"{share:0.0 %}") : "-"),11}"));
    }

    /// <summary>Keeps so many requests under way until all have been sent and have ended.</summary>
    private static async Task<IReadOnlyList<StreamedRequest>> SendAsync(
        HttpClient client, ServeOptions options, int concurrency, int waves, int outputTokens)
    {
        StreamedRequest[] requests = [.. Enumerable.Range(0, concurrency * waves).Select(_ => new StreamedRequest(options, Interlocked.Increment(ref s_number), outputTokens))];
        int next = 0;
        await Task.WhenAll(Enumerable.Range(0, concurrency).Select(async _ =>
        {
            while (Interlocked.Increment(ref next) - 1 is var mine && mine < requests.Length)
            {
                await requests[mine].RunAsync(client);
            }
        }));
        return requests;
    }

    /// <summary>Tokens a second while all streams of a single wave decode; null where they never do together.</summary>
    private static double? Decode(List<StreamedRequest> requests, int concurrency)
    {
        long from = requests.Max(request => request.Arrivals[0].Time);
        long to = requests.Min(request => request.Arrivals[^1].Time);
        if (requests.Count != concurrency || from >= to)
        {
            return null;
        }

        int tokens = requests.Sum(request => TokensAt(request, to) - TokensAt(request, from));
        return tokens / Stopwatch.GetElapsedTime(from, to).TotalSeconds;
    }

    private static int TokensAt(StreamedRequest request, long time)
    {
        int tokens = 0;
        foreach (var (arrived, count) in request.Arrivals)
        {
            tokens = arrived <= time ? count : tokens;
        }

        return tokens;
    }

    private static IEnumerable<double> Gaps(StreamedRequest request) =>
        request.Arrivals.Zip(request.Arrivals.Skip(1), (before, after) => Milliseconds(before.Time, after.Time));

    private static double Milliseconds(long from, long to) => Stopwatch.GetElapsedTime(from, to).TotalMilliseconds;

    private static double Percentile(double[] ordered, double share) =>
        ordered.Length == 0 ? 0 : ordered[Math.Min(ordered.Length - 1, (int)(share * ordered.Length))];

    private static string Line(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
