using System.Globalization;
using Grid.Cli.Reports;
using Grid.Cli.Verification;
using Spectre.Console;

namespace Grid.Cli.Terminal;

/// <summary>Shows a verification: a table that moves where the output is a terminal, lines where it is not; at the end, in both, every case in
/// the field's form.</summary>
internal abstract class VerificationDisplay(TextWriter output) : IVerificationObserver, IDisposable
{
    /// <summary>Where it is shown.</summary>
    protected TextWriter Output { get; } = output;

    /// <summary>The one for this output.</summary>
    public static VerificationDisplay Create(TextWriter output) => Console.IsOutputRedirected ? new Lines(output) : new Live(output);

    /// <inheritdoc/>
    public virtual void Planned(VerificationReport report)
    {
        foreach (var server in report.Servers)
        {
            Output.WriteLine($"{server.Url} by {server.Api}: {server.Model ?? "a model without a name"}, fingerprint {server.Fingerprint ?? "not said"}");
        }
    }

    /// <inheritdoc/>
    public abstract void Moved(VerificationReport report, ModeResult mode);

    /// <summary>Shows what is left to say.</summary>
    public virtual void End(VerificationReport report)
    {
        foreach (string note in report.Notes)
        {
            Output.WriteLine(note);
        }

        Output.WriteLine(Summary.Of(report));
        Output.Flush();
    }

    /// <inheritdoc/>
    public virtual void Dispose()
    {
    }

    /// <summary>A mode that has ended, or will not begin.</summary>
    protected void Write(ModeResult mode)
    {
        Output.WriteLine();
        Output.WriteLine($"{mode.Name}: {mode.What}");
        foreach (var one in mode.Cases)
        {
            Output.WriteLine($"  {one.Line}");
            foreach (string line in one.First?.Lines() ?? [])
            {
                Output.WriteLine($"    {line}");
            }
        }

        foreach (string note in mode.Notes)
        {
            Output.WriteLine($"  {note}");
        }

        Output.WriteLine($"  {Summary.StateOf(mode)}");
        Output.Flush();
    }

    /// <summary>For files and pipes.</summary>
    private sealed class Lines(TextWriter output) : VerificationDisplay(output)
    {
        private readonly HashSet<ModeResult> _written = [];

        public override void Moved(VerificationReport report, ModeResult mode)
        {
            if (mode.State is ModeState.Done or ModeState.Failed or ModeState.Cancelled)
            {
                // Those that were skipped before it, in their places.
                foreach (var earlier in report.Modes.TakeWhile(one => one != mode).Append(mode).Where(_written.Add))
                {
                    Write(earlier);
                }
            }
        }

        public override void End(VerificationReport report)
        {
            foreach (var mode in report.Modes.Where(_written.Add))
            {
                Write(mode);
            }

            Output.WriteLine();
            base.End(report);
        }
    }

    /// <summary>For a terminal.</summary>
    private sealed class Live : VerificationDisplay
    {
        private readonly IAnsiConsole _console;
        private LiveView? _view;

        public Live(TextWriter output) : base(output) =>
            _console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) });

        public override void Planned(VerificationReport report)
        {
            base.Planned(report);
            _view = new LiveView(_console, TableOf(report));
        }

        public override void Moved(VerificationReport report, ModeResult mode) => _view!.Show(TableOf(report));

        public override void End(VerificationReport report)
        {
            Dispose();
            _console.Write(TableOf(report));
            foreach (var mode in report.Modes)
            {
                Write(mode);
            }

            _console.WriteLine();
            base.End(report);
        }

        public override void Dispose()
        {
            _view?.Dispose();
            _view = null;
            base.Dispose();
        }

        private static Table TableOf(VerificationReport report)
        {
            var table = new Table().Border(TableBorder.Rounded).AddColumns("mode", "", "trials", "samples", "unique", "state");
            foreach (var mode in report.Modes)
            {
                table.AddRow(
                    new Text(mode.Name), Bar(mode), Text($"{mode.TrialsDone}/{mode.Trials}"), Text($"{mode.Cases.Sum(one => one.Total)}"),
                    Unique(mode), State(mode));
            }

            return table;
        }

        private static Text Bar(ModeResult mode) =>
            new(LiveView.Bar(mode.TrialsDone, mode.Trials), new Style(mode.IsEqual ? Color.Green : Color.Red));

        private static Text Unique(ModeResult mode) => mode.Cases.Count == 0
            ? new Text("")
            : new Text(mode.Cases.Max(one => one.Unique).ToString(CultureInfo.InvariantCulture), new Style(mode.IsEqual ? Color.Green : Color.Red));

        private static Text State(ModeResult mode) => mode.State switch
        {
            ModeState.Waiting => new Text(""),
            ModeState.Running => new Text(mode.IsEqual ? "running" : "running, DIFFERENT"),
            ModeState.Done => mode.IsEqual ? new Text("equal", new Style(Color.Green)) : new Text("DIFFERENT", new Style(Color.Red)),
            ModeState.Skipped => new Text("skipped", new Style(Color.Grey)),
            ModeState.Failed => new Text("failed", new Style(Color.Red)),
            _ => new Text("stopped", new Style(Color.Yellow)),
        };

        private static Text Text(FormattableString text) => new(text.ToString(CultureInfo.InvariantCulture));
    }
}
