using System.Diagnostics;

namespace Grid.Grains;

/// <summary>
/// Spans of a request's way through the grid: the gateway's, its sequences', their attempts', the workers'. Each names its parent by what the
/// message before it carried, and none is "current" for whatever runs beside it: grains and devices work on many sequences in turn. Where
/// nobody listens, nothing is made.
/// </summary>
public static class Tracing
{
    /// <summary>The source's name.</summary>
    public const string SourceName = "Grid";

    private static readonly ActivitySource s_source = new(SourceName);

    /// <summary>Begins a span.</summary>
    /// <param name="name">What it is of.</param>
    /// <param name="kind">Its part in a call.</param>
    /// <param name="parent">The span that it belongs to, as W3C's traceparent; null for none.</param>
    /// <param name="link">A span of another trace that it goes on with, in the same form; null for none.</param>
    /// <param name="start">When it began; now by default.</param>
    /// <returns>The span; null where nobody wants it.</returns>
    public static Activity? Start(string name, ActivityKind kind, string? parent, string? link = null, DateTimeOffset start = default)
    {
        if (!s_source.HasListeners())
        {
            return null;
        }

        var before = Activity.Current;
        Activity.Current = null; // Or a span without a parent would take it for one.
        var span = s_source.StartActivity(
            name, kind, ContextOf(parent), links: link is null ? null : [new ActivityLink(ContextOf(link))], startTime: start);
        Activity.Current = before;
        return span;
    }

    /// <summary>A part of a span that is over.</summary>
    public static void Add(Activity span, string name, DateTimeOffset from, DateTimeOffset to)
    {
        var part = Start(name, ActivityKind.Internal, span.Id, start: from);
        part?.SetEndTime(to.UtcDateTime);
        End(part);
    }

    /// <summary>Ends a span.</summary>
    /// <param name="span">The span, where there is one.</param>
    /// <param name="error">What went wrong, in a word or few that tell nothing of a prompt; null where nothing did.</param>
    public static void End(Activity? span, string? error = null)
    {
        if (span is null)
        {
            return;
        }

        if (error is not null)
        {
            span.SetTag("error.type", error);
            span.SetStatus(ActivityStatusCode.Error);
        }

        var before = Activity.Current;
        span.Stop();
        Activity.Current = before;
    }

    private static ActivityContext ContextOf(string? parent) => ActivityContext.TryParse(parent, null, isRemote: true, out var context) ? context : default;
}
