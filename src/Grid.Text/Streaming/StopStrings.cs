using System.Runtime.CompilerServices;
using System.Text;

namespace Grid.Text;

/// <summary>
/// Stop strings, prepared for being found (Knuth, Morris, Pratt): as much again as they take themselves, once for all
/// sequences of a request. Immutable.
/// </summary>
public sealed class StopStrings
{
    /// <summary>Bytes of UTF-8 that a stop string may have.</summary>
    public const int MaxBytes = 1024;

    /// <summary>Bytes of UTF-8 that all of them may have together.</summary>
    public const int MaxTotalBytes = 4096;

    private static readonly ConditionalWeakTable<IReadOnlyList<string>, StopStrings> s_prepared = [];

    private readonly string[] _stops;
    private readonly int[][] _borders;

    private StopStrings(IReadOnlyList<string> stops)
    {
        _stops = [.. stops];
        int total = 0;
        for (int i = 0; i < _stops.Length; i++)
        {
            int bytes = Check(_stops[i], i, nameof(stops));
            total += bytes;
            if (bytes > MaxBytes || total > MaxTotalBytes)
            {
                throw new ArgumentException(
                    $"stops[{i}] makes them too long; a stop string may have {MaxBytes} bytes of UTF-8, and all together {MaxTotalBytes}.", nameof(stops));
            }
        }

        _borders = Array.ConvertAll(_stops, BordersOf);
    }

    /// <summary>How many there are.</summary>
    public int Count => _stops.Length;

    /// <summary>One of them.</summary>
    public string this[int index] => _stops[index];

    /// <summary>A list's stop strings; a list that is given again is not prepared again, and is not changed. None may be empty or
    /// hold lone surrogates or be too long (<see cref="ArgumentException"/>).</summary>
    public static StopStrings Of(IReadOnlyList<string> stops) => s_prepared.GetValue(stops, static stops => new StopStrings(stops));

    /// <summary>How much of a stop string a text ends with after one more character.</summary>
    /// <param name="index">The stop string.</param>
    /// <param name="length">How much of it the text ended with before.</param>
    /// <param name="c">The character.</param>
    public int Step(int index, int length, char c)
    {
        string stop = _stops[index];
        while (length > 0 && (length == stop.Length || stop[length] != c))
        {
            length = _borders[index][length - 1];
        }

        return stop[length] == c ? length + 1 : 0;
    }

    /// <summary>For each beginning of a text, the length of the longest shorter one that it ends with.</summary>
    private static int[] BordersOf(string text)
    {
        int[] borders = new int[text.Length];
        for (int i = 1, length = 0; i < text.Length; i++)
        {
            while (length > 0 && text[length] != text[i])
            {
                length = borders[length - 1];
            }

            borders[i] = length += text[length] == text[i] ? 1 : 0;
        }

        return borders;
    }

    private static int Check(string stop, int index, string parameter)
    {
        if (string.IsNullOrEmpty(stop))
        {
            throw new ArgumentException($"stops[{index}] is empty; a stop string must have at least one character.", parameter);
        }

        for (int i = 0; i < stop.Length; i++)
        {
            if (char.IsSurrogate(stop[i]) && !(i + 1 < stop.Length && char.IsSurrogatePair(stop[i], stop[++i])))
            {
                throw new ArgumentException($"stops[{index}] holds a lone surrogate; a stop string must be valid Unicode.", parameter);
            }
        }

        return Encoding.UTF8.GetByteCount(stop);
    }
}
