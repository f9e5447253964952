namespace Grid.Text.ChatTemplates;

/// <summary>The filters of sequences. Where Python gives a generator, these give a list.</summary>
internal static class SequenceFilters
{
    private static readonly Dictionary<string, Filter> ByName = new(StringComparer.Ordinal)
    {
        ["length"] = (_, value, a) => Filters.Only(a, "length", Python.Length(value)),
        ["count"] = (_, value, a) => Filters.Only(a, "count", Python.Length(value)),
        ["list"] = (_, value, a) => Filters.Only(a, "list", new TemplateList(Python.Iterate(value))),
        ["items"] = (state, value, a) => Filters.Only(a, "items", Items(state, value)),
        ["first"] = (_, value, a) => Filters.Only(a, "first", End(value, last: false)),
        ["last"] = (_, value, a) => Filters.Only(a, "last", End(value, last: true)),
        ["join"] = Join,
        ["reverse"] = (state, value, a) => Filters.Only(a, "reverse", Reverse(state, value)),
        ["sort"] = Sort,
        ["dictsort"] = DictSort,
        ["unique"] = Unique,
        ["min"] = (state, value, a) => Extreme(state, value, a, "min", -1),
        ["max"] = (state, value, a) => Extreme(state, value, a, "max", 1),
        ["sum"] = Sum,
        ["map"] = Map,
        ["select"] = (state, value, a) => Choose(state, value, a, "select", byAttribute: false, keep: true),
        ["reject"] = (state, value, a) => Choose(state, value, a, "reject", byAttribute: false, keep: false),
        ["selectattr"] = (state, value, a) => Choose(state, value, a, "selectattr", byAttribute: true, keep: true),
        ["rejectattr"] = (state, value, a) => Choose(state, value, a, "rejectattr", byAttribute: true, keep: false),
    };

    public static Filter? Find(string name) => ByName.GetValueOrDefault(name);

    private static TemplateList Items(RenderState state, object? value) => value switch
    {
        TemplateMap => (TemplateList)Methods.Find(value, "items")!.Call(state, CallArguments.None)!,
        Undefined => new TemplateList([]),
        _ => throw new TemplateFault($"items needs a dict, not {Python.TypeName(value)}"),
    };

    private static object? End(object? value, bool last)
    {
        var items = Python.Iterate(value);
        return Access.Item(new TemplateList(items), last ? -1L : 0L);
    }

    private static string Join(RenderState state, object? value, CallArguments arguments)
    {
        object?[] given = arguments.Bind("join", 0, "d", "attribute");
        if (CallArguments.Or(given[1], null) is { } attribute)
        {
            value = new TemplateList([.. Python.Iterate(value).Select(item => AttributeOf(item, attribute))]);
        }

        return Methods.Join(state, TemplateJson.Str(CallArguments.Or(given[0], "")), value, strict: false);
    }

    private static object Reverse(RenderState state, object? value)
    {
        var items = new List<object?>(Python.Iterate(value));
        state.Charge(items.Count);
        items.Reverse();
        return value is string ? string.Concat(items.Cast<string>()) : new TemplateList(items);
    }

    private static TemplateList Sort(RenderState state, object? value, CallArguments arguments)
    {
        object?[] given = arguments.Bind("sort", 0, "reverse", "case_sensitive", "attribute");
        bool exact = Python.IsTrue(CallArguments.Or(given[1], false));
        object? attribute = CallArguments.Or(given[2], null);
        return Sorted(state, Python.Iterate(value), item => Key(attribute is null ? item : AttributeOf(item, attribute), exact), Python.IsTrue(CallArguments.Or(given[0], false)));
    }

    private static TemplateList DictSort(RenderState state, object? value, CallArguments arguments)
    {
        object?[] given = arguments.Bind("dictsort", 0, "case_sensitive", "by", "reverse");
        bool exact = Python.IsTrue(CallArguments.Or(given[0], false));
        int column = CallArguments.Or(given[1], "key") switch
        {
            "key" => 0,
            "value" => 1,
            _ => throw new TemplateFault("dictsort sorts by 'key' or 'value'"),
        };
        return Sorted(state, Items(state, value).Items, item => Key(((TemplateList)item!).Items[column], exact), Python.IsTrue(CallArguments.Or(given[2], false)));
    }

    private static TemplateList Sorted(RenderState state, List<object?> items, Func<object?, object?> key, bool descending)
    {
        state.Charge(items.Count * 16L);
        var order = Comparer<object?>.Create(Python.Compare);
        // Both are stable, as Python's sort is.
        return new TemplateList([.. descending ? items.OrderByDescending(key, order) : items.OrderBy(key, order)]);
    }

    private static TemplateList Unique(RenderState state, object? value, CallArguments arguments)
    {
        object?[] given = arguments.Bind("unique", 0, "case_sensitive", "attribute");
        bool exact = Python.IsTrue(CallArguments.Or(given[0], false));
        object? attribute = CallArguments.Or(given[1], null);
        var seen = new List<object?>();
        var kept = new List<object?>();
        foreach (object? item in Python.Iterate(value))
        {
            state.Charge(seen.Count + 1);
            object? key = Key(attribute is null ? item : AttributeOf(item, attribute), exact);
            if (!seen.Exists(other => Python.AreEqual(other, key)))
            {
                seen.Add(key);
                kept.Add(item);
            }
        }

        return new TemplateList(kept);
    }

    private static object? Extreme(RenderState state, object? value, CallArguments arguments, string name, int sign)
    {
        object?[] given = arguments.Bind(name, 0, "case_sensitive", "attribute");
        bool exact = Python.IsTrue(CallArguments.Or(given[0], false));
        object? attribute = CallArguments.Or(given[1], null);
        var items = Python.Iterate(value);
        state.Charge(items.Count);
        object? best = items.Count == 0 ? new Undefined("no aggregated item, the sequence is empty") : items[0];
        foreach (object? item in items.Skip(1))
        {
            best = Python.Compare(KeyOf(item), KeyOf(best)) * sign > 0 ? item : best;
        }

        return best;

        object? KeyOf(object? item) => Key(attribute is null ? item : AttributeOf(item, attribute), exact);
    }

    private static object? Sum(RenderState state, object? value, CallArguments arguments)
    {
        object?[] given = arguments.Bind("sum", 0, "attribute", "start");
        object? attribute = CallArguments.Or(given[0], null), total = CallArguments.Or(given[1], 0L);
        foreach (object? item in Python.Iterate(value))
        {
            state.Charge(1);
            total = Operators.Apply(state, "+", total, attribute is null ? item : AttributeOf(item, attribute));
        }

        return total;
    }

    private static TemplateList Map(RenderState state, object? value, CallArguments arguments)
    {
        var items = IterateIfAny(value);
        state.Charge(items.Count);
        if (arguments.Positional.Count == 0)
        {
            object?[] given = arguments.Bind("map", 1, "attribute", "default");
            return new TemplateList([.. items.Select(item => AttributeOf(item, given[0]) switch
            {
                Undefined missing => CallArguments.Or(given[1], missing),
                var found => found,
            })]);
        }

        string name = Python.Text(arguments.Positional[0], "the filter that map applies");
        var filter = Filters.Find(name) ?? throw new TemplateFault($"there is no filter '{name}'");
        var rest = new CallArguments(arguments.Positional[1..], arguments.Named);
        return new TemplateList([.. items.Select(item => filter(state, item, rest))]);
    }

    private static TemplateList Choose(RenderState state, object? value, CallArguments arguments, string name, bool byAttribute, bool keep)
    {
        int used = byAttribute ? 1 : 0;
        var given = arguments.Positional;
        if (given.Count < used || arguments.Named.Count > 0)
        {
            throw new TemplateFault($"{name} needs {(byAttribute ? "an attribute, then " : "")}a test and its arguments, by position");
        }

        Test test = (item, _) => Python.IsTrue(item);
        if (given.Count > used)
        {
            string testName = Python.Text(given[used], $"the test of {name}");
            test = Tests.Find(testName) ?? throw new TemplateFault($"there is no test '{testName}'");
        }

        var rest = new CallArguments(given.Count > used ? given[(used + 1)..] : [], []);
        var items = IterateIfAny(value);
        state.Charge(items.Count);
        return new TemplateList([.. items.Where(item => test(byAttribute ? AttributeOf(item, given[0]) : item, rest) == keep)]);
    }

    /// <summary>Jinja's map and select take whatever is not true for an empty list, so none too.</summary>
    private static List<object?> IterateIfAny(object? value) => Python.IsTrue(value) ? Python.Iterate(value) : [];

    /// <summary>An attribute by name, by index, or a path such as function.name.</summary>
    private static object? AttributeOf(object? item, object? attribute)
    {
        if (attribute is not string path)
        {
            return Access.Item(item, attribute);
        }

        foreach (string part in path.Split('.'))
        {
            item = Access.Item(item, long.TryParse(part, out long index) ? index : part);
        }

        return item;
    }

    private static object? Key(object? value, bool exact) => value is string text && !exact ? text.ToLowerInvariant() : value;
}
