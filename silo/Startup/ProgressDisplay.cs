using System.Globalization;
using Grid.Options;

namespace Grid.Silo.Startup;

/// <summary>
/// Shows how far something long has come, in bytes: on a terminal a bar that is redrawn in place and goes away at the end,
/// otherwise a line every few seconds. What is quick shows nothing. Reports may come from any thread.
/// </summary>
/// <remarks>Its own and not a console library's, whose bars own the terminal and, redirected, print bare percentages.</remarks>
internal sealed class ProgressDisplay : IDisposable
{
    private const int BarCells = 24;
    private const int LeastBarCells = 8;
    private const int Columns = 80;
    private static readonly TimeSpan s_redraw = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan s_line = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_rateWindow = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly TextWriter _output;
    private readonly string _title;
    private readonly bool _isTerminal;
    private readonly int _columns;
    private readonly TimeProvider _time;
    private readonly Queue<(long Time, long Bytes)> _recent = new();
    private long _lastShown;
    private int _shownColumns;

    /// <summary>Nothing is written before the first report that is due.</summary>
    /// <param name="output">Where to write.</param>
    /// <param name="title">What is going on: "Loading weights".</param>
    /// <param name="isTerminal">Whether a carriage return goes back to the line's start.</param>
    /// <param name="time">The clock.</param>
    /// <param name="columns">The terminal's: a line that reaches the last of them may not be redrawn in place.</param>
    public ProgressDisplay(TextWriter output, string title, bool isTerminal, TimeProvider time, int columns = Columns)
    {
        _columns = columns - 1;
        _output = output;
        _title = title;
        _isTerminal = isTerminal;
        _time = time;
        _lastShown = time.GetTimestamp();
    }

    /// <summary>A display on a writer, which is a terminal when it is the console and nothing redirects that.</summary>
    public static ProgressDisplay On(TextWriter output, string title)
    {
        bool isTerminal = ReferenceEquals(output, Console.Out) && !Console.IsOutputRedirected;

        // A terminal that does not say how wide it is says 0.
        return new(output, title, isTerminal, TimeProvider.System, isTerminal && Console.WindowWidth > 0 ? Math.Min(Console.WindowWidth, Columns) : Columns);
    }

    /// <summary>Takes how far things have come.</summary>
    /// <param name="bytes">Bytes done. What the first report has done already (a resumed download) does not count as speed.</param>
    /// <param name="totalBytes">Bytes in all, as far as they are known; 0 when not at all.</param>
    public void Report(long bytes, long totalBytes)
    {
        lock (_lock)
        {
            long now = _time.GetTimestamp();
            if (_recent.Count == 0)
            {
                _recent.Enqueue((now, bytes));
            }

            if (_time.GetElapsedTime(_lastShown, now) >= (_isTerminal ? s_redraw : s_line))
            {
                _lastShown = now;
                Show(Line(now, bytes, totalBytes));
            }
        }
    }

    /// <summary>Clears the bar.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_shownColumns > 0)
            {
                _output.Write($"\r{new string(' ', _shownColumns)}\r");
                _output.Flush();
                _shownColumns = 0;
            }
        }
    }

    private string Line(long now, long bytes, long totalBytes)
    {
        double rate = Rate(now, bytes);
        string speed = $"{ByteSize.Format((long)rate)}/s";
        if (totalBytes <= 0)
        {
            return $"{_title}  {ByteSize.Format(bytes)}, {speed}";
        }

        double share = Math.Clamp((double)bytes / totalBytes, 0, 1);
        string left = rate >= 1 ? $", {Duration((totalBytes - bytes) / rate)} left" : "";
        string figures = string.Create(CultureInfo.InvariantCulture,
            $"{ByteSize.Format(bytes)} of {ByteSize.Format(totalBytes)} ({share * 100:0} %), {speed}{left}");
        return $"{_title}  {Bar(share, _columns - _title.Length - figures.Length - "  []  ".Length)}{figures}";
    }

    /// <summary>As long as there is room; none where that is too little.</summary>
    private string Bar(double share, int room)
    {
        int cells = Math.Min(room, BarCells);
        int full = (int)(share * cells);
        return _isTerminal && cells >= LeastBarCells ? $"[{new string('#', full)}{new string('-', cells - full)}]  " : "";
    }

    /// <summary>Bytes a second over the last seconds.</summary>
    private double Rate(long now, long bytes)
    {
        while (_recent.Count > 1 && _time.GetElapsedTime(_recent.Peek().Time, now) > s_rateWindow)
        {
            _recent.Dequeue();
        }

        (long since, long before) = _recent.Peek();
        _recent.Enqueue((now, bytes));
        double seconds = _time.GetElapsedTime(since, now).TotalSeconds;
        return seconds > 0 ? Math.Max(0, (bytes - before) / seconds) : 0;
    }

    private static string Duration(double seconds)
    {
        var time = TimeSpan.FromSeconds(Math.Min(Math.Max(seconds, 0), 359_999));
        return time.TotalHours >= 1
            ? string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalHours}:{time.Minutes:00}:{time.Seconds:00}")
            : string.Create(CultureInfo.InvariantCulture, $"{time.Minutes}:{time.Seconds:00}");
    }

    private void Show(string line)
    {
        if (_isTerminal)
        {
            line = line.Length > _columns ? line[.._columns] : line;
            _output.Write('\r' + line.PadRight(_shownColumns));
            _shownColumns = line.Length;
        }
        else
        {
            _output.WriteLine(line);
        }

        _output.Flush();
    }
}
