using Grid.Clustering;
using Microsoft.Extensions.Logging.Console;

namespace Grid.Gateway.Node;

/// <summary>
/// A node's log: one line for an event, with date and time. Traces, and what Orleans and ASP.NET say of their own work, are for
/// <c>--log-level debug</c>. Only a fault of Grid itself (an error of one of its own categories) has its trace always.
/// </summary>
internal sealed class NodeLogs(ConsoleLoggerProvider console) : ILoggerProvider, ISupportExternalScope
{
    /// <summary>The form of dates in log lines, UTC.</summary>
    public const string Timestamp = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";
    private const int MaxCharacters = 400;
    private const int MostRemembered = 1000;

    /// <summary>What is said again and again is said once in this time.</summary>
    private static readonly TimeSpan s_again = TimeSpan.FromMinutes(1);

    private readonly Dictionary<(string Category, int Event, string? What), (long Said, int LeftOut)> _repeated = [];

    /// <summary>From when the node stops: what Orleans says of its own end is no news.</summary>
    public bool Stopping { get; set; }

    /// <summary>Sets up what a process was told.</summary>
    public static void Configure(ILoggingBuilder logging, GatewayNodeOptions options)
    {
        bool all = options.LogLevel <= LogLevel.Debug;
        var others = all ? LogLevel.Information : options.LogLevel > LogLevel.Warning ? options.LogLevel : LogLevel.Warning;
        logging.ClearProviders();
        logging.SetMinimumLevel(others);
        logging.AddFilter("Grid", options.LogLevel).AddFilter("Orleans", others).AddFilter("Microsoft", others);
        if (options.JsonLogs)
        {
            logging.AddJsonConsole(console => (console.TimestampFormat, console.UseUtcTimestamp) = (Timestamp, true));
        }
        else
        {
            logging.AddSimpleConsole(console =>
            {
                console.SingleLine = true;
                (console.TimestampFormat, console.UseUtcTimestamp) = (Timestamp + " ", true);
                console.ColorBehavior = LoggerColorBehavior.Disabled;
            });
        }
        if (all)
        {
            return;
        }
        ClusterNode.QuietLogs(logging);
        var provider = logging.Services.Single(service => service.ImplementationType == typeof(ConsoleLoggerProvider));
        logging.Services.Remove(provider);
        logging.Services.AddSingleton<ConsoleLoggerProvider>();
        logging.Services.AddSingleton<NodeLogs>();
        logging.Services.AddSingleton<ILoggerProvider>(services => services.GetRequiredService<NodeLogs>());
    }

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new Lines(this, console.CreateLogger(categoryName), categoryName);

    /// <inheritdoc/>
    public void SetScopeProvider(IExternalScopeProvider scopeProvider) => console.SetScopeProvider(scopeProvider);

    /// <inheritdoc/>
    public void Dispose() => console.Dispose();

    /// <summary>How often something was left out since it was last said; null where it is to be left out now.</summary>
    private int? LeftOut(string category, EventId id, string? what)
    {
        lock (_repeated)
        {
            long now = Environment.TickCount64;
            var key = (category, id.Id, what);
            if (_repeated.Count > MostRemembered)
            {
                _repeated.Clear();
            }
            var (said, left) = _repeated.GetValueOrDefault(key, (long.MinValue / 2, 0));
            bool again = now - said < s_again.TotalMilliseconds;
            _repeated[key] = again ? (said, left + 1) : (now, 0);
            return again ? null : left;
        }
    }

    private static string Again(int left) => left == 0 ? "" : $" ({left} more like it)";

    private static string FirstLine(string text)
    {
        int end = text.AsSpan().IndexOfAny('\r', '\n');
        string line = end < 0 ? text : text[..end];
        return line.Length <= MaxCharacters ? line : line[..MaxCharacters] + "...";
    }

    private sealed class Lines(NodeLogs owner, ILogger inner, string category) : ILogger
    {
        private readonly bool _ours = category.StartsWith("Grid.", StringComparison.Ordinal);

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => inner.BeginScope(state);

        public bool IsEnabled(LogLevel logLevel) => inner.IsEnabled(logLevel);

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (!IsEnabled(logLevel))
            {
                return;
            }
            string reason = exception is null ? "" : $": {FirstLine($"{exception.GetType().Name}: {exception.GetBaseException().Message}")}";
            if (_ours && (exception is null || logLevel >= LogLevel.Error))
            {
                inner.Log(logLevel, eventId, state, exception, formatter);
            }
            else if (_ours)
            {
                // An attempt that fails again and again is one event: the same words about the same thing.
                if (owner.LeftOut(category, eventId, formatter(state, null)) is { } left)
                {
                    inner.Log(logLevel, eventId, state, null, (said, _) => formatter(said, null) + reason + Again(left));
                }
            }
            else if (!owner.Stopping && owner.LeftOut(category, eventId, exception?.GetType().FullName) is { } left)
            {
                // The state of others goes with the rest: it may be a trace, too.
                string line = FirstLine(formatter(state, null)) + reason + Again(left);
                inner.Log(logLevel, eventId, line, null, (said, _) => said);
            }
        }
    }
}
