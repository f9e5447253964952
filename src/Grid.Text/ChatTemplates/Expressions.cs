using System.Runtime.CompilerServices;

namespace Grid.Text.ChatTemplates;

/// <summary>An expression of a template. Evaluation counts steps and knows its line.</summary>
internal abstract class Expression(int line)
{
    public int Line { get; } = line;

    public object? Evaluate(RenderState state)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        state.Charge(1);
        state.Line = Line;
        return Compute(state);
    }

    protected abstract object? Compute(RenderState state);
}

internal sealed class Constant(int line, object? value) : Expression(line)
{
    protected override object? Compute(RenderState state) => value;
}

internal sealed class Name(int line, string name) : Expression(line)
{
    public string Text => name;

    protected override object? Compute(RenderState state) => state.Scope.TryGet(name, out object? value)
        ? value
        : new Undefined(name == TemplateClock.Name
            ? "'strftime_now' is not available: what is rendered must not depend on the clock; pass the time as a variable of that name, such as '2026-01-05T14:03:09'"
            : $"'{name}' is undefined");
}

internal sealed class ListLiteral(int line, List<Expression> items, bool isTuple) : Expression(line)
{
    public List<Expression> Items => items;

    public bool IsTuple => isTuple;

    protected override object? Compute(RenderState state)
    {
        var values = new List<object?>(items.Count);
        foreach (var item in items)
        {
            values.Add(item.Evaluate(state));
        }

        return new TemplateList(values, isTuple);
    }
}

internal sealed class MapLiteral(int line, List<(Expression Key, Expression Value)> items) : Expression(line)
{
    protected override object? Compute(RenderState state)
    {
        var map = new TemplateMap();
        foreach ((var key, var value) in items)
        {
            map.Set(key.Evaluate(state), value.Evaluate(state));
        }

        return map;
    }
}

internal sealed class Conditional(int line, Expression test, Expression then, Expression? otherwise) : Expression(line)
{
    protected override object? Compute(RenderState state) =>
        Python.IsTrue(test.Evaluate(state)) ? then.Evaluate(state)
        : otherwise is not null ? otherwise.Evaluate(state)
        : new Undefined("the inline if-expression evaluated to false and no else section was defined");
}

internal sealed class Logical(int line, bool isAnd, Expression left, Expression right) : Expression(line)
{
    protected override object? Compute(RenderState state)
    {
        object? value = left.Evaluate(state);
        return Python.IsTrue(value) == isAnd ? right.Evaluate(state) : value;
    }
}

internal sealed class Not(int line, Expression operand) : Expression(line)
{
    protected override object? Compute(RenderState state) => !Python.IsTrue(operand.Evaluate(state));
}

internal sealed class Comparison(int line, Expression first, List<(string Operator, Expression Operand)> rest) : Expression(line)
{
    protected override object? Compute(RenderState state)
    {
        object? left = first.Evaluate(state);
        foreach ((string symbol, var operand) in rest)
        {
            object? right = operand.Evaluate(state);
            state.Charge((left as string)?.Length / 16 ?? 1);
            if (!Holds(state, symbol, left, right))
            {
                return false;
            }

            left = right;
        }

        return true;
    }

    private static bool Holds(RenderState state, string symbol, object? left, object? right)
    {
        switch (symbol)
        {
            case "==":
                return Python.AreEqual(left, right);
            case "!=":
                return !Python.AreEqual(left, right);
            case "in" or "not in":
                state.Charge(right is string text ? text.Length / 16 : right is TemplateList list ? list.Items.Count : 1);
                return Python.Contains(right, left) == (symbol == "in");
            default:
                int order = Python.Compare(left, right);
                return symbol switch { "<" => order < 0, "<=" => order <= 0, ">" => order > 0, _ => order >= 0 };
        }
    }
}

internal sealed class Concatenation(int line, List<Expression> parts) : Expression(line)
{
    protected override object? Compute(RenderState state)
    {
        string[] texts = [.. parts.Select(part => TemplateJson.Str(part.Evaluate(state)))];
        state.ChargeText(texts.Sum(text => (long)text.Length));
        return string.Concat(texts);
    }
}

internal sealed class Arithmetic(int line, string symbol, Expression left, Expression right) : Expression(line)
{
    protected override object? Compute(RenderState state)
    {
        object? a = left.Evaluate(state);
        object? b = right.Evaluate(state);
        return Operators.Apply(state, symbol, a, b);
    }
}

internal sealed class Sign(int line, bool negative, Expression operand) : Expression(line)
{
    protected override object? Compute(RenderState state)
    {
        object? value = operand.Evaluate(state);
        return Python.AsNumber(value) switch
        {
            // Boxed here, because the type of this expression would else be double for both.
            long and long.MinValue when negative => throw new TemplateFault("the result is an integer of more than 64 bits, which is not supported"),
            long number => (object)(negative ? -number : number),
            double number => negative ? -number : number,
            _ => throw ((value as Undefined)?.Fault() ?? new TemplateFault($"{Python.TypeName(value)} has no sign")),
        };
    }
}

/// <summary>value.name</summary>
internal sealed class AttributeAccess(int line, Expression target, string name) : Expression(line)
{
    protected override object? Compute(RenderState state) => Access.Attribute(target.Evaluate(state), name);
}

/// <summary>value[key]</summary>
internal sealed class Subscript(int line, Expression target, Expression key) : Expression(line)
{
    protected override object? Compute(RenderState state) => Access.Item(target.Evaluate(state), key.Evaluate(state));
}

/// <summary>value[start:stop:step]</summary>
internal sealed class Slice(int line, Expression target, Expression? start, Expression? stop, Expression? step) : Expression(line)
{
    protected override object? Compute(RenderState state)
    {
        object? value = target.Evaluate(state);
        return Access.Slice(state, value, start?.Evaluate(state), stop?.Evaluate(state), step?.Evaluate(state));
    }
}

/// <summary>The argument list of a call, filter or test.</summary>
internal sealed class ArgumentList(List<Expression> positional, List<(string Name, Expression Value)> named)
{
    public CallArguments Evaluate(RenderState state)
    {
        if (positional.Count == 0 && named.Count == 0)
        {
            return CallArguments.None;
        }

        var values = new List<object?>(positional.Count);
        foreach (var argument in positional)
        {
            values.Add(argument.Evaluate(state));
        }

        var names = new List<(string, object?)>(named.Count);
        foreach ((string name, var value) in named)
        {
            names.Add((name, value.Evaluate(state)));
        }

        return new CallArguments(values, names);
    }
}

internal sealed class Call(int line, Expression target, ArgumentList arguments) : Expression(line)
{
    /// <summary>Calls with one more named argument (the body of a call block).</summary>
    public object? EvaluateWith(RenderState state, TemplateFunction caller)
    {
        var given = arguments.Evaluate(state);
        return Invoke(state, new CallArguments(given.Positional, [.. given.Named, ("caller", caller)]));
    }

    protected override object? Compute(RenderState state) => Invoke(state, null);

    private object? Invoke(RenderState state, CallArguments? given)
    {
        object? callee = target.Evaluate(state);
        given ??= arguments.Evaluate(state);
        state.Line = Line;
        return callee switch
        {
            TemplateFunction function => function.Call(state, given),
            Undefined undefined => throw undefined.Fault(),
            _ => throw new TemplateFault($"{Python.TypeName(callee)} cannot be called"),
        };
    }
}

internal sealed class FilterCall(int line, Filter filter, Expression value, ArgumentList arguments) : Expression(line)
{
    protected override object? Compute(RenderState state)
    {
        object? input = value.Evaluate(state);
        var given = arguments.Evaluate(state);
        state.Line = Line;
        return filter(state, input, given);
    }
}

internal sealed class TestCall(int line, Test test, Expression value, ArgumentList arguments) : Expression(line)
{
    protected override object? Compute(RenderState state) => test(value.Evaluate(state), arguments.Evaluate(state));
}

/// <summary>value | name(arguments)</summary>
internal delegate object? Filter(RenderState state, object? value, CallArguments arguments);

/// <summary>value is name(arguments)</summary>
internal delegate bool Test(object? value, CallArguments arguments);
