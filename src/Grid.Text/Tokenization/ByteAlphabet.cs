using System.Text;

namespace Grid.Text.Tokenization;

/// <summary>The byte-level alphabet of GPT-2: each byte is written as one printable character, so that a vocabulary of
/// byte strings can be stored as text. Printable Latin-1 characters stand for themselves; the others take the
/// characters from U+0100 on, in byte order.</summary>
internal static class ByteAlphabet
{
    private const int TableSize = 256 + 68;

    private static readonly char[] CharOfByte = new char[256];
    private static readonly short[] ByteOfChar = new short[TableSize];

    static ByteAlphabet()
    {
        Array.Fill(ByteOfChar, (short)-1);
        int next = 256;
        for (int value = 0; value < 256; value++)
        {
            bool itself = value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
            CharOfByte[value] = itself ? (char)value : (char)next++;
            ByteOfChar[CharOfByte[value]] = (short)value;
        }
    }

    /// <summary>The character that stands for a byte.</summary>
    public static char ToChar(byte value) => CharOfByte[value];

    /// <summary>Whether every character of the text stands for a byte.</summary>
    public static bool Covers(ReadOnlySpan<char> text)
    {
        foreach (char c in text)
        {
            if (c >= TableSize || ByteOfChar[c] < 0)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The bytes a token stands for. A token with a character outside the alphabet (an added token such as
    /// one with a space) stands for its own UTF-8, as the ByteLevel decoder has it.</summary>
    public static byte[] ToBytes(string token)
    {
        if (!Covers(token))
        {
            return Encoding.UTF8.GetBytes(token);
        }

        byte[] bytes = new byte[token.Length];
        for (int i = 0; i < bytes.Length; i++)
        {
            bytes[i] = (byte)ByteOfChar[token[i]];
        }

        return bytes;
    }

    /// <summary>Bytes written in the alphabet.</summary>
    public static string FromBytes(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder(bytes.Length);
        foreach (byte value in bytes)
        {
            text.Append(CharOfByte[value]);
        }

        return text.ToString();
    }

    /// <summary>Whether a byte can occur in UTF-8 at all.</summary>
    public static bool OccursInUtf8(int value) => value is not (0xC0 or 0xC1 or >= 0xF5);
}
