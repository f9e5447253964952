using System.Globalization;
using System.Text;

namespace Grid.Text.Tokenization;

/// <summary>Translates the regular expression of a Split pre-tokenizer from the dialect tokenizer.json is written for
/// (Oniguruma, over code points) to .NET's (over UTF-16 code units). Only constructs whose meaning is known to be the
/// same, or can be written out, are let through; anything else is refused by name.</summary>
internal sealed class SplitPattern
{
    // Sequences of letters that Oniguruma folds to one character (ß, ﬁ, ...) when it ignores case.
    private static readonly string[] MultiCharacterFolds = ["ss", "ff", "fi", "fl", "st"];

    private static readonly HashSet<string> Categories =
    [
        "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No",
        "P", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S", "Sm", "Sc", "Sk", "So", "Z", "Zs", "Zl", "Zp",
    ];

    private readonly string _source;
    private readonly StringBuilder _output = new();
    private readonly Stack<bool> _outerIgnoreCase = new();
    private readonly StringBuilder _letters = new();
    private bool _ignoreCase;
    private int _at;

    private SplitPattern(string source) => _source = source;

    /// <summary>The pattern in .NET's dialect. Throws <see cref="FormatException"/> with the reason.</summary>
    public static string Translate(string source)
    {
        var pattern = new SplitPattern(source);
        pattern.TranslateAll();
        return pattern._output.ToString();
    }

    private void TranslateAll()
    {
        bool afterAtom = false;
        while (_at < _source.Length)
        {
            char c = _source[_at];
            bool letter = char.IsAsciiLetter(c);
            if (!letter)
            {
                _letters.Clear();
            }

            switch (c)
            {
                case '(':
                    OpenGroup();
                    afterAtom = false;
                    break;
                case ')':
                    CloseGroup();
                    afterAtom = true;
                    break;
                case '[':
                    Class();
                    afterAtom = true;
                    break;
                case '|':
                    _output.Append(_source[_at++]);
                    afterAtom = false;
                    break;
                case '?' or '*' or '+' or '{':
                    Quantifier(afterAtom);
                    afterAtom = false;
                    break;
                case '\\':
                    Escape(inClass: false);
                    afterAtom = true;
                    break;
                case '.':
                    _output.Append(_source[_at++]);
                    afterAtom = true;
                    break;
                case '^' or '$' or ']' or '}':
                    throw Refuse($"'{c}' outside a class is not supported");
                default:
                    _at++;
                    Literal(c, inClass: false);
                    afterAtom = true;
                    break;
            }
        }

        if (_outerIgnoreCase.Count > 0)
        {
            throw Refuse("a group is not closed");
        }
    }

    private void OpenGroup()
    {
        _outerIgnoreCase.Push(_ignoreCase);
        foreach (string opening in (ReadOnlySpan<string>)["(?:", "(?i:", "(?=", "(?!", "(?>"])
        {
            if (string.CompareOrdinal(_source, _at, opening, 0, opening.Length) == 0)
            {
                _at += opening.Length;
                _ignoreCase |= opening == "(?i:";
                // Cases are written out by Literal, so that they do not depend on .NET's case tables.
                _output.Append(opening == "(?i:" ? "(?:" : opening);
                return;
            }
        }

        if (_at + 1 < _source.Length && _source[_at + 1] is '?' or '*')
        {
            throw Refuse($"the group '{_source.AsSpan(_at, Math.Min(4, _source.Length - _at))}...' is not supported");
        }

        _at++;
        _output.Append("(?:");
    }

    private void CloseGroup()
    {
        if (!_outerIgnoreCase.TryPop(out _ignoreCase))
        {
            throw Refuse("a group is closed that was not opened");
        }

        _at++;
        _output.Append(')');
    }

    private void Quantifier(bool afterAtom)
    {
        if (!afterAtom)
        {
            throw Refuse($"the quantifier '{_source[_at]}' follows nothing it could repeat (possessive quantifiers are not supported)");
        }

        int start = _at;
        bool counted = _source[_at] == '{';
        if (counted)
        {
            int close = _source.IndexOf('}', _at);
            string inside = close < 0 ? "" : _source[(_at + 1)..close];
            string[] bounds = inside.Split(',');
            if (bounds.Length > 2 || bounds[0].Length is 0 or > 4 || !bounds[0].All(char.IsAsciiDigit)
                || (bounds.Length == 2 && (bounds[1].Length > 4 || !bounds[1].All(char.IsAsciiDigit))))
            {
                throw Refuse("'{' must begin a repetition {n}, {n,} or {n,m}");
            }

            _at = close + 1;
        }
        else
        {
            _at++;
        }

        if (!counted && _at < _source.Length && _source[_at] == '?')
        {
            _at++;
        }
        else if (counted && _at < _source.Length && _source[_at] is '?' or '+')
        {
            throw Refuse("a lazy or possessive {n,m} is not supported");
        }

        _output.Append(_source, start, _at - start);
    }

    private void Class()
    {
        _output.Append('[');
        _at++;
        if (Peek() == '^')
        {
            _output.Append('^');
            _at++;
        }

        bool first = true;
        for (; Peek() != ']' || first; first = false)
        {
            char c = Peek();
            if (c == '[' || (c == '&' && Peek(1) == '&') || (c == ']' && first))
            {
                throw Refuse("nested classes, class intersections and a leading ']' are not supported");
            }

            ClassItem();
        }

        _output.Append(']');
        _at++;
    }

    private void ClassItem()
    {
        int? low = ClassCharacter();
        if (Peek() != '-' || Peek(1) == ']')
        {
            if (low is { } single)
            {
                Literal((char)single, inClass: true);
            }

            return;
        }

        _at++;
        int? high = ClassCharacter();
        if (low is null || high is null || low > high || (_ignoreCase && !(low >= '0' && high <= '9')))
        {
            throw Refuse("this range in a class is not supported");
        }

        if (CodePointText.StandIns.AsSpan().ContainsAnyInRange((char)low.Value, (char)high.Value))
        {
            throw Refuse($"the range U+{low:X4}..U+{high:X4} covers a character that stands for characters outside the basic plane");
        }

        AppendEscaped((char)low.Value);
        _output.Append('-');
        AppendEscaped((char)high.Value);
    }

    /// <summary>One character of a class, or null after a class escape (which is already written).</summary>
    private int? ClassCharacter()
    {
        char c = Peek();
        if (c == '\\')
        {
            return Escape(inClass: true);
        }

        _at++;
        return c == '-' && _source[_at - 2] != '[' && _source[_at - 2] != '^' && Peek() != ']'
            ? throw Refuse("'-' inside a class must be escaped, first or last")
            : c;
    }

    /// <summary>An escape: a class escape is written and null returned; inside a class a character is returned.</summary>
    private int? Escape(bool inClass)
    {
        _at++;
        char c = Peek();
        _at++;
        switch (c)
        {
            case 's' or 'S' or 'd' or 'D':
                _output.Append('\\').Append(c);
                return null;
            case 'p' or 'P':
                _output.Append('\\').Append(c).Append('{').Append(Category()).Append('}');
                return null;
            case 'r' or 'n' or 't' or 'f' or 'v' or 'u':
                char character = c switch { 'r' => '\r', 'n' => '\n', 't' => '\t', 'f' => '\f', 'v' => '\v', _ => Hexadecimal() };
                return Character(character, inClass);
            default:
                return char.IsAscii(c) && !char.IsAsciiLetterOrDigit(c)
                    ? Character(c, inClass)
                    : throw Refuse($"the escape '\\{c}' is not supported");
        }
    }

    private int? Character(char c, bool inClass)
    {
        if (inClass)
        {
            return c;
        }

        Literal(c, inClass: false);
        return null;
    }

    private string Category()
    {
        int close = _source.IndexOf('}', _at);
        string name = Peek() == '{' && close > 0 ? _source[(_at + 1)..close] : "";
        if (!Categories.Contains(name))
        {
            throw Refuse($"the property '\\p{{{name}}}' is not supported; general categories such as L, Lu, N, P are");
        }

        _at = close + 1;
        return name;
    }

    private char Hexadecimal()
    {
        if (_at + 4 > _source.Length
            || !ushort.TryParse(_source.AsSpan(_at, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ushort value))
        {
            throw Refuse("'\\u' must be followed by four hexadecimal digits");
        }

        _at += 4;
        return (char)value;
    }

    private void Literal(char c, bool inClass)
    {
        if (char.IsSurrogate(c) || CodePointText.StandIns.Contains(c, StringComparison.Ordinal))
        {
            throw Refuse($"the literal U+{(int)c:X4} is not supported");
        }

        if (!_ignoreCase)
        {
            AppendEscaped(c);
            return;
        }

        if (!char.IsAscii(c))
        {
            throw Refuse("a case-insensitive group may hold ASCII only");
        }

        char lower = char.ToLowerInvariant(c);
        if (!char.IsAsciiLetter(c))
        {
            AppendEscaped(c);
            return;
        }

        _letters.Append(inClass ? ' ' : lower);
        if (MultiCharacterFolds.Any(fold => _letters.ToString().EndsWith(fold, StringComparison.Ordinal)))
        {
            throw Refuse("a case-insensitive group may not hold ss, ff, fi, fl or st, which fold to single characters");
        }

        // The long s and the Kelvin sign are the only characters outside ASCII that fold to an ASCII letter.
        string cases = $"{lower}{char.ToUpperInvariant(c)}{(lower == 's' ? "\u017F" : lower == 'k' ? "\u212A" : "")}";
        _output.Append(inClass ? cases : $"[{cases}]");
    }

    private void AppendEscaped(char c) => _output.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:X4}");

    private char Peek(int ahead = 0) => _at + ahead < _source.Length ? _source[_at + ahead] : throw Refuse("the pattern ends too early");

    private FormatException Refuse(string reason) => new($"{reason} (at {_at} of '{_source}')");
}
