using System.Runtime.CompilerServices;

namespace Grid.Text.ChatTemplates;

/// <summary>Parses the statements of a template.</summary>
internal sealed class TemplateParser(List<TemplateToken> tokens) : ExpressionParser(tokens)
{
    private int _loops;

    /// <summary>The statements of a whole template. Throws <see cref="ChatTemplateException"/>.</summary>
    public static List<Statement> Parse(string source)
    {
        var parser = new TemplateParser(TemplateLexer.Read(source));
        return parser.ParseBody([]);
    }

    /// <summary>Statements up to one of the closing tags (whose name is then the current token), or to the end.</summary>
    private List<Statement> ParseBody(string[] closing)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        var body = new List<Statement>();
        while (true)
        {
            var token = Take();
            switch (token.Kind)
            {
                case TokenKind.Data:
                    body.Add(new DataStatement(token.Line, token.Text));
                    break;
                case TokenKind.VariableBegin:
                    body.Add(new PrintStatement(token.Line, ParseTuple()));
                    Expect(TokenKind.VariableEnd, null, "'}}'");
                    break;
                case TokenKind.BlockBegin when Current.Kind == TokenKind.Name && closing.Contains(Current.Text):
                    return body;
                case TokenKind.BlockBegin:
                    body.Add(ParseStatement());
                    EndBlock();
                    break;
                default:
                    return closing.Length == 0
                        ? body
                        : throw Error($"unexpected end of template, {{% {closing[^1]} %}} is missing");
            }
        }
    }

    private void EndBlock() => Expect(TokenKind.BlockEnd, null, "'%}'");

    /// <summary>The rest of an opening tag, a body, and the name of its closing tag.</summary>
    private List<Statement> ParseBlock(string closing)
    {
        EndBlock();
        var body = ParseBody([closing]);
        Take();
        return body;
    }

    private Statement ParseStatement()
    {
        int line = Current.Line;
        string tag = Expect(TokenKind.Name, null, "the name of a tag");
        switch (tag)
        {
            case "if":
                return ParseIf(line);
            case "for":
                return ParseFor(line);
            case "set":
                return ParseSet(line);
            case "macro":
                return new MacroStatement(line, ParseMacro(Expect(TokenKind.Name, null, "the name of a macro"), "endmacro"));
            case "call":
                return ParseCall(line);
            case "filter":
                return ParseFilterBlock(line);
            case "with":
                return ParseWith(line);
            case "generation":
                // Marks the assistant's words for training; rendering is not touched.
                return new WithStatement(line, [], ParseBlock("endgeneration"));
            case "break" or "continue":
                return _loops > 0
                    ? new JumpStatement(line, tag == "break" ? Flow.Break : Flow.Continue)
                    : throw new ChatTemplateException(line, $"'{tag}' outside a loop");
            default:
                throw new ChatTemplateException(line, $"the tag '{tag}' is not supported here");
        }
    }

    private IfStatement ParseIf(int line)
    {
        var branches = new List<(Expression, List<Statement>)>();
        List<Statement> otherwise = [];
        string tag = "elif";
        while (tag == "elif")
        {
            var test = ParseTuple(conditional: false);
            EndBlock();
            branches.Add((test, ParseBody(["elif", "else", "endif"])));
            tag = Take().Text;
        }

        if (tag == "else")
        {
            otherwise = ParseBlock("endif");
        }

        return new IfStatement(line, branches, otherwise);
    }

    private ForStatement ParseFor(int line)
    {
        var target = ParseTarget(withAttributes: false);
        Expect(TokenKind.Name, "in", "'in'");
        var source = ParseTuple(conditional: false);
        var condition = SkipName("if") ? ParseExpression() : null;
        if (Current.Is(TokenKind.Name, "recursive"))
        {
            throw Error("recursive loops are not supported");
        }

        EndBlock();
        _loops++;
        var body = ParseBody(["else", "endfor"]);
        _loops--;
        var otherwise = Take().Text == "else" ? ParseBlock("endfor") : [];
        return new ForStatement(line, target, source, condition, body, otherwise);
    }

    private SetStatement ParseSet(int line)
    {
        var target = ParseTarget(withAttributes: true);
        if (SkipOperator("="))
        {
            return new SetStatement(line, target, ParseTuple());
        }

        var captured = new Deferred(line);
        var value = ParseFilters(captured);
        captured.Value = new BodyValue(line, ParseLoopless("endset"));
        return new SetStatement(line, target, value);
    }

    private PrintStatement ParseFilterBlock(int line)
    {
        var captured = new Deferred(line);
        var value = ParseFilters(captured, firstWithoutBar: true);
        captured.Value = new BodyValue(line, ParseLoopless("endfilter"));
        return new PrintStatement(line, value);
    }

    private CallStatement ParseCall(int line)
    {
        var parameters = Current.Is(TokenKind.Operator, "(") ? ParseParameters() : [];
        if (ParseExpression() is not Call call)
        {
            throw new ChatTemplateException(line, "a call block needs a call");
        }

        return new CallStatement(line, call, new MacroDefinition("caller", parameters, ParseLoopless("endcall")));
    }

    private MacroDefinition ParseMacro(string name, string closing)
    {
        var parameters = ParseParameters();
        return new MacroDefinition(name, parameters, ParseLoopless(closing));
    }

    private WithStatement ParseWith(int line)
    {
        var values = new List<(Target, Expression)>();
        while (Current.Kind != TokenKind.BlockEnd)
        {
            if (values.Count > 0)
            {
                Expect(TokenKind.Operator, ",", "','");
            }

            Target target = new(Current.Line, Expect(TokenKind.Name, null, "a name"), null, null);
            Expect(TokenKind.Operator, "=", "'='");
            values.Add((target, ParseExpression()));
        }

        return new WithStatement(line, values, ParseBlock("endwith"));
    }

    /// <summary>A body that break and continue cannot leave.</summary>
    private List<Statement> ParseLoopless(string closing)
    {
        int loops = _loops;
        _loops = 0;
        var body = ParseBlock(closing);
        _loops = loops;
        return body;
    }

    private List<(string, Expression?)> ParseParameters()
    {
        var parameters = new List<(string Name, Expression? Default)>();
        Expect(TokenKind.Operator, "(", "'('");
        while (!SkipOperator(")"))
        {
            string name = Expect(TokenKind.Name, null, "the name of a parameter");
            var fallback = SkipOperator("=") ? ParseExpression() : null;
            if (fallback is null && parameters.Exists(parameter => parameter.Default is not null))
            {
                throw Error("a parameter without a default follows one with a default");
            }

            parameters.Add((name, fallback));
            if (!SkipOperator(",") && !Current.Is(TokenKind.Operator, ")"))
            {
                throw Error($"expected ',' or ')', not {Current}");
            }
        }

        return parameters;
    }

    private Target ParseTarget(bool withAttributes)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        int line = Current.Line;
        var parts = new List<Target>();
        bool several = false;
        do
        {
            if (parts.Count > 0 && Current.Kind != TokenKind.Name && !Current.Is(TokenKind.Operator, "("))
            {
                break;
            }

            parts.Add(ParseOneTarget(withAttributes));
            several |= Current.Is(TokenKind.Operator, ",");
        }
        while (SkipOperator(","));
        return several ? new Target(line, null, null, parts) : parts[0];
    }

    private Target ParseOneTarget(bool withAttributes)
    {
        int line = Current.Line;
        if (SkipOperator("("))
        {
            var inner = ParseTarget(withAttributes);
            Expect(TokenKind.Operator, ")", "')'");
            return inner;
        }

        string name = Expect(TokenKind.Name, null, "a name to assign to");
        if (name is "true" or "false" or "none" or "True" or "False" or "None" or "loop")
        {
            throw new ChatTemplateException(line, $"cannot assign to '{name}'");
        }

        string? attribute = withAttributes && SkipOperator(".") ? Expect(TokenKind.Name, null, "a name") : null;
        return new Target(line, name, attribute, null);
    }

    /// <summary>Filters are parsed before the body they apply to.</summary>
    private sealed class Deferred(int line) : Expression(line)
    {
        public Expression? Value { get; set; }

        protected override object? Compute(RenderState state) => Value!.Evaluate(state);
    }
}
