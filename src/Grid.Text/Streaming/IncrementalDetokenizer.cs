using System.Buffers;
using System.Text;

namespace Grid.Text;

/// <summary>Turns ids to text as they come; never gives half a character. What it gives, put together, is what
/// <see cref="Tokenizer.Decode"/> gives for all ids at once. For one sequence; not safe for concurrent use. A token
/// of whole characters that follows whole characters allocates nothing.</summary>
public sealed class IncrementalDetokenizer(Tokenizer tokenizer, bool skipSpecialTokens)
{
    // The beginning of a character whose other bytes have not come; UTF-8 has at most four.
    private readonly byte[] _pending = new byte[4];
    private int _pendingCount;

    /// <summary>Takes a token; returns the text that became whole (perhaps empty). Throws
    /// <see cref="ArgumentOutOfRangeException"/> for a negative id; an id that no token has gives no text.</summary>
    public string Append(int id)
    {
        if (skipSpecialTokens && tokenizer.IsSpecial(id))
        {
            return "";
        }

        if (_pendingCount == 0 && tokenizer.WholeText(id) is { } whole)
        {
            return whole;
        }

        var token = tokenizer.TokenBytes(id).Span;
        int length = _pendingCount + token.Length;
        byte[]? rented = length <= 256 ? null : ArrayPool<byte>.Shared.Rent(length);
        var bytes = rented is null ? stackalloc byte[256] : rented;
        _pending.AsSpan(0, _pendingCount).CopyTo(bytes);
        token.CopyTo(bytes[_pendingCount..]);
        string text = TakeWhole(bytes[..length]);
        if (rented is not null)
        {
            ArrayPool<byte>.Shared.Return(rented);
        }

        return text;
    }

    /// <summary>What is left at the end; incomplete UTF-8 becomes U+FFFD.</summary>
    public string Flush()
    {
        string rest = Encoding.UTF8.GetString(_pending.AsSpan(0, _pendingCount));
        _pendingCount = 0;
        return rest;
    }

    private string TakeWhole(ReadOnlySpan<byte> bytes)
    {
        // Only the last character can be incomplete, and it has at most three bytes so far.
        int whole = bytes.Length;
        for (int back = 1; back <= Math.Min(3, bytes.Length); back++)
        {
            if (Rune.DecodeFromUtf8(bytes[^back..], out _, out int consumed) == OperationStatus.NeedMoreData && consumed == back)
            {
                whole = bytes.Length - back;
                break;
            }
        }

        bytes[whole..].CopyTo(_pending);
        _pendingCount = bytes.Length - whole;
        return Encoding.UTF8.GetString(bytes[..whole]);
    }
}
