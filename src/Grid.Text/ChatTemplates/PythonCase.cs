using System.Buffers;
using System.Collections.Frozen;
using System.Globalization;
using System.Text;

namespace Grid.Text.ChatTemplates;

/// <summary>
/// Upper, lower and title case as Python's str has them: .NET makes one character of one, the Unicode Standard (SpecialCasing.txt)
/// has more: 'ß' becomes "SS", a sigma at a word's end 'ς'.
/// </summary>
internal static class PythonCase
{
    // Each entry is a character, and what it becomes.
    private static readonly FrozenDictionary<int, string> s_upper = Table(
        "\u00dfSS \u0149\u02bcN \u01f0J\u030c \u0390\u0399\u0308\u0301 \u03b0\u03a5\u0308\u0301 \u0587\u0535\u0552"
        + " \u1e96H\u0331 \u1e97T\u0308 \u1e98W\u030a \u1e99Y\u030a \u1e9aA\u02be \u1f50\u03a5\u0313 \u1f52\u03a5\u0313\u0300"
        + " \u1f54\u03a5\u0313\u0301 \u1f56\u03a5\u0313\u0342 \u1f80\u1f08\u0399 \u1f81\u1f09\u0399 \u1f82\u1f0a\u0399"
        + " \u1f83\u1f0b\u0399 \u1f84\u1f0c\u0399 \u1f85\u1f0d\u0399 \u1f86\u1f0e\u0399 \u1f87\u1f0f\u0399 \u1f88\u1f08\u0399"
        + " \u1f89\u1f09\u0399 \u1f8a\u1f0a\u0399 \u1f8b\u1f0b\u0399 \u1f8c\u1f0c\u0399 \u1f8d\u1f0d\u0399 \u1f8e\u1f0e\u0399"
        + " \u1f8f\u1f0f\u0399 \u1f90\u1f28\u0399 \u1f91\u1f29\u0399 \u1f92\u1f2a\u0399 \u1f93\u1f2b\u0399 \u1f94\u1f2c\u0399"
        + " \u1f95\u1f2d\u0399 \u1f96\u1f2e\u0399 \u1f97\u1f2f\u0399 \u1f98\u1f28\u0399 \u1f99\u1f29\u0399 \u1f9a\u1f2a\u0399"
        + " \u1f9b\u1f2b\u0399 \u1f9c\u1f2c\u0399 \u1f9d\u1f2d\u0399 \u1f9e\u1f2e\u0399 \u1f9f\u1f2f\u0399 \u1fa0\u1f68\u0399"
        + " \u1fa1\u1f69\u0399 \u1fa2\u1f6a\u0399 \u1fa3\u1f6b\u0399 \u1fa4\u1f6c\u0399 \u1fa5\u1f6d\u0399 \u1fa6\u1f6e\u0399"
        + " \u1fa7\u1f6f\u0399 \u1fa8\u1f68\u0399 \u1fa9\u1f69\u0399 \u1faa\u1f6a\u0399 \u1fab\u1f6b\u0399 \u1fac\u1f6c\u0399"
        + " \u1fad\u1f6d\u0399 \u1fae\u1f6e\u0399 \u1faf\u1f6f\u0399 \u1fb2\u1fba\u0399 \u1fb3\u0391\u0399 \u1fb4\u0386\u0399"
        + " \u1fb6\u0391\u0342 \u1fb7\u0391\u0342\u0399 \u1fbc\u0391\u0399 \u1fc2\u1fca\u0399 \u1fc3\u0397\u0399"
        + " \u1fc4\u0389\u0399 \u1fc6\u0397\u0342 \u1fc7\u0397\u0342\u0399 \u1fcc\u0397\u0399 \u1fd2\u0399\u0308\u0300"
        + " \u1fd3\u0399\u0308\u0301 \u1fd6\u0399\u0342 \u1fd7\u0399\u0308\u0342 \u1fe2\u03a5\u0308\u0300"
        + " \u1fe3\u03a5\u0308\u0301 \u1fe4\u03a1\u0313 \u1fe6\u03a5\u0342 \u1fe7\u03a5\u0308\u0342 \u1ff2\u1ffa\u0399"
        + " \u1ff3\u03a9\u0399 \u1ff4\u038f\u0399 \u1ff6\u03a9\u0342 \u1ff7\u03a9\u0342\u0399 \u1ffc\u03a9\u0399 \ufb00FF"
        + " \ufb01FI \ufb02FL \ufb03FFI \ufb04FFL \ufb05ST \ufb06ST \ufb13\u0544\u0546 \ufb14\u0544\u0535 \ufb15\u0544\u053b"
        + " \ufb16\u054e\u0546 \ufb17\u0544\u053d");

    // Where it is not what the character becomes in upper case.
    private static readonly FrozenDictionary<int, string> s_title = Table(
        "\u00dfSs \u01c4\u01c5 \u01c5\u01c5 \u01c6\u01c5 \u01c7\u01c8 \u01c8\u01c8 \u01c9\u01c8 \u01ca\u01cb \u01cb\u01cb"
        + " \u01cc\u01cb \u01f1\u01f2 \u01f2\u01f2 \u01f3\u01f2 \u0587\u0535\u0582 \u1f80\u1f88 \u1f81\u1f89 \u1f82\u1f8a"
        + " \u1f83\u1f8b \u1f84\u1f8c \u1f85\u1f8d \u1f86\u1f8e \u1f87\u1f8f \u1f88\u1f88 \u1f89\u1f89 \u1f8a\u1f8a \u1f8b\u1f8b"
        + " \u1f8c\u1f8c \u1f8d\u1f8d \u1f8e\u1f8e \u1f8f\u1f8f \u1f90\u1f98 \u1f91\u1f99 \u1f92\u1f9a \u1f93\u1f9b \u1f94\u1f9c"
        + " \u1f95\u1f9d \u1f96\u1f9e \u1f97\u1f9f \u1f98\u1f98 \u1f99\u1f99 \u1f9a\u1f9a \u1f9b\u1f9b \u1f9c\u1f9c \u1f9d\u1f9d"
        + " \u1f9e\u1f9e \u1f9f\u1f9f \u1fa0\u1fa8 \u1fa1\u1fa9 \u1fa2\u1faa \u1fa3\u1fab \u1fa4\u1fac \u1fa5\u1fad \u1fa6\u1fae"
        + " \u1fa7\u1faf \u1fa8\u1fa8 \u1fa9\u1fa9 \u1faa\u1faa \u1fab\u1fab \u1fac\u1fac \u1fad\u1fad \u1fae\u1fae \u1faf\u1faf"
        + " \u1fb2\u1fba\u0345 \u1fb3\u1fbc \u1fb4\u0386\u0345 \u1fb7\u0391\u0342\u0345 \u1fbc\u1fbc \u1fc2\u1fca\u0345"
        + " \u1fc3\u1fcc \u1fc4\u0389\u0345 \u1fc7\u0397\u0342\u0345 \u1fcc\u1fcc \u1ff2\u1ffa\u0345 \u1ff3\u1ffc"
        + " \u1ff4\u038f\u0345 \u1ff7\u03a9\u0342\u0345 \u1ffc\u1ffc \ufb00Ff \ufb01Fi \ufb02Fl \ufb03Ffi \ufb04Ffl \ufb05St"
        + " \ufb06St \ufb13\u0544\u0576 \ufb14\u0544\u0565 \ufb15\u0544\u056b \ufb16\u054e\u0576 \ufb17\u0544\u056d");

    // What has a case without being a letter that has one.
    private static readonly (int First, int Last)[] s_otherCased =
    [
        (0xAA, 0xAA), (0xBA, 0xBA), (0x2B0, 0x2B8), (0x2C0, 0x2C1), (0x2E0, 0x2E4), (0x345, 0x345), (0x37A, 0x37A),
        (0x1D2C, 0x1D6A), (0x1D78, 0x1D78), (0x1D9B, 0x1DBF), (0x2071, 0x2071), (0x207F, 0x207F), (0x2090, 0x209C),
        (0x2160, 0x217F), (0x24B6, 0x24E9), (0x2C7C, 0x2C7D), (0xA69C, 0xA69D), (0xA770, 0xA770), (0xA7F8, 0xA7F9),
        (0xAB5C, 0xAB5F), (0x10780, 0x10780), (0x10783, 0x10785), (0x10787, 0x107B0), (0x107B2, 0x107BA),
        (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189),
    ];

    private static readonly SearchValues<char> s_punctuationInWords =
        SearchValues.Create("'.:\u00b7\u0387\u055f\u05f4\u2018\u2019\u2024\u2027\ufe13\ufe52\ufe55\uff07\uff0e\uff1a");

    /// <summary>str.upper.</summary>
    public static string Upper(string text)
    {
        var result = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            result.Append(Upper(rune));
        }

        return result.ToString();
    }

    /// <summary>str.lower.</summary>
    public static string Lower(string text) => Map(text, (runes, i) => Lower(runes, i));

    /// <summary>str.capitalize.</summary>
    public static string Capitalize(string text) => Map(text, (runes, i) => i == 0 ? Title(runes[i]) : Lower(runes, i));

    /// <summary>str.title: a word begins where a character with a case follows one without.</summary>
    public static string Title(string text) => Map(text, (runes, i) => i > 0 && IsCased(runes[i - 1]) ? Lower(runes, i) : Title(runes[i]));

    private static string Map(string text, Func<Rune[], int, string> map)
    {
        Rune[] runes = [.. text.EnumerateRunes()];
        var result = new StringBuilder(text.Length);
        for (int i = 0; i < runes.Length; i++)
        {
            result.Append(map(runes, i));
        }

        return result.ToString();
    }

    private static string Upper(Rune rune) => s_upper.TryGetValue(rune.Value, out string? upper) ? upper : Rune.ToUpperInvariant(rune).ToString();

    private static string Title(Rune rune) =>
        s_title.TryGetValue(rune.Value, out string? title) ? title
            : rune.Value is >= 0x10D0 and <= 0x10FF ? rune.ToString() // Georgian has upper case, and no title case.
            : Upper(rune);

    private static string Lower(Rune[] runes, int index) => runes[index].Value switch
    {
        0x130 => "i\u0307",
        0x3A3 => EndsWord(runes, index) ? "\u03c2" : "\u03c3",
        _ => Rune.ToLowerInvariant(runes[index]).ToString(),
    };

    /// <summary>Whether a character with a case comes before the place and none after it, whatever is passed over between.</summary>
    private static bool EndsWord(Rune[] runes, int index)
    {
        int before = index - 1, after = index + 1;
        while (before >= 0 && IsPassedOver(runes[before]))
        {
            before--;
        }

        while (after < runes.Length && IsPassedOver(runes[after]))
        {
            after++;
        }

        return before >= 0 && IsCased(runes[before]) && !(after < runes.Length && IsCased(runes[after]));
    }

    private static bool IsCased(Rune rune) =>
        Rune.GetUnicodeCategory(rune) is UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
        || Array.Exists(s_otherCased, range => rune.Value >= range.First && rune.Value <= range.Last);

    private static bool IsPassedOver(Rune rune) =>
        Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.Format
            or UnicodeCategory.ModifierLetter or UnicodeCategory.ModifierSymbol
        || (rune.IsBmp && s_punctuationInWords.Contains((char)rune.Value));

    private static FrozenDictionary<int, string> Table(string entries) =>
        entries.Split(' ').ToFrozenDictionary(entry => (int)entry[0], entry => entry[1..]);
}
