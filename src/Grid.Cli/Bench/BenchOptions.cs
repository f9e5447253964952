using Grid.Cli.Servers;
using Grid.Options;

namespace Grid.Cli.Bench;

/// <summary>What "grid bench" can be told.</summary>
internal sealed class BenchOptions
{
    [Options]
    public ServerOptions Server { get; } = new();

    [NumbersOption("Closed loop: so many requests are under way at once, one run each", 100_000, Default = "1,32,256 without --rate")]
    public int[]? Concurrency { get; set; }

    [NumbersOption("Open loop: so many requests a second come, as chance has it (Poisson), whether or not those before have ended; one run each", 100_000)]
    public double[]? Rate { get; set; }

    [NumberOption("Requests of each run", 1, 10_000_000, Default = "as many as are under way at once; in an open loop those of 30 s")]
    public int? Requests { get; set; }

    [LengthsOption("Random prompt ids of each request: 512, 64-1024, or lognormal:512:0.8", Default = "512")]
    public LengthDistribution PromptTokens { get; set; } = new("512", 512, 512);

    [LengthsOption("Tokens that each request generates", Default = "128")]
    public LengthDistribution OutputTokens { get; set; } = new("128", 128, 128);

    [NumberOption("Ids that prompts begin with alike, as with a system prompt; they are a part of a prompt's length", 0, 10_000_000)]
    public int SharedPrefix { get; set; }

    [NumberOption("How many different such beginnings there are", 1, 1_000_000)]
    public int PrefixGroups { get; set; } = 1;

    [NumberOption("Requests with the same prompt, one after the other, each with its own seed and length: the samples of a rollout", 1, 100_000)]
    public int Samples { get; set; } = 1;

    [NumberOption("Tokens of the requests that precede each run; 0 is no warm-up", 0, 100_000)]
    public int WarmupTokens { get; set; } = 8;

    [DecimalOption("0 is greedy", 0, 2)]
    public double Temperature { get; set; }

    [NumberOption("Prompt ids are below this", 2, int.MaxValue)]
    public int Vocabulary { get; set; } = 1000;

    [NumberOption("Other prompts, lengths and times, where a run before this one left the same in the prefix cache", 0, int.MaxValue)]
    public int Seed { get; set; }

    [TargetsOption("Tokens a second to compare decoding with, by concurrency: 1=182,32=4444")]
    public IReadOnlyDictionary<int, double>? Target { get; set; }

    [DurationOption("Goodput counts requests whose first token came within this", 1, 3_600_000, inMilliseconds: true)]
    public TimeSpan? GoodTtft { get; set; }

    [DurationOption("Goodput counts requests whose tokens after the first took this on average", 1, 3_600_000, inMilliseconds: true)]
    public TimeSpan? GoodTpot { get; set; }

    [DurationOption("Goodput counts requests that ended within this", 1, 3_600_000, inMilliseconds: true)]
    public TimeSpan? GoodE2e { get; set; }

    [TextOption("Printed above the table", "text")]
    public string? Title { get; set; }

    [TextOption("Writes the figures there", "file")]
    public string? Json { get; set; }

    [TextOption("Writes them as a page with plots there", "file")]
    public string? Html { get; set; }

    /// <summary>Whether a goodput was asked for.</summary>
    public bool HasGoodput => GoodTtft is not null || GoodTpot is not null || GoodE2e is not null;

    /// <summary>The loads, in order. Throws <see cref="StartException"/> for a pair of options that excludes each other.</summary>
    public IReadOnlyList<Load> Loads()
    {
        if (Rate is not null && Concurrency is not null)
        {
            throw new StartException("--rate and --concurrency are two ways to say when requests are sent; give one.", StartException.Usage);
        }

        if (Rate is not null && Target is not null)
        {
            throw new StartException("--target is by concurrency, and goes with --concurrency, not with --rate.", StartException.Usage);
        }

        if (SharedPrefix >= PromptTokens.Least && SharedPrefix > 0)
        {
            throw new StartException($"--shared-prefix is {SharedPrefix}; it must be below the shortest prompt of --prompt-tokens, {PromptTokens.Least}.", StartException.Usage);
        }

        if (PrefixGroups > 1 && SharedPrefix == 0)
        {
            throw new StartException("--prefix-groups says how many beginnings there are, and goes with --shared-prefix.", StartException.Usage);
        }

        return Rate is { } rates
            ? [.. rates.Select(rate => new Load(null, rate, Requests ?? (int)Math.Ceiling(rate * 30)))]
            : [.. (Concurrency ?? [1, 32, 256]).Select(concurrency => new Load(concurrency, null, Requests ?? concurrency))];
    }
}

/// <summary>How requests come.</summary>
/// <param name="Concurrency">So many are under way at once; null in an open loop.</param>
/// <param name="Rate">So many a second; null in a closed loop.</param>
/// <param name="Requests">In all.</param>
internal sealed record Load(int? Concurrency, double? Rate, int Requests)
{
    /// <summary>"32 at once", "4 a second".</summary>
    public string Name => Concurrency is { } at ? FormattableString.Invariant($"{at} at once") : FormattableString.Invariant($"{Rate} a second");
}
