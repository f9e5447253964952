using System.Globalization;

namespace Grid.Text.ChatTemplates;

/// <summary>Cuts template source to tokens, with white space treated as transformers sets it up: trim_blocks and
/// lstrip_blocks on, one newline at the very end dropped, every kind of newline read as \n.</summary>
internal sealed class TemplateLexer
{
    // Longest first.
    private static readonly string[] Operators =
        ["//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";"];

    private readonly string _source;
    private readonly List<TemplateToken> _tokens = [];
    private int _at;
    private int _line = 1;
    private bool _lineStarting = true;

    private TemplateLexer(string source) => _source = source;

    /// <summary>The tokens, the last of kind End. Throws <see cref="ChatTemplateException"/>.</summary>
    public static List<TemplateToken> Read(string source)
    {
        string text = source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        var lexer = new TemplateLexer(text.EndsWith('\n') ? text[..^1] : text);
        lexer.ReadAll();
        return lexer._tokens;
    }

    private void ReadAll()
    {
        while (_at < _source.Length)
        {
            int tag = FindTag(_at);
            if (tag < 0)
            {
                AddData(_source[_at..]);
                _at = _source.Length;
                break;
            }

            char sign = tag + 2 < _source.Length ? _source[tag + 2] : '\0';
            string data = StripBefore(_source[_at..tag], sign, isVariable: _source[tag + 1] == '{');
            AddData(data);
            CountLines(_source.AsSpan(_at, tag - _at));
            _at = tag + (sign is '-' or '+' ? 3 : 2);
            switch (_source[tag + 1])
            {
                case '#':
                    Comment();
                    break;
                case '{':
                    Tag(TokenKind.VariableBegin, TokenKind.VariableEnd);
                    break;
                default:
                    if (!TryRaw())
                    {
                        Tag(TokenKind.BlockBegin, TokenKind.BlockEnd);
                    }

                    break;
            }
        }

        _tokens.Add(new TemplateToken(TokenKind.End, "", null, _line));
    }

    private int FindTag(int from)
    {
        for (int at = _source.IndexOf('{', from); at >= 0 && at + 1 < _source.Length; at = _source.IndexOf('{', at + 1))
        {
            if (_source[at + 1] is '{' or '%' or '#')
            {
                return at;
            }
        }

        return -1;
    }

    /// <summary>The text before a tag, without the white space that the tag's sign or lstrip_blocks takes away.</summary>
    private string StripBefore(string text, char sign, bool isVariable)
    {
        if (sign == '-')
        {
            return PythonText.StripEnd(text, null);
        }

        if (sign == '+' || isVariable)
        {
            return text;
        }

        int lineStart = text.LastIndexOf('\n') + 1;
        bool blank = lineStart < text.Length && text.AsSpan(lineStart).IndexOfAnyExcept(PythonText.Spaces) < 0;
        return blank && (lineStart > 0 || _lineStarting) ? text[..lineStart] : text;
    }

    private void AddData(string text)
    {
        if (text.Length > 0)
        {
            _tokens.Add(new TemplateToken(TokenKind.Data, text, null, _line));
        }
    }

    private void Comment()
    {
        int close = _source.IndexOf("#}", _at, StringComparison.Ordinal);
        if (close < 0)
        {
            throw Error("missing end of comment tag");
        }

        char sign = close > _at ? _source[close - 1] : '\0';
        CountLines(_source.AsSpan(_at, close + 2 - _at));
        _at = close + 2;
        AfterBlock(sign);
    }

    /// <summary>What follows the end of a block or comment: - takes all white space, + takes none, else one newline goes.</summary>
    private void AfterBlock(char sign)
    {
        int from = _at;
        if (sign == '-')
        {
            SkipSpaces();
        }
        else if (sign != '+' && _at < _source.Length && _source[_at] == '\n')
        {
            _at++;
            _line++;
        }

        _lineStarting = _at > from && _source[_at - 1] == '\n';
    }

    private bool TryRaw()
    {
        int at = SkipSpaces(_at);
        if (string.CompareOrdinal(_source, at, "raw", 0, 3) != 0)
        {
            return false;
        }

        at = SkipSpaces(at + 3);
        bool strip = at < _source.Length && _source[at] == '-';
        at += strip ? 1 : 0;
        if (string.CompareOrdinal(_source, at, "%}", 0, 2) != 0)
        {
            return false;
        }

        at = strip ? SkipSpaces(at + 2) : at + 2;
        _lineStarting = _source[at - 1] == '\n';
        CountLines(_source.AsSpan(_at, at - _at));
        _at = at;
        for (int tag = _source.IndexOf("{%", at, StringComparison.Ordinal); tag >= 0; tag = _source.IndexOf("{%", tag + 2, StringComparison.Ordinal))
        {
            if (TryEndRaw(tag))
            {
                return true;
            }
        }

        throw Error("missing end of raw directive");
    }

    private bool TryEndRaw(int tag)
    {
        char sign = tag + 2 < _source.Length ? _source[tag + 2] : '\0';
        int at = SkipSpaces(tag + (sign is '-' or '+' ? 3 : 2));
        if (string.CompareOrdinal(_source, at, "endraw", 0, 6) != 0)
        {
            return false;
        }

        at = SkipSpaces(at + 6);
        char endSign = at < _source.Length && _source[at] is '-' or '+' ? _source[at++] : '\0';
        if (string.CompareOrdinal(_source, at, "%}", 0, 2) != 0)
        {
            return false;
        }

        AddData(StripBefore(_source[_at..tag], sign, isVariable: false));
        CountLines(_source.AsSpan(_at, at + 2 - _at));
        _at = at + 2;
        AfterBlock(endSign);
        return true;
    }

    private void Tag(TokenKind begin, TokenKind end)
    {
        _tokens.Add(new TemplateToken(begin, begin == TokenKind.BlockBegin ? "{%" : "{{", null, _line));
        string close = begin == TokenKind.BlockBegin ? "%}" : "}}";
        var open = new Stack<char>();
        while (true)
        {
            SkipSpaces();
            if (_at >= _source.Length)
            {
                throw Error($"unexpected end of template, '{close}' is missing");
            }

            if (open.Count == 0 && TryEnd(begin, end, close))
            {
                return;
            }

            ExpressionToken(open);
        }
    }

    private bool TryEnd(TokenKind begin, TokenKind end, string close)
    {
        char sign = _source[_at];
        bool signed = sign == '-' || (sign == '+' && begin == TokenKind.BlockBegin);
        if (string.CompareOrdinal(_source, _at + (signed ? 1 : 0), close, 0, 2) != 0)
        {
            return false;
        }

        _tokens.Add(new TemplateToken(end, close, null, _line));
        _at += signed ? 3 : 2;
        if (begin == TokenKind.BlockBegin)
        {
            AfterBlock(signed ? sign : '\0');
            return true;
        }

        int from = _at;
        if (signed)
        {
            SkipSpaces();
        }

        _lineStarting = _at > from && _source[_at - 1] == '\n';
        return true;
    }

    private void ExpressionToken(Stack<char> open)
    {
        char c = _source[_at];
        if (char.IsAsciiDigit(c))
        {
            NumberToken();
        }
        else if (char.IsLetter(c) || c == '_')
        {
            int start = _at;
            while (_at < _source.Length && (char.IsLetterOrDigit(_source[_at]) || _source[_at] == '_'))
            {
                _at++;
            }

            _tokens.Add(new TemplateToken(TokenKind.Name, _source[start.._at], null, _line));
        }
        else if (c is '"' or '\'')
        {
            StringToken(c);
        }
        else
        {
            OperatorToken(open);
        }
    }

    private void OperatorToken(Stack<char> open)
    {
        string symbol = Array.Find(Operators, o => string.CompareOrdinal(_source, _at, o, 0, o.Length) == 0)
            ?? throw Error($"unexpected character '{_source[_at]}'");
        switch (symbol)
        {
            case "{" or "(" or "[":
                open.Push(symbol == "{" ? '}' : symbol == "(" ? ')' : ']');
                break;
            case "}" or ")" or "]":
                if (!open.TryPop(out char expected) || expected != symbol[0])
                {
                    throw Error($"unexpected '{symbol}'" + (expected == '\0' ? "" : $", expected '{expected}'"));
                }

                break;
        }

        _tokens.Add(new TemplateToken(TokenKind.Operator, symbol, null, _line));
        _at += symbol.Length;
    }

    private void NumberToken()
    {
        int start = _at;
        bool afterDot = start > 0 && _source[start - 1] == '.';
        SkipDigits();
        bool isFloat = false;
        if (!afterDot && _at + 1 < _source.Length && _source[_at] == '.' && char.IsAsciiDigit(_source[_at + 1]))
        {
            isFloat = true;
            _at++;
            SkipDigits();
        }

        int exponent = _at + 1;
        if (!afterDot && _at < _source.Length && _source[_at] is 'e' or 'E')
        {
            exponent += exponent < _source.Length && _source[exponent] is '+' or '-' ? 1 : 0;
            if (exponent < _source.Length && char.IsAsciiDigit(_source[exponent]))
            {
                isFloat = true;
                _at = exponent;
                SkipDigits();
            }
        }

        string text = _source[start.._at].Replace("_", "", StringComparison.Ordinal);
        object value;
        if (isFloat)
        {
            value = double.Parse(text, CultureInfo.InvariantCulture);
        }
        else if ((text.Length == 1 || text[0] != '0') && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long integer))
        {
            value = integer;
        }
        else
        {
            throw Error($"'{text}' is not a decimal integer of at most 64 bits");
        }

        _tokens.Add(new TemplateToken(TokenKind.Number, text, value, _line));
    }

    private void SkipDigits()
    {
        while (_at < _source.Length && (char.IsAsciiDigit(_source[_at])
            || (_source[_at] == '_' && _at + 1 < _source.Length && char.IsAsciiDigit(_source[_at + 1]))))
        {
            _at++;
        }
    }

    private void StringToken(char quote)
    {
        int line = _line;
        int end = _at + 1;
        while (end < _source.Length && _source[end] != quote)
        {
            end += _source[end] == '\\' ? 2 : 1;
        }

        if (end >= _source.Length)
        {
            throw Error("a string is not closed");
        }

        string inside = _source[(_at + 1)..end];
        CountLines(inside);
        _at = end + 1;
        try
        {
            _tokens.Add(new TemplateToken(TokenKind.Text, PythonText.Unescape(inside), null, line));
        }
        catch (TemplateFault fault)
        {
            throw new ChatTemplateException(line, fault.Message, fault);
        }
    }

    private void SkipSpaces()
    {
        int to = SkipSpaces(_at);
        CountLines(_source.AsSpan(_at, to - _at));
        _at = to;
    }

    private int SkipSpaces(int at)
    {
        while (at < _source.Length && PythonText.IsSpace(_source[at]))
        {
            at++;
        }

        return at;
    }

    private void CountLines(ReadOnlySpan<char> text) => _line += text.Count('\n');

    private ChatTemplateException Error(string reason) => new(_line, reason);
}
