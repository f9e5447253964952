using Spectre.Console;
using Spectre.Console.Rendering;

namespace Grid.Cli.Terminal;

/// <summary>A part of a terminal that is drawn anew when there is news, and is gone at the end.</summary>
internal sealed class LiveView : IDisposable
{
    private readonly TaskCompletionSource _ended = new();
    private readonly object _gate = new();
    private readonly Task _shown;
    private LiveDisplayContext? _context;

    /// <param name="console">The terminal.</param>
    /// <param name="first">What is shown at first.</param>
    public LiveView(IAnsiConsole console, IRenderable first)
    {
        var ready = new TaskCompletionSource();
        _shown = Task.Run(() => console.Live(first).AutoClear(true).StartAsync(async context =>
        {
            _context = context;
            context.Refresh();
            ready.SetResult();
            await _ended.Task;
        }));
        Task.WhenAny(ready.Task, _shown).Wait();
    }

    /// <summary>A bar of progress.</summary>
    public static string Bar(int done, int all)
    {
        const int Width = 20;
        int full = all == 0 ? 0 : Math.Min(Width, done * Width / all);
        return new string('━', full) + new string('─', Width - full);
    }

    /// <summary>Shows this instead.</summary>
    public void Show(IRenderable view)
    {
        lock (_gate)
        {
            _context?.UpdateTarget(view);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _ended.TrySetResult();
        _shown.Wait();
    }
}
