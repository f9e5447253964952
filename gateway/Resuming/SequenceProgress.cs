using System.Globalization;
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

    /// <summary>"-" before the first event, otherwise "tokens/characters", with "." once it has ended.</summary>
    public bool TryFormat(Span<byte> utf8, out int written)
    {
        written = 0;
        if (Tokens < 0)
        {
            utf8[0] = (byte)'-';
            written = 1;
            return true;
        }
        if (!Tokens.TryFormat(utf8, out written, default, CultureInfo.InvariantCulture))
        {
            return false;
        }
        utf8[written++] = (byte)'/';
        if (!Characters.TryFormat(utf8[written..], out var more, default, CultureInfo.InvariantCulture))
        {
            return false;
        }
        written += more;
        if (Ended)
        {
            utf8[written++] = (byte)'.';
        }
        return true;
    }

    /// <summary>Reads what <see cref="TryFormat"/> wrote.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out SequenceProgress position)
    {
        position = None;
        if (text is "-")
        {
            return true;
        }
        var ended = text is [.., '.'];
        text = ended ? text[..^1] : text;
        var slash = text.IndexOf('/');
        if (slash < 0 || !Number(text[..slash], out var tokens) || !Number(text[(slash + 1)..], out var characters))
        {
            return false;
        }
        position = new SequenceProgress(tokens, characters, ended);
        return true;
    }

    private static bool Number(ReadOnlySpan<char> digits, out int number) =>
        int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
