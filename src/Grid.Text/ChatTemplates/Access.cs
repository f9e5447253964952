namespace Grid.Text.ChatTemplates;

/// <summary>Attributes, items and slices of values.</summary>
internal static class Access
{
    /// <summary>value.name: a method or attribute first, then the item of that name.</summary>
    public static object? Attribute(object? value, string name)
    {
        switch (value)
        {
            case Undefined undefined:
                throw undefined.Fault();
            case TemplateNamespace space:
                return space.Attributes.TryGetValue(name, out object? attribute)
                    ? attribute
                    : new Undefined($"the namespace has no attribute '{name}'");
            case LoopState loop:
                return loop.Attribute(name);
            default:
                return Methods.Find(value, name) is { } method ? method
                    : value is TemplateMap map && map.TryGet(name, out object? item) ? item
                    : new Undefined($"{Python.TypeName(value)} has no attribute '{name}'");
        }
    }

    /// <summary>value[key]: the item first, then the method or attribute of that name.</summary>
    public static object? Item(object? value, object? key)
    {
        switch (value)
        {
            case Undefined undefined:
                throw undefined.Fault();
            case TemplateMap map when map.TryGet(key, out object? item):
                return item;
            case TemplateList list when Python.AsNumber(key) is long index:
                return At(list.Items, index, "the list");
            case string text when Python.AsNumber(key) is long index:
                return At(PythonText.Characters(text), index, "the string");
            default:
                return key is string name
                    ? Attribute(value, name)
                    : new Undefined($"{Python.TypeName(value)} has no item {Shown(key)}");
        }
    }

    public static object Slice(RenderState state, object? value, object? start, object? stop, object? step)
    {
        long stride = step is null ? 1 : Python.Integer(step, "the step of a slice");
        if (stride == 0)
        {
            throw new TemplateFault("the step of a slice must not be zero");
        }

        switch (value)
        {
            case TemplateList list:
                return new TemplateList(Pick(state, list.Items, start, stop, stride), list.IsTuple);
            case string text:
                return string.Concat(Pick(state, PythonText.Characters(text), start, stop, stride).Cast<string>());
            default:
                throw (value as Undefined)?.Fault() ?? new TemplateFault($"{Python.TypeName(value)} cannot be sliced");
        }
    }

    private static object? At(List<object?> items, long index, string what)
    {
        long at = index < 0 ? index + items.Count : index;
        return at >= 0 && at < items.Count ? items[(int)at] : new Undefined($"{what} has no item {index}");
    }

    private static List<object?> Pick(RenderState state, List<object?> items, object? start, object? stop, long step)
    {
        state.Charge(items.Count / 4);
        long count = items.Count;
        long first = Bound(start, step > 0 ? 0 : count - 1);
        long end = Bound(stop, step > 0 ? count : -1);
        var picked = new List<object?>();
        for (long i = first; step > 0 ? i < end : i > end; i += step)
        {
            picked.Add(items[(int)i]);
            if (Math.Abs(step) >= count)
            {
                break;
            }
        }

        return picked;

        long Bound(object? given, long whenMissing)
        {
            if (given is null)
            {
                return whenMissing;
            }

            long at = Python.Integer(given, "a bound of a slice");
            at = at < 0 ? Math.Max(at, -count - 1) + count : at;
            return step > 0 ? Math.Clamp(at, 0, count) : Math.Clamp(at, -1, count - 1);
        }
    }

    private static string Shown(object? key) => key is long number ? TemplateJson.Str(number) : $"of {Python.TypeName(key)}";
}
