using System.Text;

namespace Grid.Text;

/// <summary>Finds stop strings in streamed text, holding back text that may still become one. How the text is cut into
/// pieces never changes the outcome. For one sequence; not safe for concurrent use.</summary>
public sealed class StopStringMatcher
{
    private readonly StopStrings _stops;
    private readonly int[] _lengths;
    private readonly StringBuilder _held = new();

    /// <summary>Takes the stop strings, in the order that decides between several that end at one place. Throws
    /// <see cref="ArgumentException"/> as <see cref="StopStrings.Of"/> does.</summary>
    public StopStringMatcher(IReadOnlyList<string> stops)
    {
        ArgumentNullException.ThrowIfNull(stops);
        _stops = StopStrings.Of(stops);
        _lengths = new int[_stops.Count];
    }

    /// <summary>Whether a stop string that was found is shown, with all of the text that ended it.</summary>
    public bool ShowsMatch { get; init; }

    /// <summary>The stop string that was found; null while none.</summary>
    public string? Matched { get; private set; }

    /// <summary>Takes text; returns what is safe to show. The match is the one that ends earliest in the text; of
    /// several that end there, the first listed. After a match the text before it has been returned and nothing more
    /// will be.</summary>
    /// <param name="text">The text.</param>
    /// <param name="mayMatch">False: a stop string that ends in this text is not looked at. One that begins in it may still
    /// end later.</param>
    public string Append(string text, bool mayMatch = true)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (Matched is not null)
        {
            return "";
        }

        for (int i = 0; i < text.Length; i++)
        {
            for (int stop = 0; stop < _lengths.Length; stop++)
            {
                _lengths[stop] = _stops.Step(stop, _lengths[stop], text[i]);
                if (mayMatch && _lengths[stop] == _stops[stop].Length)
                {
                    Matched = _stops[stop];
                    if (ShowsMatch)
                    {
                        _held.Append(text);
                        return Release(_held.Length, forget: true);
                    }

                    _held.Append(text, 0, i + 1);
                    return Release(_held.Length - Matched.Length, forget: true);
                }
            }
        }

        // The longest end of the text that begins a stop string.
        int open = 0;
        foreach (int length in _lengths)
        {
            open = Math.Max(open, length);
        }

        if (_held.Length == 0 && open == 0)
        {
            return text;
        }

        _held.Append(text);
        return Release(_held.Length - open, forget: false);
    }

    /// <summary>What was held back, when the sequence ends without a match.</summary>
    public string Flush()
    {
        Array.Clear(_lengths);
        return Release(_held.Length, forget: true);
    }

    private string Release(int length, bool forget)
    {
        string text = _held.ToString(0, length);
        _held.Remove(0, forget ? _held.Length : length);
        return text;
    }
}
