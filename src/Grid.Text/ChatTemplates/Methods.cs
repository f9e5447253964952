using System.Globalization;
using System.Text;

namespace Grid.Text.ChatTemplates;

/// <summary>Methods of strings and dicts. Nothing a template can call changes a value.</summary>
internal static class Methods
{
    private delegate object? TextMethod(RenderState state, string text, CallArguments arguments);

    private static readonly Dictionary<string, TextMethod> OfText = new(StringComparer.Ordinal)
    {
        ["strip"] = (_, text, a) => PythonText.Strip(text, Characters(a, "strip")),
        ["lstrip"] = (_, text, a) => PythonText.StripStart(text, Characters(a, "lstrip")),
        ["rstrip"] = (_, text, a) => PythonText.StripEnd(text, Characters(a, "rstrip")),
        ["split"] = (state, text, a) => Split(state, text, a, fromEnd: false),
        ["rsplit"] = (state, text, a) => Split(state, text, a, fromEnd: true),
        ["splitlines"] = (_, text, a) => SplitLines(text, a),
        ["startswith"] = (_, text, a) => HasAffix(a, "startswith", affix => text.StartsWith(affix, StringComparison.Ordinal)),
        ["endswith"] = (_, text, a) => HasAffix(a, "endswith", affix => text.EndsWith(affix, StringComparison.Ordinal)),
        ["removeprefix"] = (_, text, a) => One(a, "removeprefix") is var affix && text.StartsWith(affix, StringComparison.Ordinal) ? text[affix.Length..] : text,
        ["removesuffix"] = (_, text, a) => One(a, "removesuffix") is var affix && text.EndsWith(affix, StringComparison.Ordinal) ? text[..^affix.Length] : text,
        ["replace"] = Replace,
        ["upper"] = (_, text, a) => Nothing(a, "upper", PythonCase.Upper(text)),
        ["lower"] = (_, text, a) => Nothing(a, "lower", PythonCase.Lower(text)),
        ["capitalize"] = (_, text, a) => Nothing(a, "capitalize", PythonCase.Capitalize(text)),
        ["title"] = (_, text, a) => Nothing(a, "title", PythonCase.Title(text)),
        ["find"] = (_, text, a) => CodePointIndex(text, text.IndexOf(One(a, "find"), StringComparison.Ordinal)),
        ["rfind"] = (_, text, a) => CodePointIndex(text, text.LastIndexOf(One(a, "rfind"), StringComparison.Ordinal)),
        ["count"] = (_, text, a) => Count(text, One(a, "count")),
        ["join"] = (state, text, a) => Join(state, text, a.Bind("join", 1, "iterable")[0], strict: true),
        ["isdigit"] = (_, text, a) => Nothing(a, "isdigit", AreAll(text, IsDigit)),
        ["isalpha"] = (_, text, a) => Nothing(a, "isalpha", AreAll(text, Rune.IsLetter)),
        ["isalnum"] = (_, text, a) => Nothing(a, "isalnum", AreAll(text, rune => Rune.IsLetter(rune) || IsNumeric(rune))),
        ["isspace"] = (_, text, a) => Nothing(a, "isspace", text.Length > 0 && text.All(PythonText.IsSpace)),
    };

    // These would change a value, or reach into the interpreter; templates run in a sandbox.
    private static readonly HashSet<string> Refused = new(StringComparer.Ordinal)
    {
        "append", "extend", "insert", "pop", "remove", "clear", "update", "setdefault", "popitem", "sort", "reverse",
    };

    /// <summary>A method bound to its value, or null.</summary>
    public static TemplateFunction? Find(object? value, string name)
    {
        switch (value)
        {
            case string text when OfText.TryGetValue(name, out var method):
                return new TemplateFunction(name, (state, arguments) =>
                {
                    state.Charge(text.Length / 16);
                    return method(state, text, arguments);
                });
            case TemplateMap map when name is "items" or "keys" or "values" or "get":
                return new TemplateFunction(name, (state, arguments) => OfMap(state, map, name, arguments));
            case TemplateMap or TemplateList when Refused.Contains(name):
                return new TemplateFunction(name, (_, _) => throw new TemplateFault($"'{name}' is not allowed: values cannot be changed in a template"));
            case TemplateList list when name is "count" or "index":
                return new TemplateFunction(name, (state, arguments) => OfList(state, list, name, arguments));
            default:
                return null;
        }
    }

    public static string Join(RenderState state, string separator, object? values, bool strict)
    {
        var items = Python.Iterate(values);
        if (strict && items.Find(item => item is not string) is var wrong && items.Exists(item => item is not string))
        {
            throw (wrong as Undefined)?.Fault() ?? new TemplateFault($"join() needs strings, not {Python.TypeName(wrong)}");
        }

        string[] texts = [.. items.Select(TemplateJson.Str)];
        state.Charge(texts.Length);
        state.ChargeText(texts.Sum(text => (long)text.Length) + ((long)separator.Length * texts.Length));
        return string.Join(separator, texts);
    }

    public static string Replace(RenderState state, string text, string old, string replacement, long limit)
    {
        if (limit < 0 || limit > int.MaxValue)
        {
            limit = int.MaxValue;
        }

        List<int> hits = [];
        int step = Math.Max(old.Length, 1);
        for (int at = 0; hits.Count < limit && at <= text.Length; at = hits[^1] + step)
        {
            int hit = text.IndexOf(old, at, StringComparison.Ordinal);
            if (hit < 0)
            {
                break;
            }

            hits.Add(hit);
        }

        state.ChargeText(text.Length + ((long)hits.Count * (replacement.Length - old.Length)));
        state.Charge(hits.Count);
        var result = new StringBuilder();
        int done = 0;
        foreach (int hit in hits)
        {
            result.Append(text, done, hit - done).Append(replacement);
            done = hit + old.Length;
        }

        return result.Append(text, done, text.Length - done).ToString();
    }

    private static bool AreAll(string text, Func<Rune, bool> condition) => text.Length > 0 && text.EnumerateRunes().All(condition);

    // Superscripts and circled digits are digits too, as str.isdigit has it.
    private static bool IsDigit(Rune rune) => CharUnicodeInfo.GetDigitValue(rune.ToString(), 0) >= 0;

    private static bool IsNumeric(Rune rune) => Rune.GetNumericValue(rune) != -1;

    private static object? OfMap(RenderState state, TemplateMap map, string name, CallArguments arguments)
    {
        if (name == "get")
        {
            object?[] given = arguments.Bind("get", 1, "key", "default");
            return map.TryGet(given[0], out object? value) ? value : CallArguments.Or(given[1], null);
        }

        arguments.Bind(name, 0);
        state.Charge(map.Items.Count);
        return new TemplateList(name switch
        {
            "keys" => [.. map.Items.Keys],
            "values" => [.. map.Items.Values],
            _ => [.. map.Items.Select(pair => new TemplateList([pair.Key, pair.Value], isTuple: true))],
        });
    }

    private static long OfList(RenderState state, TemplateList list, string name, CallArguments arguments)
    {
        state.Charge(list.Items.Count);
        object? item = arguments.Bind(name, 1, "value")[0];
        if (name == "count")
        {
            return list.Items.Count(element => Python.AreEqual(element, item));
        }

        int at = list.Items.FindIndex(element => Python.AreEqual(element, item));
        return at >= 0 ? at : throw new TemplateFault("index() did not find the value in the list");
    }

    private static string Replace(RenderState state, string text, CallArguments arguments)
    {
        object?[] given = arguments.Bind("replace", 2, "old", "new", "count");
        return Replace(
            state,
            text,
            Python.Text(given[0], "the first argument of replace()"),
            Python.Text(given[1], "the second argument of replace()"),
            Python.Integer(CallArguments.Or(given[2], -1L), "the count of replace()"));
    }

    private static TemplateList Split(RenderState state, string text, CallArguments arguments, bool fromEnd)
    {
        object?[] given = arguments.Bind("split", 0, "sep", "maxsplit");
        long limit = Python.Integer(CallArguments.Or(given[1], -1L), "maxsplit");
        limit = limit < 0 ? long.MaxValue : limit;
        var parts = CallArguments.Or(given[0], null) switch
        {
            null => SplitAtSpaces(text, limit, fromEnd),
            string { Length: > 0 } separator => SplitAt(text, separator, limit, fromEnd),
            string => throw new TemplateFault("split() needs a separator that is not empty"),
            var other => throw new TemplateFault($"split() needs a string, not {Python.TypeName(other)}"),
        };
        state.Charge(parts.Count);
        return new TemplateList(parts);
    }

    private static List<object?> SplitAt(string text, string separator, long limit, bool fromEnd)
    {
        var parts = new List<object?>();
        if (!fromEnd)
        {
            int done = 0;
            for (int hit; parts.Count < limit && (hit = text.IndexOf(separator, done, StringComparison.Ordinal)) >= 0; done = hit + separator.Length)
            {
                parts.Add(text[done..hit]);
            }

            parts.Add(text[done..]);
            return parts;
        }

        int end = text.Length;
        for (int hit; parts.Count < limit && (hit = text.AsSpan(0, end).LastIndexOf(separator, StringComparison.Ordinal)) >= 0; end = hit)
        {
            parts.Add(text[(hit + separator.Length)..end]);
        }

        parts.Add(text[..end]);
        parts.Reverse();
        return parts;
    }

    private static List<object?> SplitAtSpaces(string text, long limit, bool fromEnd)
    {
        var words = new List<(int Start, int End)>();
        for (int at = 0; at < text.Length; at++)
        {
            int start = at;
            while (at < text.Length && !PythonText.IsSpace(text[at]))
            {
                at++;
            }

            if (at > start)
            {
                words.Add((start, at));
            }
        }

        if (words.Count <= limit)
        {
            return [.. words.Select(word => text[word.Start..word.End])];
        }

        // What is beyond the limit stays in one piece, as it stands.
        int kept = (int)limit;
        if (fromEnd)
        {
            string head = text[..words[^(kept + 1)].End];
            return [head, .. words[^kept..].Select(word => text[word.Start..word.End])];
        }

        return [.. words[..kept].Select(word => text[word.Start..word.End]), text[words[kept].Start..]];
    }

    private static TemplateList SplitLines(string text, CallArguments arguments)
    {
        arguments.Bind("splitlines", 0);
        string unified = text.Replace("\r\n", "\n", StringComparison.Ordinal);
        foreach (char c in "\r\v\f\u001C\u001D\u001E\u0085\u2028\u2029")
        {
            unified = unified.Replace(c, '\n');
        }

        List<object?> lines = [.. unified.Split('\n')];
        if (lines[^1] is "")
        {
            lines.RemoveAt(lines.Count - 1);
        }

        return new TemplateList(lines);
    }

    private static bool HasAffix(CallArguments arguments, string name, Func<string, bool> has) => arguments.Bind(name, 1, "affix")[0] switch
    {
        string affix => has(affix),
        TemplateList { IsTuple: true } several => several.Items.Exists(affix => has(Python.Text(affix, $"the argument of {name}()"))),
        var other => throw ((other as Undefined)?.Fault() ?? new TemplateFault($"{name}() needs a string, not {Python.TypeName(other)}")),
    };

    private static long Count(string text, string part)
    {
        long count = 0;
        for (int at = text.IndexOf(part, StringComparison.Ordinal); part.Length > 0 && at >= 0; at = text.IndexOf(part, at + part.Length, StringComparison.Ordinal))
        {
            count++;
        }

        return part.Length > 0 ? count : PythonText.Length(text) + 1;
    }

    private static long CodePointIndex(string text, int index) => index < 0 ? -1L : PythonText.Length(text[..index]);

    private static string? Characters(CallArguments arguments, string name) =>
        CallArguments.Or(arguments.Bind(name, 0, "chars")[0], null) is { } given ? Python.Text(given, $"the argument of {name}()") : null;

    private static string One(CallArguments arguments, string name) =>
        Python.Text(arguments.Bind(name, 1, "value")[0], $"the argument of {name}()");

    private static T Nothing<T>(CallArguments arguments, string name, T result)
    {
        arguments.Bind(name, 0);
        return result;
    }
}
