using System.Numerics;
using System.Runtime.CompilerServices;

namespace Grid.Text.ChatTemplates;

// A value of a template is: null (none), bool, long, BigInteger, double, string, TemplateList, TemplateMap,
// TemplateNamespace, TemplateFunction, LoopState or Undefined.

/// <summary>What a name or attribute that does not exist gives: empty when printed, false, an error when used.</summary>
internal sealed class Undefined(string reason)
{
    public string Reason { get; } = reason;

    public TemplateFault Fault() => new(Reason);
}

/// <summary>A list or tuple; never changed after it was made.</summary>
internal sealed class TemplateList(List<object?> items, bool isTuple = false)
{
    public List<object?> Items { get; } = items;

    public bool IsTuple { get; } = isTuple;
}

/// <summary>A dict in insertion order; never changed after it was made. Keys are strings or integers.</summary>
internal sealed class TemplateMap
{
    public OrderedDictionary<object, object?> Items { get; } = [];

    public void Set(object? key, object? value) => Items[KeyOf(key)] = value;

    public bool TryGet(object? key, out object? value)
    {
        value = null;
        return key is string or long or bool && Items.TryGetValue(KeyOf(key), out value);
    }

    private static object KeyOf(object? key) => key switch
    {
        string or long => key,
        bool flag => flag ? 1L : 0L,
        _ => throw new TemplateFault($"a dict key must be a string or an integer, not {Python.TypeName(key)}"),
    };
}

/// <summary>What namespace() makes: the one kind of value whose attributes can be set.</summary>
internal sealed class TemplateNamespace
{
    public Dictionary<string, object?> Attributes { get; } = new(StringComparer.Ordinal);
}

/// <summary>A function, bound method or macro.</summary>
internal sealed class TemplateFunction(string name, Func<RenderState, CallArguments, object?> call)
{
    public string Name { get; } = name;

    public object? Call(RenderState state, CallArguments arguments) => call(state, arguments);
}

/// <summary>The arguments of a call, by position and by name.</summary>
internal sealed class CallArguments(List<object?> positional, List<(string Name, object? Value)> named)
{
    public static readonly CallArguments None = new([], []);

    /// <summary>Stands for a parameter that was not given.</summary>
    public static readonly object Missing = new();

    public List<object?> Positional { get; } = positional;

    public List<(string Name, object? Value)> Named { get; } = named;

    /// <summary>The values of the parameters in order, <see cref="Missing"/> where not given. Too many, unknown and
    /// doubly given arguments are faults, as are missing ones among the first <paramref name="required"/>.</summary>
    public object?[] Bind(string function, int required, params ReadOnlySpan<string> parameters)
    {
        if (Positional.Count > parameters.Length)
        {
            throw new TemplateFault($"{function}() takes at most {parameters.Length} arguments, not {Positional.Count}");
        }

        object?[] values = new object?[parameters.Length];
        Array.Fill(values, Missing);
        Positional.CopyTo(values);
        foreach ((string name, object? value) in Named)
        {
            int index = parameters.IndexOf(name);
            if (index < 0 || !ReferenceEquals(values[index], Missing))
            {
                throw new TemplateFault($"{function}() has no argument '{name}', or was given it twice");
            }

            values[index] = value;
        }

        for (int i = 0; i < required; i++)
        {
            if (ReferenceEquals(values[i], Missing))
            {
                throw new TemplateFault($"{function}() lacks its argument '{parameters[i]}'");
            }
        }

        return values;
    }

    /// <summary>The value of a bound parameter, or what it is when not given.</summary>
    public static object? Or(object? value, object? fallback) => ReferenceEquals(value, Missing) ? fallback : value;
}

/// <summary>Python's view of values: truth, equality, order, length, iteration.</summary>
internal static class Python
{
    public static string TypeName(object? value) => value switch
    {
        null => "none",
        bool => "a boolean",
        long or BigInteger => "an integer",
        double => "a float",
        string => "a string",
        TemplateList list => list.IsTuple ? "a tuple" : "a list",
        TemplateMap => "a dict",
        TemplateNamespace => "a namespace",
        TemplateFunction => "a function",
        Undefined => "undefined",
        _ => "a loop",
    };

    public static bool IsTrue(object? value) => value switch
    {
        null or Undefined => false,
        bool flag => flag,
        long number => number != 0,
        double number => number != 0,
        BigInteger number => !number.IsZero,
        string text => text.Length > 0,
        TemplateList list => list.Items.Count > 0,
        TemplateMap map => map.Items.Count > 0,
        _ => true,
    };

    public static bool AreEqual(object? left, object? right)
    {
        if (AsNumber(left) is { } a && AsNumber(right) is { } b)
        {
            return CompareNumbers(a, b) == 0 && !IsNaN(a) && !IsNaN(b);
        }

        switch (left, right)
        {
            case (null, null):
            case (Undefined, Undefined):
                return true;
            case (string x, string y):
                return x == y;
            case (TemplateList x, TemplateList y):
                return x.IsTuple == y.IsTuple && x.Items.Count == y.Items.Count && ListsAreEqual(x.Items, y.Items);
            case (TemplateMap x, TemplateMap y):
                return MapsAreEqual(x, y);
            default:
                return left is not null && ReferenceEquals(left, right);
        }
    }

    /// <summary>Less than zero, zero or more, as sorting has it. Values that have no order are a fault.</summary>
    public static int Compare(object? left, object? right)
    {
        if (AsNumber(left) is { } a && AsNumber(right) is { } b)
        {
            return CompareNumbers(a, b);
        }

        if (left is string x && right is string y)
        {
            return CompareTexts(x, y);
        }

        if (left is TemplateList p && right is TemplateList q && p.IsTuple == q.IsTuple)
        {
            RuntimeHelpers.EnsureSufficientExecutionStack();
            for (int i = 0; i < Math.Min(p.Items.Count, q.Items.Count); i++)
            {
                if (!AreEqual(p.Items[i], q.Items[i]))
                {
                    return Compare(p.Items[i], q.Items[i]);
                }
            }

            return p.Items.Count.CompareTo(q.Items.Count);
        }

        throw (left as Undefined ?? right as Undefined)?.Fault()
            ?? new TemplateFault($"{TypeName(left)} and {TypeName(right)} have no order");
    }

    public static bool Contains(object? container, object? item)
    {
        switch (container)
        {
            case string text when item is string part:
                return text.Contains(part, StringComparison.Ordinal);
            case string:
                throw new TemplateFault($"'in' a string needs a string, not {TypeName(item)}");
            case TemplateMap map:
                return map.TryGet(item, out _);
            case TemplateList list:
                return list.Items.Exists(element => AreEqual(element, item));
            case Undefined:
                return false;
            default:
                throw new TemplateFault($"{TypeName(container)} cannot be searched with 'in'");
        }
    }

    /// <summary>What a loop over the value gives. Not to be changed.</summary>
    public static List<object?> Iterate(object? value) => value switch
    {
        TemplateList list => list.Items,
        TemplateMap map => [.. map.Items.Keys],
        string text => PythonText.Characters(text),
        Undefined => [],
        _ => throw new TemplateFault($"{TypeName(value)} cannot be iterated over"),
    };

    public static long Length(object? value) => value switch
    {
        TemplateList list => list.Items.Count,
        TemplateMap map => map.Items.Count,
        string text => PythonText.Length(text),
        Undefined => 0,
        LoopState loop => loop.Length,
        _ => throw new TemplateFault($"{TypeName(value)} has no length"),
    };

    /// <summary>A long, BigInteger or double; booleans count as 0 and 1; null for what is no number.</summary>
    public static object? AsNumber(object? value) => value switch
    {
        bool flag => flag ? 1L : 0L,
        long or double or BigInteger => value,
        _ => null,
    };

    /// <summary>An integer within 64 bits, or a fault that names what it was for.</summary>
    public static long Integer(object? value, string what) => AsNumber(value) is long number
        ? number
        : throw ((value as Undefined)?.Fault() ?? new TemplateFault($"{what} must be an integer, not {TypeName(value)}"));

    /// <summary>A string, or a fault that names what it was for.</summary>
    public static string Text(object? value, string what) => value as string
        ?? throw ((value as Undefined)?.Fault() ?? new TemplateFault($"{what} must be a string, not {TypeName(value)}"));

    private static bool ListsAreEqual(List<object?> left, List<object?> right)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        for (int i = 0; i < left.Count; i++)
        {
            if (!AreEqual(left[i], right[i]))
            {
                return false;
            }
        }

        return true;
    }

    private static bool MapsAreEqual(TemplateMap left, TemplateMap right)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        if (left.Items.Count != right.Items.Count)
        {
            return false;
        }

        foreach ((object key, object? value) in left.Items)
        {
            if (!right.TryGet(key, out object? other) || !AreEqual(value, other))
            {
                return false;
            }
        }

        return true;
    }

    private static bool IsNaN(object number) => number is double value && double.IsNaN(value);

    private static int CompareNumbers(object left, object right)
    {
        if (left is double || right is double)
        {
            return ToDouble(left).CompareTo(ToDouble(right));
        }

        return left is long a && right is long b ? a.CompareTo(b) : ToBig(left).CompareTo(ToBig(right));
    }

    public static double ToDouble(object number) => number switch
    {
        long value => value,
        BigInteger value => (double)value,
        _ => (double)number,
    };

    private static BigInteger ToBig(object number) => number is long value ? value : (BigInteger)number;

    /// <summary>By code points: surrogates sort above the rest of the basic plane.</summary>
    private static int CompareTexts(string left, string right)
    {
        int common = left.AsSpan().CommonPrefixLength(right);
        if (common == left.Length || common == right.Length)
        {
            return left.Length.CompareTo(right.Length);
        }

        char a = left[common], b = right[common];
        return char.IsSurrogate(a) != char.IsSurrogate(b) ? (char.IsSurrogate(a) ? 1 : -1) : a.CompareTo(b);
    }
}
