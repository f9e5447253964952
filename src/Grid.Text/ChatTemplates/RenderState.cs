using System.Text;

namespace Grid.Text.ChatTemplates;

/// <summary>Bounds on one rendering, so that no template can hold a core or fill memory.</summary>
/// <param name="Steps">Evaluated expressions and statements, plus a share of the size of what they make.</param>
/// <param name="Characters">UTF-16 units of the output and of any one string.</param>
/// <param name="Depth">Macro calls within macro calls.</param>
internal sealed record RenderLimits(long Steps, int Characters, int Depth)
{
    public static readonly RenderLimits Default = new(Steps: 20_000_000, Characters: 16 << 20, Depth: 64);
}

/// <summary>Names of one block of a template; what is set in a loop's or macro's body is not seen outside.</summary>
internal sealed class Scope(Scope? outer)
{
    private readonly Dictionary<string, object?> _values = new(StringComparer.Ordinal);

    public void Set(string name, object? value) => _values[name] = value;

    public bool TryGet(string name, out object? value)
    {
        for (var scope = this; scope is not null; scope = scope.Outer)
        {
            if (scope._values.TryGetValue(name, out value))
            {
                return true;
            }
        }

        value = null;
        return false;
    }

    public Scope? Outer { get; } = outer;
}

/// <summary>One rendering in progress.</summary>
internal sealed class RenderState(Scope scope, RenderLimits limits)
{
    private long _steps;
    private int _depth;

    /// <summary>The line last reached, for error messages.</summary>
    public int Line { get; set; }

    public Scope Scope { get; set; } = scope;

    public StringBuilder Output { get; set; } = new();

    /// <summary>Counts work; a fault when the rendering is over its limit.</summary>
    public void Charge(long steps)
    {
        _steps += steps;
        if (_steps > limits.Steps)
        {
            throw new TemplateFault($"rendering takes more than {limits.Steps} steps");
        }
    }

    /// <summary>To be asked before a string of that many UTF-16 units is made.</summary>
    public void ChargeText(long length)
    {
        if (length > limits.Characters)
        {
            throw new TemplateFault($"a text would be longer than {limits.Characters} characters");
        }

        Charge(length / 16);
    }

    public void Write(string text)
    {
        ChargeText((long)Output.Length + text.Length > limits.Characters ? long.MaxValue : text.Length);
        Output.Append(text);
    }

    /// <summary>Runs something with its own scope and output; returns what it wrote.</summary>
    public string Capture(Scope inner, Action body)
    {
        (var outerScope, var outerOutput) = (Scope, Output);
        if (++_depth > limits.Depth)
        {
            throw new TemplateFault($"macros call each other more than {limits.Depth} deep");
        }

        (Scope, Output) = (inner, new StringBuilder());
        body();
        string text = Output.ToString();
        (Scope, Output) = (outerScope, outerOutput);
        _depth--;
        return text;
    }
}
