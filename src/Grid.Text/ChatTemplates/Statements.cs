using System.Runtime.CompilerServices;

namespace Grid.Text.ChatTemplates;

/// <summary>How a statement ended.</summary>
internal enum Flow
{
    Next,
    Break,
    Continue,
}

/// <summary>A statement of a template.</summary>
internal abstract class Statement(int line)
{
    public int Line { get; } = line;

    public Flow Execute(RenderState state)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        state.Charge(1);
        state.Line = Line;
        return Run(state);
    }

    public static Flow ExecuteAll(List<Statement> body, RenderState state)
    {
        foreach (var statement in body)
        {
            var flow = statement.Execute(state);
            if (flow != Flow.Next)
            {
                return flow;
            }
        }

        return Flow.Next;
    }

    protected abstract Flow Run(RenderState state);
}

internal sealed class DataStatement(int line, string text) : Statement(line)
{
    protected override Flow Run(RenderState state)
    {
        state.Write(text);
        return Flow.Next;
    }
}

internal sealed class PrintStatement(int line, Expression expression) : Statement(line)
{
    protected override Flow Run(RenderState state)
    {
        state.Write(TemplateJson.Str(expression.Evaluate(state)));
        return Flow.Next;
    }
}

internal sealed class IfStatement(int line, List<(Expression Test, List<Statement> Body)> branches, List<Statement> otherwise) : Statement(line)
{
    protected override Flow Run(RenderState state)
    {
        foreach ((var test, var body) in branches)
        {
            if (Python.IsTrue(test.Evaluate(state)))
            {
                return ExecuteAll(body, state);
            }
        }

        return ExecuteAll(otherwise, state);
    }
}

/// <summary>break or continue</summary>
internal sealed class JumpStatement(int line, Flow flow) : Statement(line)
{
    protected override Flow Run(RenderState state) => flow;
}

/// <summary>What can be assigned to: a name, an attribute of a namespace, or several of them.</summary>
internal sealed class Target(int line, string? name, string? attribute, List<Target>? parts)
{
    public void Assign(RenderState state, object? value)
    {
        state.Line = line;
        if (parts is not null)
        {
            var values = Python.Iterate(value);
            if (values.Count != parts.Count)
            {
                throw new TemplateFault($"{parts.Count} names cannot take {values.Count} values");
            }

            for (int i = 0; i < parts.Count; i++)
            {
                parts[i].Assign(state, values[i]);
            }
        }
        else if (attribute is null)
        {
            state.Scope.Set(name!, value);
        }
        else if (state.Scope.TryGet(name!, out object? target) && target is TemplateNamespace space)
        {
            space.Attributes[attribute] = value;
        }
        else
        {
            throw new TemplateFault($"'{name}' is not a namespace, so its attribute '{attribute}' cannot be set");
        }
    }
}

internal sealed class SetStatement(int line, Target target, Expression value) : Statement(line)
{
    protected override Flow Run(RenderState state)
    {
        target.Assign(state, value.Evaluate(state));
        return Flow.Next;
    }
}

/// <summary>A value that is what a body writes, through a filter if there is one: {% set x %}, {% filter f %}.</summary>
internal sealed class BodyValue(int line, List<Statement> body) : Expression(line)
{
    protected override object? Compute(RenderState state) => state.Capture(new Scope(state.Scope), () => Statement.ExecuteAll(body, state));
}

/// <summary>A body with its own names: {% with %}, {% generation %}.</summary>
internal sealed class WithStatement(int line, List<(Target Target, Expression Value)> values, List<Statement> body) : Statement(line)
{
    protected override Flow Run(RenderState state)
    {
        var outer = state.Scope;
        object?[] evaluated = [.. values.Select(pair => pair.Value.Evaluate(state))];
        state.Scope = new Scope(outer);
        for (int i = 0; i < evaluated.Length; i++)
        {
            values[i].Target.Assign(state, evaluated[i]);
        }

        var flow = ExecuteAll(body, state);
        state.Scope = outer;
        return flow;
    }
}

internal sealed class ForStatement(int line, Target target, Expression source, Expression? condition, List<Statement> body, List<Statement> otherwise)
    : Statement(line)
{
    protected override Flow Run(RenderState state)
    {
        var outer = state.Scope;
        var items = Python.Iterate(source.Evaluate(state));
        state.Charge(items.Count / 4);
        if (condition is not null)
        {
            items = items.FindAll(item =>
            {
                state.Scope = new Scope(outer);
                target.Assign(state, item);
                return Python.IsTrue(condition.Evaluate(state));
            });
        }

        var loop = new LoopState(items);
        for (; loop.Index < items.Count; loop.Index++)
        {
            state.Scope = new Scope(outer);
            state.Scope.Set("loop", loop);
            target.Assign(state, items[loop.Index]);
            if (ExecuteAll(body, state) == Flow.Break)
            {
                break;
            }
        }

        state.Scope = outer;
        if (items.Count == 0)
        {
            state.Scope = new Scope(outer);
            var flow = ExecuteAll(otherwise, state);
            state.Scope = outer;
            return flow;
        }

        return Flow.Next;
    }
}

/// <summary>The parameters and body of {% macro %} and {% call %}.</summary>
internal sealed class MacroDefinition(string name, List<(string Name, Expression? Default)> parameters, List<Statement> body)
{
    public string Name => name;

    /// <summary>The macro as a value that sees the names around its definition.</summary>
    public TemplateFunction Bind(Scope definedIn) => new(name, (state, arguments) => Invoke(state, definedIn, arguments));

    private string Invoke(RenderState state, Scope definedIn, CallArguments arguments)
    {
        if (arguments.Positional.Count > parameters.Count)
        {
            throw new TemplateFault($"macro '{name}' takes at most {parameters.Count} arguments, not {arguments.Positional.Count}");
        }

        var scope = new Scope(definedIn);
        for (int i = 0; i < arguments.Positional.Count; i++)
        {
            scope.Set(parameters[i].Name, arguments.Positional[i]);
        }

        foreach ((string given, object? value) in arguments.Named)
        {
            int index = parameters.FindIndex(parameter => parameter.Name == given);
            if ((index < 0 && given != "caller") || (index >= 0 && index < arguments.Positional.Count))
            {
                throw new TemplateFault($"macro '{name}' has no argument '{given}', or was given it twice");
            }

            scope.Set(given, value);
        }

        return state.Capture(scope, () =>
        {
            for (int i = arguments.Positional.Count; i < parameters.Count; i++)
            {
                (string parameter, var fallback) = parameters[i];
                if (!arguments.Named.Exists(pair => pair.Name == parameter))
                {
                    scope.Set(parameter, fallback is null ? new Undefined($"parameter '{parameter}' was not provided") : fallback.Evaluate(state));
                }
            }

            Statement.ExecuteAll(body, state);
        });
    }
}

internal sealed class MacroStatement(int line, MacroDefinition macro) : Statement(line)
{
    protected override Flow Run(RenderState state)
    {
        state.Scope.Set(macro.Name, macro.Bind(state.Scope));
        return Flow.Next;
    }
}

/// <summary>{% call macro(...) %}body{% endcall %}: the macro can have the body by calling caller().</summary>
internal sealed class CallStatement(int line, Call call, MacroDefinition caller) : Statement(line)
{
    protected override Flow Run(RenderState state)
    {
        state.Write(TemplateJson.Str(call.EvaluateWith(state, caller.Bind(state.Scope))));
        return Flow.Next;
    }
}
