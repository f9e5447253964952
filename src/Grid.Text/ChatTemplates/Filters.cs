using System.Globalization;
using System.Numerics;
using System.Text;

namespace Grid.Text.ChatTemplates;

/// <summary>The filters of texts and single values; those of sequences are in <see cref="SequenceFilters"/>.</summary>
internal static class Filters
{
    private static readonly Dictionary<string, Filter> ByName = new(StringComparer.Ordinal)
    {
        ["tojson"] = ToJson,
        ["default"] = Default,
        ["d"] = Default,
        ["string"] = (_, value, a) => Only(a, "string", TemplateJson.Str(value)),
        ["safe"] = (_, value, a) => Only(a, "safe", TemplateJson.Str(value)),
        ["trim"] = (_, value, a) => Trim(value, a),
        ["upper"] = (_, value, a) => Only(a, "upper", PythonCase.Upper(TemplateJson.Str(value))),
        ["lower"] = (_, value, a) => Only(a, "lower", PythonCase.Lower(TemplateJson.Str(value))),
        ["capitalize"] = (_, value, a) => Only(a, "capitalize", PythonCase.Capitalize(TemplateJson.Str(value))),
        ["title"] = (_, value, a) => Only(a, "title", Title(TemplateJson.Str(value))),
        ["replace"] = Replace,
        ["indent"] = Indent,
        ["int"] = (_, value, a) => ToInteger(value, a),
        ["float"] = (_, value, a) => ToFloat(value, a),
        ["abs"] = (_, value, a) => Only(a, "abs", Absolute(value)),
        ["round"] = (_, value, a) => Round(value, a),
    };

    /// <summary>The filter of that name, or null.</summary>
    public static Filter? Find(string name) => ByName.GetValueOrDefault(name) ?? SequenceFilters.Find(name);

    /// <summary>A result of a filter that takes no arguments.</summary>
    public static T Only<T>(CallArguments arguments, string name, T result)
    {
        arguments.Bind(name, 0);
        return result;
    }

    /// <summary>Jinja's own: a word begins after white space, a dash or an opening bracket, so that "they're" stays one.</summary>
    private static string Title(string text)
    {
        var result = new StringBuilder(text.Length);
        for (int start = 0, end; start < text.Length; start = end)
        {
            end = start;
            bool between = IsBetweenWords(text[start]);
            while (end < text.Length && IsBetweenWords(text[end]) == between)
            {
                end++;
            }

            int first = char.IsSurrogatePair(text, start) ? 2 : 1;
            result.Append(PythonCase.Upper(text.Substring(start, first))).Append(PythonCase.Lower(text[(start + first)..end]));
        }

        return result.ToString();
    }

    private static bool IsBetweenWords(char c) => PythonText.IsSpace(c) || c is '-' or '(' or '{' or '[' or '<';

    private static string ToJson(RenderState state, object? value, CallArguments arguments)
    {
        object?[] given = arguments.Bind("tojson", 0, "ensure_ascii", "indent", "separators", "sort_keys");
        string? indent = CallArguments.Or(given[1], null) switch
        {
            null => null,
            string text => text,
            var number => new string(' ', (int)Math.Clamp(Python.Integer(number, "the indent of tojson"), 0, 64)),
        };
        (string item, string key) = (indent is null ? ", " : ",", ": ");
        if (CallArguments.Or(given[2], null) is { } separators)
        {
            if (separators is not TemplateList { Items: [string itemSeparator, string keySeparator] })
            {
                throw new TemplateFault("the separators of tojson must be two strings");
            }

            (item, key) = (itemSeparator, keySeparator);
        }

        bool sort = Python.IsTrue(CallArguments.Or(given[3], false));
        bool ascii = Python.IsTrue(CallArguments.Or(given[0], false));
        var output = new StringBuilder();
        TemplateJson.Write(value, new JsonStyle(indent, item, key, sort, ascii), output);
        state.ChargeText(output.Length);
        return output.ToString();
    }

    private static object? Default(RenderState state, object? value, CallArguments arguments)
    {
        object?[] given = arguments.Bind("default", 0, "default_value", "boolean");
        bool replaced = value is Undefined || (Python.IsTrue(CallArguments.Or(given[1], false)) && !Python.IsTrue(value));
        return replaced ? CallArguments.Or(given[0], "") : value;
    }

    private static string Trim(object? value, CallArguments arguments)
    {
        object? characters = CallArguments.Or(arguments.Bind("trim", 0, "chars")[0], null);
        return PythonText.Strip(TemplateJson.Str(value), characters is null ? null : Python.Text(characters, "the argument of trim"));
    }

    private static string Replace(RenderState state, object? value, CallArguments arguments)
    {
        object?[] given = arguments.Bind("replace", 2, "old", "new", "count");
        object? count = CallArguments.Or(given[2], null);
        return Methods.Replace(
            state, TemplateJson.Str(value), TemplateJson.Str(given[0]), TemplateJson.Str(given[1]), count is null ? -1 : Python.Integer(count, "the count of replace"));
    }

    private static string Indent(RenderState state, object? value, CallArguments arguments)
    {
        object?[] given = arguments.Bind("indent", 0, "width", "first", "blank");
        string prefix = CallArguments.Or(given[0], 4L) is string text
            ? text
            : new string(' ', (int)Math.Clamp(Python.Integer(CallArguments.Or(given[0], 4L), "the width of indent"), 0, 256));
        bool first = Python.IsTrue(CallArguments.Or(given[1], false)), blank = Python.IsTrue(CallArguments.Or(given[2], false));
        string[] lines = TemplateJson.Str(value).Split('\n');
        state.ChargeText(lines.Sum(line => (long)line.Length + prefix.Length + 1));
        for (int i = 0; i < lines.Length; i++)
        {
            bool indented = i == 0 ? first : blank || lines[i].Length > 0;
            lines[i] = indented ? prefix + lines[i] : lines[i];
        }

        return string.Join('\n', lines);
    }

    private static object? ToInteger(object? value, CallArguments arguments)
    {
        object? fallback = CallArguments.Or(arguments.Bind("int", 0, "default")[0], 0L);
        switch (value)
        {
            case string text:
                string digits = PythonText.Strip(text, null);
                return long.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long integer) ? integer
                    : double.TryParse(digits, NumberStyles.Float, CultureInfo.InvariantCulture, out double parsed) ? Truncate(parsed, fallback)
                    : fallback;
            case double number:
                return Truncate(number, fallback);
            case BigInteger:
                return value;
            default:
                return Python.AsNumber(value) ?? fallback;
        }
    }

    private static object? Truncate(double number, object? fallback) =>
        Math.Abs(number) < 9e18 ? (long)number : fallback;

    private static object? ToFloat(object? value, CallArguments arguments)
    {
        object? fallback = CallArguments.Or(arguments.Bind("float", 0, "default")[0], 0.0);
        return value is string text
            ? double.TryParse(PythonText.Strip(text, null), NumberStyles.Float, CultureInfo.InvariantCulture, out double parsed) ? parsed : fallback
            : Python.AsNumber(value) is { } number ? Python.ToDouble(number) : fallback;
    }

    private static object Absolute(object? value) => Python.AsNumber(value) switch
    {
        long and long.MinValue => throw new TemplateFault("the result is an integer of more than 64 bits, which is not supported"),
        // Boxed here, because the type of this expression would else be double for both.
        long number => (object)Math.Abs(number),
        double number => Math.Abs(number),
        _ => throw new TemplateFault($"abs needs a number, not {Python.TypeName(value)}"),
    };

    private static double Round(object? value, CallArguments arguments)
    {
        object?[] given = arguments.Bind("round", 0, "precision", "method");
        double number = Python.AsNumber(value) is { } known ? Python.ToDouble(known) : throw new TemplateFault($"round needs a number, not {Python.TypeName(value)}");
        double scale = Math.Pow(10, Math.Clamp(Python.Integer(CallArguments.Or(given[0], 0L), "the precision of round"), -300, 300));
        return CallArguments.Or(given[1], "common") switch
        {
            "common" => Math.Round(number * scale, MidpointRounding.ToEven) / scale,
            "ceil" => Math.Ceiling(number * scale) / scale,
            "floor" => Math.Floor(number * scale) / scale,
            _ => throw new TemplateFault("the method of round must be common, ceil or floor"),
        };
    }
}
