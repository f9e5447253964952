using System.Numerics;

namespace Grid.Text.ChatTemplates;

/// <summary>The tests of "value is name".</summary>
internal static class Tests
{
    private static readonly Dictionary<string, Test> ByName = new(StringComparer.Ordinal)
    {
        ["defined"] = Plain("defined", value => value is not Undefined),
        ["undefined"] = Plain("undefined", value => value is Undefined),
        ["none"] = Plain("none", value => value is null),
        ["boolean"] = Plain("boolean", value => value is bool),
        ["true"] = Plain("true", value => value is true),
        ["false"] = Plain("false", value => value is false),
        ["string"] = Plain("string", value => value is string),
        ["number"] = Plain("number", value => Python.AsNumber(value) is not null),
        ["integer"] = Plain("integer", value => value is long or BigInteger),
        ["float"] = Plain("float", value => value is double),
        ["mapping"] = Plain("mapping", value => value is TemplateMap),
        ["iterable"] = Plain("iterable", value => value is TemplateList or TemplateMap or string or Undefined or LoopState),
        ["sequence"] = Plain("sequence", value => value is TemplateList or TemplateMap or string),
        ["callable"] = Plain("callable", value => value is TemplateFunction),
        ["odd"] = Plain("odd", value => Math.Abs(Python.Integer(value, "what is tested for odd") % 2) == 1),
        ["even"] = Plain("even", value => Python.Integer(value, "what is tested for even") % 2 == 0),
        ["lower"] = Plain("lower", value => TemplateJson.Str(value) is var text && text.Any(char.IsLower) && !text.Any(char.IsUpper)),
        ["upper"] = Plain("upper", value => TemplateJson.Str(value) is var text && text.Any(char.IsUpper) && !text.Any(char.IsLower)),
        ["divisibleby"] = WithOne("divisibleby", DivisibleBy),
        ["sameas"] = WithOne("sameas", AreSame),
        ["in"] = WithOne("in", (value, other) => Python.Contains(other, value)),
        ["eq"] = WithOne("eq", Python.AreEqual),
        ["equalto"] = WithOne("equalto", Python.AreEqual),
        ["=="] = WithOne("==", Python.AreEqual),
        ["ne"] = WithOne("ne", (value, other) => !Python.AreEqual(value, other)),
        ["!="] = WithOne("!=", (value, other) => !Python.AreEqual(value, other)),
        ["lt"] = WithOne("lt", (value, other) => Python.Compare(value, other) < 0),
        ["lessthan"] = WithOne("lessthan", (value, other) => Python.Compare(value, other) < 0),
        ["<"] = WithOne("<", (value, other) => Python.Compare(value, other) < 0),
        ["le"] = WithOne("le", (value, other) => Python.Compare(value, other) <= 0),
        ["<="] = WithOne("<=", (value, other) => Python.Compare(value, other) <= 0),
        ["gt"] = WithOne("gt", (value, other) => Python.Compare(value, other) > 0),
        ["greaterthan"] = WithOne("greaterthan", (value, other) => Python.Compare(value, other) > 0),
        [">"] = WithOne(">", (value, other) => Python.Compare(value, other) > 0),
        ["ge"] = WithOne("ge", (value, other) => Python.Compare(value, other) >= 0),
        [">="] = WithOne(">=", (value, other) => Python.Compare(value, other) >= 0),
    };

    /// <summary>The test of that name, or null.</summary>
    public static Test? Find(string name) => ByName.GetValueOrDefault(name);

    private static Test Plain(string name, Func<object?, bool> holds) => (value, arguments) =>
    {
        arguments.Bind(name, 0);
        return holds(value);
    };

    private static Test WithOne(string name, Func<object?, object?, bool> holds) => (value, arguments) =>
        holds(value, arguments.Bind(name, 1, "other")[0]);

    private static bool DivisibleBy(object? value, object? divisor) => Python.Integer(divisor, "the divisor") switch
    {
        0 => throw new TemplateFault("division by zero"),
        -1 => true,
        var by => Python.Integer(value, "what is divided") % by == 0,
    };

    private static bool AreSame(object? value, object? other) => value switch
    {
        null => other is null,
        bool or long or double or BigInteger or string => value.GetType() == other?.GetType() && Python.AreEqual(value, other),
        _ => ReferenceEquals(value, other),
    };
}
