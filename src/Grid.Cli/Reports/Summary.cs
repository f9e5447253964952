using System.Globalization;
using Grid.Cli.Verification;

namespace Grid.Cli.Reports;

/// <summary>A verification in a sentence.</summary>
internal static class Summary
{
    /// <summary>The outcome.</summary>
    public static string Of(VerificationReport report)
    {
        string bits = report.Servers.All(server => server.GivesLogprobs) ? "texts, ids and logprobs" : "texts (the server gives no logprobs)";
        string whole = report.IsCancelled ? " It was stopped before its end." : report.IsWhole ? "" : " It is not whole: requests failed.";
        var different = report.Modes.Where(mode => !mode.IsEqual).Select(mode => mode.Name).ToList();
        return report.Total == 0 ? $"Nothing was compared.{whole}"
            : different.Count > 0 ? Line($"DIFFERENT: {string.Join(", ", different)}. {report.Total} answers were compared.{whole}")
            : Line($"Equal: {report.Total} answers, {bits}, in every company that was tried.{whole}");
    }

    /// <summary>How far a mode came.</summary>
    public static string StateOf(ModeResult mode) => mode.State switch
    {
        ModeState.Skipped => $"Skipped: {mode.Reason}.",
        ModeState.Failed => Line($"Failed after {mode.TrialsDone} of {mode.Trials} trials: {mode.Reason}"),
        ModeState.Cancelled => Line($"Stopped after {mode.TrialsDone} of {mode.Trials} trials."),
        ModeState.Done => Line($"{mode.Trials} trials, {mode.Time.TotalSeconds:0.0} s."),
        _ => "",
    };

    private static string Line(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
