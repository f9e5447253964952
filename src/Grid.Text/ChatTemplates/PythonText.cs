using System.Buffers;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace Grid.Text.ChatTemplates;

/// <summary>Text as Python has it: its white space, literals, code point indexing and number formatting.</summary>
internal static class PythonText
{
    private const string SpaceCharacters =
        "\t\n\v\f\r\u001C\u001D\u001E\u001F \u0085\u00A0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200A\u2028\u2029\u202F\u205F\u3000";

    /// <summary>What str.strip, str.split and \s take for white space.</summary>
    public static readonly SearchValues<char> Spaces = SearchValues.Create(SpaceCharacters);

    public static bool IsSpace(char c) => Spaces.Contains(c);

    public static string Strip(string text, string? characters) => StripEnd(StripStart(text, characters), characters);

    public static string StripStart(string text, string? characters) => text.TrimStart((characters ?? SpaceCharacters).ToCharArray().OrNothing());

    public static string StripEnd(string text, string? characters) => text.TrimEnd((characters ?? SpaceCharacters).ToCharArray().OrNothing());

    /// <summary>The number of code points.</summary>
    public static int Length(string text)
    {
        int pairs = 0;
        for (int i = 0; i + 1 < text.Length; i++)
        {
            if (char.IsSurrogatePair(text[i], text[i + 1]))
            {
                pairs++;
                i++;
            }
        }

        return text.Length - pairs;
    }

    /// <summary>The text's characters, one string per code point.</summary>
    public static List<object?> Characters(string text)
    {
        var result = new List<object?>(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            bool pair = i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]);
            result.Add(pair ? text.Substring(i++, 2) : text[i].ToString());
        }

        return result;
    }

    /// <summary>The string that the inside of a literal stands for.</summary>
    public static string Unescape(string text)
    {
        if (!text.Contains('\\'))
        {
            return text;
        }

        var result = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\' || i + 1 == text.Length)
            {
                result.Append(text[i]);
                continue;
            }

            char c = text[++i];
            if (c is 'x' or 'u' or 'U')
            {
                int digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
                i += AppendHexadecimal(text, i + 1, digits, result);
            }
            else if (c is >= '0' and <= '7')
            {
                int end = i;
                while (end < text.Length && end < i + 3 && text[end] is >= '0' and <= '7')
                {
                    end++;
                }

                result.Append((char)Convert.ToInt32(text[i..end], 8));
                i = end - 1;
            }
            else
            {
                AppendSimple(c, result);
            }
        }

        return result.ToString();
    }

    private static void AppendSimple(char c, StringBuilder result)
    {
        switch (c)
        {
            case '\n':
                break;
            case 'n':
                result.Append('\n');
                break;
            case 't':
                result.Append('\t');
                break;
            case 'r':
                result.Append('\r');
                break;
            case 'a':
                result.Append('\a');
                break;
            case 'b':
                result.Append('\b');
                break;
            case 'f':
                result.Append('\f');
                break;
            case 'v':
                result.Append('\v');
                break;
            case '\\' or '\'' or '"':
                result.Append(c);
                break;
            case 'N':
                throw new TemplateFault("the escape \\N{...} is not supported");
            default:
                result.Append('\\').Append(c);
                break;
        }
    }

    private static int AppendHexadecimal(string text, int start, int digits, StringBuilder result)
    {
        if (start + digits > text.Length
            || !uint.TryParse(text.AsSpan(start, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint value)
            || value > 0x10FFFF)
        {
            throw new TemplateFault("a hexadecimal escape in a string is cut short or too large");
        }

        if (value < 0x10000)
        {
            result.Append((char)value);
        }
        else
        {
            result.Append(char.ConvertFromUtf32((int)value));
        }

        return digits;
    }

    /// <summary>repr of a float: the shortest digits that read back as the same number.</summary>
    public static string Format(double value)
    {
        if (!double.IsFinite(value))
        {
            return double.IsNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
        }

        string digits = Digits(value.ToString("R", CultureInfo.InvariantCulture), out int exponent);
        string sign = double.IsNegative(value) ? "-" : "";
        if (exponent is < -4 or >= 16)
        {
            string mantissa = digits.Length == 1 ? digits : $"{digits[0]}.{digits[1..]}";
            return $"{sign}{mantissa}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
        }

        if (exponent < 0)
        {
            return $"{sign}0.{new string('0', -exponent - 1)}{digits}";
        }

        string padded = digits.PadRight(exponent + 2, '0');
        return $"{sign}{padded[..(exponent + 1)]}.{padded[(exponent + 1)..]}";
    }

    /// <summary>The significant digits of a number in "R" form, and the power of ten of the first.</summary>
    private static string Digits(string shortest, out int exponent)
    {
        string text = shortest.TrimStart('-');
        int e = text.IndexOf('E', StringComparison.Ordinal);
        int shift = e < 0 ? 0 : int.Parse(text[(e + 1)..], CultureInfo.InvariantCulture);
        string mantissa = e < 0 ? text : text[..e];
        int dot = mantissa.IndexOf('.', StringComparison.Ordinal);
        int whole = dot < 0 ? mantissa.Length : dot;
        string all = mantissa.Replace(".", "", StringComparison.Ordinal);
        string significant = all.TrimStart('0');
        if (significant.Length == 0)
        {
            exponent = 0;
            return "0";
        }

        exponent = whole - 1 - (all.Length - significant.Length) + shift;
        string digits = significant.TrimEnd('0');
        return digits.Length == 0 ? "0" : digits;
    }

    /// <summary>Any integer as decimal digits.</summary>
    public static string Format(BigInteger value) => value.ToString(CultureInfo.InvariantCulture);

    // TrimStart() of no characters at all would trim white space.
    private static char[] OrNothing(this char[] characters) => characters.Length == 0 ? ['\uFFFF'] : characters;
}
