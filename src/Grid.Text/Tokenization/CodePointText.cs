using System.Buffers;
using System.Globalization;

namespace Grid.Text.Tokenization;

/// <summary>A text seen as code points by a regular expression engine that sees UTF-16 units: each character outside the
/// basic plane is replaced by one character of the same general category that no pattern names, and offsets are mapped
/// back. Without this, letters such as 𠀀 would be split like punctuation.</summary>
internal sealed class CodePointText : IDisposable
{
    // Indexed by UnicodeCategory; categories that have no member outside the basic plane stand for themselves.
    private static readonly char[] StandInOfCategory = BuildStandIns();

    private readonly char[] _view;
    private readonly int[] _offsets;
    private readonly int _length;

    private CodePointText(char[] view, int[] offsets, int length)
    {
        _view = view;
        _offsets = offsets;
        _length = length;
    }

    /// <summary>The characters that stand for characters outside the basic plane; patterns must not name them.</summary>
    public static string StandIns { get; } = new(StandInOfCategory);

    /// <summary>One unit per code point.</summary>
    public ReadOnlySpan<char> View => _view.AsSpan(0, _length);

    /// <summary>Makes the view of well-formed UTF-16.</summary>
    public static CodePointText Create(ReadOnlySpan<char> text)
    {
        char[] view = ArrayPool<char>.Shared.Rent(text.Length);
        int[] offsets = ArrayPool<int>.Shared.Rent(text.Length + 1);
        int length = 0;
        for (int i = 0; i < text.Length; i++)
        {
            offsets[length] = i;
            char c = text[i];
            if (char.IsHighSurrogate(c))
            {
                c = StandInOfCategory[(int)CharUnicodeInfo.GetUnicodeCategory(char.ConvertToUtf32(c, text[++i]))];
            }

            view[length++] = c;
        }

        offsets[length] = text.Length;
        return new CodePointText(view, offsets, length);
    }

    /// <summary>Where a position of the view lies in the text.</summary>
    public int OffsetOf(int position) => _offsets[position];

    public void Dispose()
    {
        ArrayPool<char>.Shared.Return(_view);
        ArrayPool<int>.Shared.Return(_offsets);
    }

    private static char[] BuildStandIns()
    {
        // Rare BMP characters, one of each category.
        const string candidates =
            "\uA640\uA641\u1F88\uA717\uA500\uA8E0\uA880\uA670\uA8D0\uA6E6\uA830\uFE33\uFE31\uFE35\uFE36\u2E02\u2E03\uA60D\u2AF4\uA838\uA700\uA490\uFFF9\uE000\uFDD0";
        char[] standIns = new char[(int)UnicodeCategory.OtherNotAssigned + 1];
        Array.Fill(standIns, '\uFDD0');
        foreach (char c in candidates)
        {
            standIns[(int)CharUnicodeInfo.GetUnicodeCategory(c)] = c;
        }

        return standIns;
    }
}
