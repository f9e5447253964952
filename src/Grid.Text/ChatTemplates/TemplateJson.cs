using System.Globalization;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Grid.Text.ChatTemplates;

/// <summary>JSON in and out of templates, and Python's str and repr.</summary>
internal static class TemplateJson
{
    /// <summary>A JSON value as a template value.</summary>
    public static object? FromNode(JsonNode? node)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        switch (node)
        {
            case null:
                return null;
            case JsonArray array:
                return new TemplateList([.. array.Select(FromNode)]);
            case JsonObject members:
                var map = new TemplateMap();
                foreach ((string key, var value) in members)
                {
                    map.Set(key, FromNode(value));
                }

                return map;
            default:
                return FromScalar(node);
        }
    }

    private static object? FromScalar(JsonNode node)
    {
        switch (node.GetValueKind())
        {
            case JsonValueKind.String:
                return node.GetValue<string>();
            case JsonValueKind.True:
                return true;
            case JsonValueKind.False:
                return false;
            case JsonValueKind.Number:
                string text = node.ToJsonString();
                if (text.AsSpan().ContainsAny('.', 'e', 'E'))
                {
                    return double.Parse(text, CultureInfo.InvariantCulture);
                }

                // Boxed here, because a long would else become a BigInteger, the type of this expression.
                return long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long integer)
                    ? (object)integer
                    : BigInteger.Parse(text, CultureInfo.InvariantCulture);
            default:
                return null;
        }
    }

    /// <summary>json.dumps with ensure_ascii off.</summary>
    public static void Write(object? value, JsonStyle style, StringBuilder output, int depth = 0)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        switch (value)
        {
            case TemplateMap map:
                IEnumerable<KeyValuePair<object, object?>> members = style.SortKeys
                    ? map.Items.OrderBy(pair => pair.Key, Comparer<object>.Create(Python.Compare))
                    : map.Items;
                WriteMany(members, '{', '}', style, output, depth, member =>
                {
                    WriteString(member.Key as string ?? Str(member.Key), style.AsciiOnly, output);
                    output.Append(style.KeySeparator);
                    Write(member.Value, style, output, depth + 1);
                });
                break;
            case TemplateList list:
                WriteMany(list.Items, '[', ']', style, output, depth, item => Write(item, style, output, depth + 1));
                break;
            case string text:
                WriteString(text, style.AsciiOnly, output);
                break;
            case null:
                output.Append("null");
                break;
            case bool flag:
                output.Append(flag ? "true" : "false");
                break;
            case double number when !double.IsFinite(number):
                output.Append(double.IsNaN(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity");
                break;
            case long or BigInteger or double:
                output.Append(Str(value));
                break;
            case Undefined undefined:
                throw undefined.Fault();
            default:
                throw new TemplateFault($"{Python.TypeName(value)} cannot be written as JSON");
        }
    }

    private static void WriteMany<T>(
        IEnumerable<T> items, char open, char close, JsonStyle style, StringBuilder output, int depth, Action<T> write)
    {
        output.Append(open);
        bool any = false;
        foreach (var item in items)
        {
            output.Append(any ? style.ItemSeparator : "");
            NewLine(style, output, depth + 1);
            write(item);
            any = true;
        }

        if (any)
        {
            NewLine(style, output, depth);
        }

        output.Append(close);
    }

    private static void NewLine(JsonStyle style, StringBuilder output, int depth)
    {
        if (style.Indent is { } indent)
        {
            output.Append('\n');
            for (int i = 0; i < depth; i++)
            {
                output.Append(indent);
            }
        }
    }

    private static void WriteString(string text, bool asciiOnly, StringBuilder output)
    {
        output.Append('"');
        foreach (char c in text)
        {
            _ = c switch
            {
                '"' => output.Append("\\\""),
                '\\' => output.Append("\\\\"),
                '\n' => output.Append("\\n"),
                '\r' => output.Append("\\r"),
                '\t' => output.Append("\\t"),
                '\b' => output.Append("\\b"),
                '\f' => output.Append("\\f"),
                _ when c < ' ' || (asciiOnly && c > '~') => output.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => output.Append(c),
            };
        }

        output.Append('"');
    }

    /// <summary>Python's str: what printing a value gives.</summary>
    public static string Str(object? value) => value switch
    {
        string text => text,
        null => "None",
        Undefined => "",
        bool flag => flag ? "True" : "False",
        long number => number.ToString(CultureInfo.InvariantCulture),
        BigInteger number => PythonText.Format(number),
        double number => PythonText.Format(number),
        TemplateList or TemplateMap => Represent(value),
        _ => throw new TemplateFault($"{Python.TypeName(value)} cannot be printed"),
    };

    private static string Represent(object? value)
    {
        var output = new StringBuilder();
        Represent(value, output);
        return output.ToString();
    }

    private static void Represent(object? value, StringBuilder output)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        switch (value)
        {
            case string text:
                RepresentString(text, output);
                break;
            case TemplateList list:
                output.Append(list.IsTuple ? '(' : '[');
                for (int i = 0; i < list.Items.Count; i++)
                {
                    output.Append(i == 0 ? "" : ", ");
                    Represent(list.Items[i], output);
                }

                output.Append(list.IsTuple && list.Items.Count == 1 ? "," : "").Append(list.IsTuple ? ')' : ']');
                break;
            case TemplateMap map:
                output.Append('{');
                string separator = "";
                foreach ((object key, object? item) in map.Items)
                {
                    output.Append(separator);
                    Represent(key, output);
                    output.Append(": ");
                    Represent(item, output);
                    separator = ", ";
                }

                output.Append('}');
                break;
            case Undefined:
                output.Append("Undefined");
                break;
            default:
                output.Append(Str(value));
                break;
        }
    }

    private static void RepresentString(string text, StringBuilder output)
    {
        char quote = text.Contains('\'') && !text.Contains('"') ? '"' : '\'';
        output.Append(quote);
        int at = 0;
        while (at < text.Length)
        {
            int value = Rune.TryGetRuneAt(text, at, out var rune) ? rune.Value : text[at];
            int length = value > 0xFFFF ? 2 : 1;
            _ = value switch
            {
                '\n' => output.Append("\\n"),
                '\r' => output.Append("\\r"),
                '\t' => output.Append("\\t"),
                '\\' => output.Append("\\\\"),
                _ when value == quote => output.Append('\\').Append(quote),
                _ when IsPrintable(value) => output.Append(text, at, length),
                < 0x100 => output.Append(CultureInfo.InvariantCulture, $"\\x{value:x2}"),
                < 0x10000 => output.Append(CultureInfo.InvariantCulture, $"\\u{value:x4}"),
                _ => output.Append(CultureInfo.InvariantCulture, $"\\U{value:x8}"),
            };
            at += length;
        }

        output.Append(quote);
    }

    /// <summary>str.isprintable of a code point: what is neither white space but the space, nor control, format, private or unassigned.</summary>
    private static bool IsPrintable(int codePoint) => codePoint == ' ' || CharUnicodeInfo.GetUnicodeCategory(codePoint) is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned
        or UnicodeCategory.SpaceSeparator or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);
}

/// <summary>How json.dumps lays out JSON.</summary>
/// <param name="Indent">What each level is indented by; null for one line.</param>
/// <param name="ItemSeparator">Between items.</param>
/// <param name="KeySeparator">Between a key and its value.</param>
/// <param name="SortKeys">Whether members are sorted by key.</param>
/// <param name="AsciiOnly">Whether other characters are escaped.</param>
internal sealed record JsonStyle(string? Indent, string ItemSeparator, string KeySeparator, bool SortKeys, bool AsciiOnly);
