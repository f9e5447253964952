using Grid.Cli.Bench;
using Grid.Options;

namespace Grid.Cli.Reports;

/// <summary>A measurement as a page with plots.</summary>
internal static class BenchPage
{
    private const int Points = 50;

    /// <summary>The page.</summary>
    public static string Of(BenchReport report)
    {
        var page = new Page($"grid bench: {report.Url}");
        page.Paragraph($"{report.Model ?? "a model without a name"} by {report.Api}; {report.What}.");
        page.Paragraph(FormattableString.Invariant($"{report.Started:yyyy-MM-dd HH:mm:ss} UTC, grid {GridProgram.Version}."), "dim");
        page.Table(BenchTable.Heads, report.Runs.Select(run => BenchTable.Cells(run).Select(Page.Escape).ToArray()));
        foreach (var run in report.Runs)
        {
            foreach (var (failure, count) in run.Failures)
            {
                page.Paragraph(FormattableString.Invariant($"{run.Load.Name}: {count} failed: {failure}"), "bad");
            }
        }

        if (report.Runs.Exists(run => run.Requests > 0))
        {
            string across = report.Runs[0].Load.Rate is null ? "requests at once" : "requests sent a second";
            page.Add(Plot.Draw("Generated tokens a second", across, [("tok/s", [.. report.Runs.Select(run => (LoadOf(run), run.TokensPerSecond))])]));
            page.Add(Plot.Draw("Requests a second", across, Series(report, ("ended", run => run.RequestsPerSecond), ("within the bounds", run => run.Goodput))));
            page.Add(Plot.Draw("First token, ms", across, Series(report, ("p50", run => run.First.Percentile(0.5)), ("p99", run => run.First.Percentile(0.99)))));
            page.Add(Plot.Draw("Between tokens, ms", across, Series(report, ("p50", run => run.Between.Percentile(0.5)), ("p99", run => run.Between.Percentile(0.99)))));
            page.Add(Plot.Draw("Share of requests whose first token came within", "ms", Curves(report, run => run.First)));
            page.Add(Plot.Draw("Share of gaps between tokens within", "ms", Curves(report, run => run.Between)));
        }

        return page.ToString();
    }

    private static double LoadOf(BenchRun run) => run.Load.Concurrency ?? run.Load.Rate!.Value;

    /// <summary>A line for each figure that there is.</summary>
    private static (string, IReadOnlyList<(double, double)>)[] Series(BenchReport report, params (string Name, Func<BenchRun, double?> Figure)[] figures) =>
    [
        .. figures
            .Select(figure => (figure.Name, (IReadOnlyList<(double, double)>)[.. report.Runs.Where(run => figure.Figure(run) is not null).Select(run => (LoadOf(run), figure.Figure(run)!.Value))]))
            .Where(series => series.Item2.Count > 0),
    ];

    private static (string, IReadOnlyList<(double, double)>)[] Curves(BenchReport report, Func<BenchRun, Distribution> values) =>
        [.. report.Runs.Select(run => (run.Load.Name, (IReadOnlyList<(double, double)>)[.. values(run).Curve(Points)]))];
}
