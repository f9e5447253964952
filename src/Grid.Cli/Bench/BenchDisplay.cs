using Grid.Cli.Terminal;
using Spectre.Console;

namespace Grid.Cli.Bench;

/// <summary>Shows runs: a line for each, and on a terminal how far the one under way is.</summary>
internal abstract class BenchDisplay(TextWriter output) : IDisposable
{
    /// <summary>The one for this output; it shows what is sent.</summary>
    public static BenchDisplay Create(TextWriter output, BenchReport report)
    {
        output.WriteLine($"{report.Url} by {report.Api}: {report.Model ?? "a model without a name"}");
        output.WriteLine(report.What);
        output.WriteLine(BenchTable.HeadLine);
        return Console.IsOutputRedirected ? new Lines(output) : new Live(output);
    }

    /// <summary>A run begins.</summary>
    public abstract void Begin(Load load);

    /// <summary>So many of its requests have ended.</summary>
    public abstract void Ended(int requests);

    /// <summary>It has ended.</summary>
    public virtual void End(BenchRun run)
    {
        if (run.Requests > 0)
        {
            output.WriteLine(BenchTable.Line(run));
        }

        foreach (var (failure, count) in run.Failures)
        {
            output.WriteLine(FormattableString.Invariant($"{run.Load.Name}: {count} failed: {failure}"));
        }

        output.Flush();
    }

    /// <inheritdoc/>
    public virtual void Dispose()
    {
    }

    /// <summary>For files and pipes.</summary>
    private sealed class Lines(TextWriter output) : BenchDisplay(output)
    {
        public override void Begin(Load load)
        {
        }

        public override void Ended(int requests)
        {
        }
    }

    /// <summary>For a terminal.</summary>
    private sealed class Live(TextWriter output) : BenchDisplay(output)
    {
        private readonly IAnsiConsole _console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) });
        private LiveView? _view;
        private Load? _load;

        public override void Begin(Load load)
        {
            _load = load;
            _view = new LiveView(_console, View(0));
        }

        public override void Ended(int requests) => _view?.Show(View(requests));

        public override void End(BenchRun run)
        {
            Dispose();
            base.End(run);
        }

        public override void Dispose()
        {
            _view?.Dispose();
            _view = null;
            base.Dispose();
        }

        private Text View(int ended) => new(FormattableString.Invariant($"{_load!.Name}: {LiveView.Bar(ended, _load.Requests)} {ended} of {_load.Requests} requests"));
    }
}
