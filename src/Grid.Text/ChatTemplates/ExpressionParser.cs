using System.Runtime.CompilerServices;

namespace Grid.Text.ChatTemplates;

/// <summary>Parses expressions; precedence as in Jinja.</summary>
internal abstract class ExpressionParser(List<TemplateToken> tokens)
{
    private static readonly string[] ComparisonOperators = ["==", "!=", "<", "<=", ">", ">="];

    private int _at;

    protected TemplateToken Current => tokens[_at];

    protected TemplateToken Take() => Current.Kind == TokenKind.End ? Current : tokens[_at++];

    protected bool Skip(TokenKind kind, string text)
    {
        bool matches = Current.Is(kind, text);
        _at += matches ? 1 : 0;
        return matches;
    }

    protected bool SkipOperator(string symbol) => Skip(TokenKind.Operator, symbol);

    protected bool SkipName(string name) => Skip(TokenKind.Name, name);

    protected string Expect(TokenKind kind, string? text, string wanted) =>
        Current.Kind == kind && (text is null || Current.Text == text) ? Take().Text : throw Error($"expected {wanted}, not {Current}");

    protected ChatTemplateException Error(string reason) => new(Current.Line, reason);

    /// <summary>One expression, or several with commas as a tuple.</summary>
    protected Expression ParseTuple(bool conditional = true, bool mayBeEmpty = false)
    {
        int line = Current.Line;
        var items = new List<Expression>();
        bool isTuple = false;
        while (!AtTupleEnd())
        {
            items.Add(conditional ? ParseExpression() : ParseOr());
            if (!SkipOperator(","))
            {
                break;
            }

            isTuple = true;
        }

        if (!isTuple && items.Count == 1)
        {
            return items[0];
        }

        return isTuple || mayBeEmpty ? new ListLiteral(line, items, isTuple: true) : throw Error($"expected an expression, not {Current}");
    }

    protected Expression ParseExpression()
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        int line = Current.Line;
        var value = ParseOr();
        while (SkipName("if"))
        {
            var test = ParseOr();
            var otherwise = SkipName("else") ? ParseExpression() : null;
            value = new Conditional(line, test, value, otherwise);
        }

        return value;
    }

    protected Expression ParseOr()
    {
        var left = ParseAnd();
        for (int line = Current.Line; SkipName("or"); line = Current.Line)
        {
            left = new Logical(line, isAnd: false, left, ParseAnd());
        }

        return left;
    }

    /// <summary>A literal, name or bracketed expression.</summary>
    protected Expression ParsePrimary()
    {
        var token = Take();
        switch (token.Kind)
        {
            case TokenKind.Name:
                return token.Text switch
                {
                    "true" or "True" => new Constant(token.Line, true),
                    "false" or "False" => new Constant(token.Line, false),
                    "none" or "None" => new Constant(token.Line, null),
                    _ => new Name(token.Line, token.Text),
                };
            case TokenKind.Text:
                string text = token.Text;
                while (Current.Kind == TokenKind.Text)
                {
                    text += Take().Text;
                }

                return new Constant(token.Line, text);
            case TokenKind.Number:
                return new Constant(token.Line, token.Value);
            case TokenKind.Operator when token.Text == "(":
                var inner = ParseTuple(mayBeEmpty: true);
                Expect(TokenKind.Operator, ")", "')'");
                return inner;
            case TokenKind.Operator when token.Text == "[":
                return ParseList(token.Line);
            case TokenKind.Operator when token.Text == "{":
                return ParseMap(token.Line);
            default:
                throw new ChatTemplateException(token.Line, $"unexpected {token}");
        }
    }

    /// <summary>What follows a value: .name, [key], (arguments).</summary>
    protected Expression ParsePostfix(Expression value)
    {
        while (true)
        {
            int line = Current.Line;
            if (SkipOperator("."))
            {
                value = Current.Kind == TokenKind.Number && Current.Value is long index
                    ? new Subscript(line, value, new Constant(Take().Line, index))
                    : new AttributeAccess(line, value, Expect(TokenKind.Name, null, "a name"));
            }
            else if (SkipOperator("["))
            {
                value = ParseSubscript(line, value);
            }
            else if (Current.Is(TokenKind.Operator, "("))
            {
                value = new Call(line, value, ParseArguments());
            }
            else
            {
                return value;
            }
        }
    }

    /// <summary>| name(arguments), any number of times.</summary>
    protected Expression ParseFilters(Expression value, bool firstWithoutBar = false)
    {
        for (; firstWithoutBar || SkipOperator("|"); firstWithoutBar = false)
        {
            int line = Current.Line;
            string name = Expect(TokenKind.Name, null, "the name of a filter");
            var filter = Filters.Find(name) ?? throw new ChatTemplateException(line, $"the filter '{name}' is not supported");
            value = new FilterCall(line, filter, value, Current.Is(TokenKind.Operator, "(") ? ParseArguments() : new ArgumentList([], []));
        }

        return value;
    }

    protected ArgumentList ParseArguments()
    {
        Expect(TokenKind.Operator, "(", "'('");
        var positional = new List<Expression>();
        var named = new List<(string, Expression)>();
        while (!SkipOperator(")"))
        {
            if (Current.Is(TokenKind.Operator, "*") || Current.Is(TokenKind.Operator, "**"))
            {
                throw Error("arguments from a list or dict (*, **) are not supported");
            }

            if (Current.Kind == TokenKind.Name && tokens[_at + 1].Is(TokenKind.Operator, "="))
            {
                string name = Take().Text;
                Take();
                named.Add((name, ParseExpression()));
            }
            else if (named.Count > 0)
            {
                throw Error("an argument by position follows one by name");
            }
            else
            {
                positional.Add(ParseExpression());
            }

            if (!SkipOperator(",") && !Current.Is(TokenKind.Operator, ")"))
            {
                throw Error($"expected ',' or ')', not {Current}");
            }
        }

        return new ArgumentList(positional, named);
    }

    private bool AtTupleEnd() => Current.Kind is TokenKind.VariableEnd or TokenKind.BlockEnd or TokenKind.End
        || Current.Is(TokenKind.Operator, ")");

    private Expression ParseAnd()
    {
        var left = ParseNot();
        for (int line = Current.Line; SkipName("and"); line = Current.Line)
        {
            left = new Logical(line, isAnd: true, left, ParseNot());
        }

        return left;
    }

    private Expression ParseNot()
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        int line = Current.Line;
        return SkipName("not") ? new Not(line, ParseNot()) : ParseComparison();
    }

    private Expression ParseComparison()
    {
        int line = Current.Line;
        var first = ParseSum();
        var rest = new List<(string, Expression)>();
        while (true)
        {
            if (Current.Kind == TokenKind.Operator && ComparisonOperators.Contains(Current.Text))
            {
                rest.Add((Take().Text, ParseSum()));
            }
            else if (SkipName("in"))
            {
                rest.Add(("in", ParseSum()));
            }
            else if (Current.Is(TokenKind.Name, "not") && tokens[_at + 1].Is(TokenKind.Name, "in"))
            {
                _at += 2;
                rest.Add(("not in", ParseSum()));
            }
            else
            {
                return rest.Count == 0 ? first : new Comparison(line, first, rest);
            }
        }
    }

    private Expression ParseSum() => ParseChain(ParseConcatenation, "+", "-");

    private Expression ParseConcatenation()
    {
        int line = Current.Line;
        var parts = new List<Expression> { ParseProduct() };
        while (SkipOperator("~"))
        {
            parts.Add(ParseProduct());
        }

        return parts.Count == 1 ? parts[0] : new Concatenation(line, parts);
    }

    private Expression ParseProduct() => ParseChain(ParsePower, "*", "/", "//", "%");

    private Expression ParsePower() => ParseChain(() => ParseUnary(withFilters: true), "**");

    private Expression ParseChain(Func<Expression> parseOperand, params string[] symbols)
    {
        var left = parseOperand();
        while (Current.Kind == TokenKind.Operator && symbols.Contains(Current.Text))
        {
            var symbol = Take();
            left = new Arithmetic(symbol.Line, symbol.Text, left, parseOperand());
        }

        return left;
    }

    private Expression ParseUnary(bool withFilters)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        int line = Current.Line;
        var value = SkipOperator("-") ? new Sign(line, negative: true, ParseUnary(withFilters: false))
            : SkipOperator("+") ? new Sign(line, negative: false, ParseUnary(withFilters: false))
            : ParsePrimary();
        value = ParsePostfix(value);
        return withFilters ? ParseFiltersAndTests(value) : value;
    }

    private Expression ParseFiltersAndTests(Expression value)
    {
        while (true)
        {
            int line = Current.Line;
            if (Current.Is(TokenKind.Operator, "|"))
            {
                value = ParseFilters(value);
            }
            else if (SkipName("is"))
            {
                value = ParseTest(line, value);
            }
            else if (Current.Is(TokenKind.Operator, "("))
            {
                value = new Call(line, value, ParseArguments());
            }
            else
            {
                return value;
            }
        }
    }

    private Expression ParseTest(int line, Expression value)
    {
        bool negated = SkipName("not");
        string name = Expect(TokenKind.Name, null, "the name of a test");
        var test = Tests.Find(name) ?? throw new ChatTemplateException(line, $"the test '{name}' is not supported");
        var arguments = new ArgumentList([], []);
        if (Current.Is(TokenKind.Operator, "("))
        {
            arguments = ParseArguments();
        }
        else if (StartsTestArgument())
        {
            arguments = new ArgumentList([ParsePostfix(ParsePrimary())], []);
        }

        var result = new TestCall(line, test, value, arguments);
        return negated ? new Not(line, result) : result;
    }

    private bool StartsTestArgument() => Current.Kind switch
    {
        TokenKind.Name when Current.Text == "is" => throw Error("several tests with 'is' cannot be chained"),
        TokenKind.Name => Current.Text is not ("else" or "or" or "and" or "if" or "in" or "not"),
        TokenKind.Text or TokenKind.Number => true,
        TokenKind.Operator => Current.Text is "[" or "{",
        _ => false,
    };

    private Expression ParseSubscript(int line, Expression value)
    {
        var start = Current.Is(TokenKind.Operator, ":") ? null : ParseExpression();
        if (start is not null && SkipOperator("]"))
        {
            return new Subscript(line, value, start);
        }

        Expect(TokenKind.Operator, ":", "']' or ':'");
        var stop = AtBoundEnd() ? null : ParseExpression();
        var step = SkipOperator(":") && !AtBoundEnd() ? ParseExpression() : null;
        Expect(TokenKind.Operator, "]", "']'");
        return new Slice(line, value, start, stop, step);
    }

    private bool AtBoundEnd() => Current.Is(TokenKind.Operator, ":") || Current.Is(TokenKind.Operator, "]");

    private ListLiteral ParseList(int line)
    {
        var items = new List<Expression>();
        while (!SkipOperator("]"))
        {
            items.Add(ParseExpression());
            if (!SkipOperator(",") && !Current.Is(TokenKind.Operator, "]"))
            {
                throw Error($"expected ',' or ']', not {Current}");
            }
        }

        return new ListLiteral(line, items, isTuple: false);
    }

    private MapLiteral ParseMap(int line)
    {
        var items = new List<(Expression, Expression)>();
        while (!SkipOperator("}"))
        {
            var key = ParseExpression();
            Expect(TokenKind.Operator, ":", "':'");
            items.Add((key, ParseExpression()));
            if (!SkipOperator(",") && !Current.Is(TokenKind.Operator, "}"))
            {
                throw Error($"expected ',' or '}}', not {Current}");
            }
        }

        return new MapLiteral(line, items);
    }
}
