using Grid.Cli.Servers;
using Grid.Cli.Terminal;
using Grid.Cli.Verification;
using Grid.Options;

namespace Grid.Cli;

/// <summary>What "grid verify" can be told.</summary>
internal sealed class VerifyOptions
{
    private static readonly VerificationSettings s_defaults = new();

    [Options]
    public ServerOptions Server { get; } = new();

    [UrlOption("A second server, which must give the same answers: another device, another version")]
    public Uri? Against { get; set; }

    [ModesOption("What to verify", Aliases = ["--test-mode"], Default = "all that the server can")]
    public string[]? Modes { get; set; }

    [NumberOption("Trials of each mode; in single, prefix, mixed and p_vs_d the last one is a batch of so many", 1, 1000, Aliases = ["--n-trials"])]
    public int Trials { get; set; } = s_defaults.Trials;

    [DecimalOption("0 is greedy", 0, 2)]
    public double Temperature { get; set; } = s_defaults.Temperature;

    [NumberOption("Of the draws, and of what the modes choose by chance", 0, int.MaxValue, Aliases = ["--sampling-seed"])]
    public long Seed { get; set; } = s_defaults.Seed;

    [NumberOption("Tokens of an answer at most", 1, 1_000_000)]
    public int MaxNewTokens { get; set; } = s_defaults.MaxTokens;

    [NumberOption("Requests that run beside the one in the largest crowd", 0, 10_000)]
    public int Crowd { get; set; } = s_defaults.Crowd;

    [NumberOption("Characters of the longest prompt", 16, 10_000_000)]
    public int LongPrompt { get; set; } = s_defaults.LongPrompt;

    [NumberOption("Where a model takes ids alone, prompts have ids below this", 2, int.MaxValue)]
    public int Vocabulary { get; set; } = s_defaults.Vocabulary;

    [TextOption("Writes what was found there", "file")]
    public string? Json { get; set; }

    [TextOption("Writes it as a page with plots there", "file")]
    public string? Html { get; set; }

    /// <summary>What is verified.</summary>
    public VerificationSettings Settings => s_defaults with
    {
        Modes = Modes ?? s_defaults.Modes,
        Trials = Trials,
        Temperature = Temperature,
        Seed = Seed,
        MaxTokens = MaxNewTokens,
        Crowd = Crowd,
        LongPrompt = LongPrompt,
        Vocabulary = Vocabulary,
    };
}
