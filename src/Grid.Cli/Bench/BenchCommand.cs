using Grid.Cli.Reports;
using Grid.Cli.Servers;
using Grid.Cli.Verification;
using Grid.Options;

namespace Grid.Cli.Bench;

/// <summary>"grid bench".</summary>
internal static class BenchCommand
{
    /// <summary>Exit code where a request failed.</summary>
    private const int Failed = 1;

    /// <summary>Its options.</summary>
    public static GridProgram<BenchOptions> Program { get; } = new(
        "grid", "grid bench", "Measures a server under load, as its clients see it: streams of random prompts. Exit code 0: every request got all its tokens. "
            + "1: one did not. 2: wrong options, or a server that cannot be reached.", "bench");

    /// <summary>Runs it, and gives the exit code.</summary>
    public static async Task<int> RunAsync(BenchOptions options, StopSignals signals)
    {
        var loads = options.Loads();
        ReportFile.RequireWritable("--json", options.Json);
        ReportFile.RequireWritable("--html", options.Html);
        using var connection = options.Server.Connect(options.Server.Url);
        var report = new BenchReport(connection.Url, options, DateTimeOffset.UtcNow);
        try
        {
            var (generate, model, isGrid) = await ServerFinder.FindAsync(connection, options.Server, signals.Asked);
            report = report with { Api = generate ? "/generate" : "/v1/completions", Model = model };
            var requests = new BenchRequests(options, generate, model, isGrid);
            using var display = BenchDisplay.Create(Console.Out, report);
            foreach (var load in loads)
            {
                display.Begin(load);
                var generator = new LoadGenerator(connection.Client, requests, options, display.Ended, signals.Asked);
                report.Runs.Add(await generator.RunAsync(load));
                display.End(report.Runs[^1]);
                if (signals.Asked.IsCancellationRequested)
                {
                    break;
                }
            }
        }
        catch (ServerException exception)
        {
            throw new StartException(exception.Message, StartException.Usage);
        }
        catch (OperationCanceledException) when (signals.Asked.IsCancellationRequested)
        {
            throw new StartException("stopped before anything was measured.", signals.ExitCode);
        }

        await ReportFile.WriteAsync(options.Json, () => BenchJson.Of(report));
        await ReportFile.WriteAsync(options.Html, () => BenchPage.Of(report));
        return signals.Asked.IsCancellationRequested ? signals.ExitCode
            : report.Runs.TrueForAll(run => run.Failures.Count == 0) ? 0
            : Failed;
    }
}

/// <summary>What was measured.</summary>
/// <param name="Url">The server.</param>
/// <param name="Options">What was asked for.</param>
/// <param name="Started">When.</param>
internal sealed record BenchReport(Uri Url, BenchOptions Options, DateTimeOffset Started)
{
    /// <summary>How it was asked.</summary>
    public string Api { get; init; } = "";

    /// <summary>The model; null where it is not said.</summary>
    public string? Model { get; init; }

    /// <summary>One for each load.</summary>
    public List<BenchRun> Runs { get; } = [];

    /// <summary>What was sent, a line.</summary>
    public string What => FormattableString.Invariant($"{(Options.Title is { } title ? $"{title}: " : "")}{Options.PromptTokens} random prompt ids{(Options.Samples > 1 ? FormattableString.Invariant($" x {Options.Samples} samples") : "")}{(Options.SharedPrefix > 0 ? FormattableString.Invariant($", {Options.SharedPrefix} of them shared in {Options.PrefixGroups} groups") : "")}, {Options.OutputTokens} tokens, temperature {Options.Temperature}");
}
