using System.Diagnostics;

namespace Grid.Benchmarks.Overhead;

/// <summary>When a stream's tokens came: how many there were in all by then.</summary>
internal sealed class StreamLog
{
    public List<(long Time, int Tokens)> Arrivals { get; } = new(1024);

    public int Tokens => Arrivals.Count == 0 ? 0 : Arrivals[^1].Tokens;

    /// <summary>Notes that there are so many tokens now.</summary>
    public void Add(long time, int tokens)
    {
        if (tokens > Tokens)
        {
            Arrivals.Add((time, tokens));
        }
    }

    public int TokensAt(long time)
    {
        int after = Arrivals.FindIndex(arrival => arrival.Time > time);
        return after < 0 ? Tokens : after == 0 ? 0 : Arrivals[after - 1].Tokens;
    }
}

/// <summary>What a run of all streams gave.</summary>
/// <param name="Tokens">In all.</param>
/// <param name="Rate">Tokens a second from the first request to the last token.</param>
/// <param name="DecodeRate">Tokens a second while all streams decode.</param>
/// <param name="Median">Milliseconds between a stream's news, median.</param>
/// <param name="Late">The same, 99th percentile.</param>
internal sealed record RunResult(int Tokens, double Rate, double DecodeRate, double Median, double Late)
{
    public static RunResult Of(long start, IReadOnlyList<StreamLog> logs, OverheadOptions options)
    {
        if (logs.FirstOrDefault(log => log.Tokens != options.OutputTokens) is { } broken)
        {
            throw new InvalidOperationException($"A stream had {broken.Tokens} of {options.OutputTokens} tokens.");
        }

        long end = logs.Max(log => log.Arrivals[^1].Time);
        long from = logs.Max(log => log.Arrivals[0].Time);
        long to = logs.Min(log => log.Arrivals[^1].Time);
        int tokens = logs.Sum(log => log.Tokens);
        double decode = from >= to ? double.NaN
            : logs.Sum(log => log.TokensAt(to) - log.TokensAt(from)) / Stopwatch.GetElapsedTime(from, to).TotalSeconds;
        double[] gaps = [.. logs.SelectMany(log => log.Arrivals.Zip(log.Arrivals.Skip(1), (a, b) => Stopwatch.GetElapsedTime(a.Time, b.Time).TotalMilliseconds)).Order()];
        return new RunResult(
            tokens, tokens / Stopwatch.GetElapsedTime(start, end).TotalSeconds, decode, gaps[gaps.Length / 2], gaps[(int)(gaps.Length * 0.99)]);
    }
}
