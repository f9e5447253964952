using System.Globalization;
using Grid.Cli.Verification;
using Grid.Options;

namespace Grid.Cli.Reports;

/// <summary>A verification as a page, with a plot of how many distinct answers there were by load.</summary>
internal static class VerificationPage
{
    /// <summary>The page.</summary>
    public static string Of(VerificationReport report)
    {
        var page = new Page($"grid verify: {string.Join(" against ", report.Servers.Select(server => server.Url))}");
        page.Paragraph(Summary.Of(report), report.IsEqual && report.IsWhole ? "good" : "bad");
        page.Table(["server", "asked by", "model", "fingerprint"], report.Servers.Select(server => (string[])
            [Page.Escape(server.Url.ToString()), server.Api, Page.Escape(server.Model ?? "not said"), Page.Escape(server.Fingerprint ?? "not said")]));
        page.Paragraph(Line($"{report.Started:yyyy-MM-dd HH:mm:ss} UTC, grid {GridProgram.Version}; {report.Settings.Trials} trials a mode, temperature {report.Settings.Temperature}, seed {report.Settings.Seed}, answers of at most {report.Settings.MaxTokens} tokens."), "dim");
        foreach (string note in report.Notes)
        {
            page.Paragraph(note);
        }

        foreach (var mode in report.Modes)
        {
            Add(page, mode);
        }

        return page.ToString();
    }

    private static void Add(Page page, ModeResult mode)
    {
        page.Heading(mode.Name);
        page.Paragraph(Line($"{mode.What}. {Summary.StateOf(mode)}"), mode.State is ModeState.Failed || !mode.IsEqual ? "bad" : "dim");
        foreach (string note in mode.Notes)
        {
            page.Paragraph(note);
        }

        if (mode.Cases.Count == 0)
        {
            return;
        }

        page.Table(["case", "total samples", "unique samples", "questions", "with several answers"], mode.Cases.Select(one => (string[])
            [Page.Escape(one.Name), Line($"{one.Total}"), one.IsEqual ? Line($"{one.Unique}") : Line($"<span class=\"bad\">{one.Unique}</span>"), Line($"{one.Questions}"), Line($"{one.Differing}")]));
        foreach (var one in mode.Cases.Where(one => one.First is not null))
        {
            page.Add($"<pre>{Page.Escape(string.Join('\n', one.First!.Lines()))}</pre>");
        }

        page.Add(Plot.Draw("Distinct answers to one question, up to each load", "requests at once",
            [.. mode.Cases.Select(one => (one.Name, (IReadOnlyList<(double, double)>)[.. one.DistinctByLoad().Select(at => ((double)at.Load, (double)at.Distinct))]))]));
    }

    private static string Line(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
