using System.Diagnostics;

namespace Grid.Cli.Bench;

/// <summary>A run at one load, and its figures.</summary>
/// <param name="load">The load.</param>
/// <param name="requests">Those that ended well; the figures are theirs.</param>
/// <param name="failures">What went wrong with the others, and how often.</param>
/// <param name="time">From the first request sent to the last token.</param>
/// <param name="idle">Share of the time in which the devices had steps to compute and nothing to do; null where the server does not say.</param>
/// <param name="options">What was asked for.</param>
internal sealed class BenchRun(
    Load load, IReadOnlyList<BenchRequest> requests, IReadOnlyDictionary<string, int> failures, TimeSpan time, double? idle, BenchOptions options)
{
    /// <summary>The load.</summary>
    public Load Load => load;

    /// <summary>Requests that ended well.</summary>
    public int Requests => requests.Count;

    /// <summary>What went wrong with others, and how often.</summary>
    public IReadOnlyDictionary<string, int> Failures => failures;

    /// <summary>How long it took.</summary>
    public TimeSpan Time => time;

    /// <summary>Generated tokens a second.</summary>
    public double TokensPerSecond { get; } = requests.Sum(request => request.Tokens) / time.TotalSeconds;

    /// <summary>Prompt and generated tokens a second.</summary>
    public double AllTokensPerSecond { get; } = requests.Sum(request => request.Tokens + request.Prompt.Tokens) / time.TotalSeconds;

    /// <summary>Requests a second.</summary>
    public double RequestsPerSecond { get; } = requests.Count / time.TotalSeconds;

    /// <summary>Requests a second that kept all bounds; null where none was given.</summary>
    public double? Goodput { get; } = options.HasGoodput ? requests.Count(request => IsGood(request, options)) / time.TotalSeconds : null;

    /// <summary>Tokens a second while all streams of a single wave decode and none prefills; null where they never do together.</summary>
    public double? DecodePerSecond { get; } = Decode(load, requests);

    /// <summary>The decode rate as a share of its target; null without one.</summary>
    public double? OfTarget => load.Concurrency is { } at && options.Target is { } targets && targets.TryGetValue(at, out double goal) ? DecodePerSecond / goal : null;

    /// <summary>Share of the devices' time without work, while there were steps to compute; null where the server does not say.</summary>
    public double? Idle => idle;

    /// <summary>Tokens of all prompts.</summary>
    public long PromptTokens { get; } = requests.Sum(request => (long)request.Prompt.Tokens);

    /// <summary>How many of them the server had not to compute; null where it does not say.</summary>
    public long? CachedTokens { get; } = requests.Any(request => request.CachedTokens is null) ? null : requests.Sum(request => (long)request.CachedTokens!.Value);

    /// <summary>How many of them are different: every prompt counts once, and what prompts of a group share.</summary>
    public long DifferentTokens { get; } = requests.Select(request => request.Prompt).Distinct().Sum(prompt => (long)prompt.Tokens - prompt.Shared)
        + requests.Select(request => (request.Prompt.Group, request.Prompt.Shared)).Distinct().Sum(group => (long)group.Shared);

    /// <summary>Prompt tokens computed, as a multiple of the different ones; null where the server does not say, or nothing was asked.</summary>
    public double? PrefillRatio => CachedTokens is { } cached && DifferentTokens > 0 ? (double)(PromptTokens - cached) / DifferentTokens : null;

    /// <summary>From sent to the first token, in ms.</summary>
    public Distribution First { get; } = new(requests.Select(request => request.FirstMs));

    /// <summary>Between events of a stream, in ms.</summary>
    public Distribution Between { get; } = new(requests.SelectMany(request => request.GapsMs));

    /// <summary>Per token after the first, of each request, in ms.</summary>
    public Distribution PerToken { get; } = new(requests.Select(request => request.PerTokenMs).OfType<double>());

    /// <summary>From sent to the last token, in ms.</summary>
    public Distribution Whole { get; } = new(requests.Select(request => request.WholeMs));

    private static bool IsGood(BenchRequest request, BenchOptions options) =>
        !(request.FirstMs > options.GoodTtft?.TotalMilliseconds) && !(request.PerTokenMs > options.GoodTpot?.TotalMilliseconds)
        && !(request.WholeMs > options.GoodE2e?.TotalMilliseconds);

    private static double? Decode(Load load, IReadOnlyList<BenchRequest> requests)
    {
        if (requests.Count == 0 || requests.Count != load.Concurrency)
        {
            return null;
        }

        long from = requests.Max(request => request.Arrivals[0].Time);
        long to = requests.Min(request => request.Arrivals[^1].Time);
        return from >= to ? null : requests.Sum(request => request.TokensAt(to) - request.TokensAt(from)) / Stopwatch.GetElapsedTime(from, to).TotalSeconds;
    }
}

/// <summary>Values and their percentiles.</summary>
internal sealed class Distribution(IEnumerable<double> values)
{
    private readonly double[] _ordered = [.. values.Order()];

    /// <summary>How many.</summary>
    public int Count => _ordered.Length;

    /// <summary>Their mean; null where there are none.</summary>
    public double? Mean => _ordered.Length == 0 ? null : _ordered.Average();

    /// <summary>The greatest; null where there are none.</summary>
    public double? Max => _ordered.Length == 0 ? null : _ordered[^1];

    /// <summary>What this share of them does not exceed; null where there are none.</summary>
    public double? Percentile(double share) => _ordered.Length == 0 ? null : _ordered[Math.Min(_ordered.Length - 1, (int)(share * _ordered.Length))];

    /// <summary>So many points of the curve of shares.</summary>
    public IEnumerable<(double Value, double Share)> Curve(int points) => _ordered.Length == 0
        ? []
        : Enumerable.Range(0, points + 1).Select(i => (Percentile((double)i / points)!.Value, (double)i / points));
}
