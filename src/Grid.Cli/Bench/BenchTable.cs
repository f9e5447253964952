using System.Globalization;

namespace Grid.Cli.Bench;

/// <summary>The columns of a run, for terminals, files and pages alike.</summary>
internal static class BenchTable
{
    private static readonly (string Head, int Width, Func<BenchRun, string> Cell)[] s_columns =
    [
        ("load", 14, run => run.Load.Name),
        ("requests", 8, run => Text($"{run.Requests}")),
        ("req/s", 7, run => Text($"{run.RequestsPerSecond:0.00}")),
        ("tok/s", 8, run => Text($"{run.TokensPerSecond:0.0}")),
        ("decode tok/s", 12, run => Number(run.DecodePerSecond, "0.0")),
        ("of target", 9, run => Number(run.OfTarget, "0.00")),
        ("TTFT ms p50", 11, run => Number(run.First.Percentile(0.5), "0.0")),
        ("p99", 8, run => Number(run.First.Percentile(0.99), "0.0")),
        ("ITL ms p50", 10, run => Number(run.Between.Percentile(0.5), "0.00")),
        ("p99", 8, run => Number(run.Between.Percentile(0.99), "0.00")),
        ("E2E s p50", 9, run => Number(run.Whole.Percentile(0.5) / 1000, "0.00")),
        ("p99", 8, run => Number(run.Whole.Percentile(0.99) / 1000, "0.00")),
        ("good req/s", 10, run => Number(run.Goodput, "0.00")),
        ("prefill", 7, run => Number(run.PrefillRatio, "0.00 x")),
        ("device idle", 11, run => Number(run.Idle, "0.0 %")),
    ];

    /// <summary>The columns' names.</summary>
    public static IReadOnlyList<string> Heads { get; } = [.. s_columns.Select(column => column.Head)];

    /// <summary>The names as a line.</summary>
    public static string HeadLine { get; } = string.Join("  ", s_columns.Select(column => column.Head.PadLeft(column.Width)));

    /// <summary>A run's cells; "-" for what was not asked for or is not known.</summary>
    public static string[] Cells(BenchRun run) => [.. s_columns.Select(column => column.Cell(run))];

    /// <summary>A run as a line.</summary>
    public static string Line(BenchRun run) => string.Join("  ", s_columns.Select(column => column.Cell(run).PadLeft(column.Width)));

    private static string Number(double? value, string format) => value is { } number ? number.ToString(format, CultureInfo.InvariantCulture) : "-";

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
