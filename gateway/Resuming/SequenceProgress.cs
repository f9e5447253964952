using System.Globalization;
using System.Text.Unicode;
using Grid.Grains;

namespace Grid.Gateway.Resuming;

/// <summary>
/// How much of one sequence a client has been told. An answer is a function of its request, so these numbers say which
/// part of it is left, whatever the timing that grouped its tokens into events.
/// </summary>
/// <param name="Tokens">Output tokens, those that made no text included; -1 before the sequence's first event.</param>
/// <param name="Characters">UTF-16 units of text.</param>
/// <param name="Ended">Whether it has been told the finish reason.</param>
internal readonly record struct SequenceProgress(int Tokens, int Characters, bool Ended)
{
    /// <summary>Before the sequence's first event.</summary>
    public static SequenceProgress None { get; } = new(-1, 0, false);

    /// <summary>Whether an event that leads to a position tells nothing new to who is at this one.</summary>
    public bool Covers(SequenceProgress other) =>
        other.Tokens <= Tokens && other.Characters <= Characters && (Ended || !other.Ended);

    /// <summary>For cutting the sequence's updates where its client left off. Scores of the prompt come before any output.</summary>
    public SequenceCursor ToCursor() =>
        new(Math.Max(Tokens, 0), Characters, promptTokens: Tokens > 0 || Characters > 0 ? int.MaxValue : 0);

    /// <summary>Writes "-" before the first event, otherwise "tokens/characters", with "." once it has ended; gives its length.</summary>
    public int Format(Span<byte> utf8)
    {
        if (Tokens < 0)
        {
            utf8[0] = (byte)'-';
            return 1;
        }
        Utf8.TryWrite(utf8, CultureInfo.InvariantCulture, $"{Tokens}/{Characters}{(Ended ? "." : "")}", out int written);
        return written;
    }

    /// <summary>Reads what <see cref="Format"/> wrote.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out SequenceProgress position)
    {
        position = None;
        bool ended = text is [.., '.'];
        var digits = ended ? text[..^1] : text;
        int slash = digits.IndexOf('/');
        if (slash < 0 || !Number(digits[..slash], out int tokens) || !Number(digits[(slash + 1)..], out int characters))
        {
            return text is "-";
        }
        position = new SequenceProgress(tokens, characters, ended);
        return true;
    }

    private static bool Number(ReadOnlySpan<char> digits, out int number) =>
        int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
