using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Unicode;

namespace Grid.Gateway.Resuming;

/// <summary>What a stream has come to besides its sequences.</summary>
internal enum StreamStage
{
    /// <summary>Sequences are told.</summary>
    Sequences,

    /// <summary>The usage has been told, which follows all sequences.</summary>
    Usage,

    /// <summary>The stream's end has been told.</summary>
    End,
}

/// <summary>
/// A place in a request's stream of events: what a client has got once it has read an event. Its text is the event's id:
/// "&lt;request&gt;:" and the position of each sequence, with commas between them; or "usage", or "end".
/// </summary>
/// <param name="request">The request's id.</param>
/// <param name="sequences">One position for each of its sequences.</param>
internal sealed class StreamPosition(Guid request, SequenceProgress[] sequences)
{
    /// <summary>Sequences of a request whose stream can be resumed: an id grows with each, and every event has one.</summary>
    public const int MaxSequences = 128;

    /// <summary>What an id looks like, for error messages.</summary>
    public const string Rule = "an id as the stream's events have it: 32 hexadecimal digits, ':', and 'tokens/characters' (with '.' at the end once it has ended) or '-' for each of its sequences, with commas between them; or 'usage' or 'end' after the colon";

    private const int LongestSequence = 24;
    private const int NameLength = 32;

    /// <summary>The start of a stream.</summary>
    public StreamPosition(Guid request, int count) : this(request, new SequenceProgress[count]) =>
        Array.Fill(Sequences, SequenceProgress.None);

    public Guid Request { get; } = request;

    public SequenceProgress[] Sequences { get; } = sequences;

    public StreamStage Stage { get; set; }

    /// <summary>Bytes that the id takes at most.</summary>
    public int MaxLength => NameLength + 8 + (Sequences.Length * LongestSequence);

    public StreamPosition Copy() => new(Request, [.. Sequences]) { Stage = Stage };

    /// <summary>Writes the id to a span of <see cref="MaxLength"/> bytes and gives its length.</summary>
    public int Format(Span<byte> utf8)
    {
        Utf8.TryWrite(utf8, $"{Request:N}:{Stage switch { StreamStage.Usage => "usage", StreamStage.End => "end", _ => "" }}", out int written);
        if (Stage == StreamStage.Sequences)
        {
            foreach (var sequence in Sequences)
            {
                written += sequence.Format(utf8[written..]);
                utf8[written++] = (byte)',';
            }
            written--;
        }
        return written;
    }

    public override string ToString()
    {
        Span<byte> utf8 = new byte[MaxLength];
        return Encoding.ASCII.GetString(utf8[..Format(utf8)]);
    }

    /// <summary>Reads an id; that it fits its request is another question (<see cref="TryFit"/>).</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out StreamPosition? position)
    {
        position = null;
        if (text.Length <= NameLength + 1 || text[NameLength] != ':' || !Guid.TryParseExact(text.AsSpan(0, NameLength), "N", out var request))
        {
            return false;
        }
        var places = text.AsSpan(NameLength + 1);
        if (places is "usage" or "end")
        {
            position = new StreamPosition(request, []) { Stage = places is "end" ? StreamStage.End : StreamStage.Usage };
            return true;
        }
        var sequences = new SequenceProgress[places.Count(',') + 1];
        if (sequences.Length > MaxSequences)
        {
            return false;
        }
        int count = 0;
        foreach (var range in places.Split(','))
        {
            if (!SequenceProgress.TryParse(places[range], out sequences[count++]))
            {
                return false;
            }
        }
        position = new StreamPosition(request, sequences);
        return true;
    }

    /// <summary>This position for a request of so many sequences; false when it has another number of them.</summary>
    public bool TryFit(int count, [NotNullWhen(true)] out StreamPosition? fitted)
    {
        fitted = Stage == StreamStage.Sequences
            ? this
            : new StreamPosition(Request, [.. Enumerable.Repeat(new SequenceProgress(0, 0, Ended: true), count)]) { Stage = Stage };
        return fitted.Sequences.Length == count;
    }
}
