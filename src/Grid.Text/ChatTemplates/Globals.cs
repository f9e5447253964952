namespace Grid.Text.ChatTemplates;

/// <summary>The functions every template can call.</summary>
internal static class Globals
{
    public static void AddTo(Scope scope)
    {
        foreach ((string name, var call) in Functions)
        {
            scope.Set(name, new TemplateFunction(name, call));
        }
    }

    private static readonly (string Name, Func<RenderState, CallArguments, object?> Call)[] Functions =
    [
        ("raise_exception", (_, arguments) => throw new TemplateFault(TemplateJson.Str(arguments.Bind("raise_exception", 1, "message")[0]))),
        ("namespace", (_, arguments) => Namespace(arguments)),
        ("dict", (_, arguments) => Dict(arguments)),
        ("range", Range),
    ];

    private static TemplateNamespace Namespace(CallArguments arguments)
    {
        var space = new TemplateNamespace();
        foreach ((object key, object? value) in Dict(arguments).Items)
        {
            space.Attributes[key as string ?? TemplateJson.Str(key)] = value;
        }

        return space;
    }

    private static TemplateMap Dict(CallArguments arguments)
    {
        var map = new TemplateMap();
        switch (arguments.Positional)
        {
            case []:
                break;
            case [TemplateMap given]:
                foreach ((object key, object? value) in given.Items)
                {
                    map.Set(key, value);
                }

                break;
            default:
                throw new TemplateFault("namespace() and dict() take named values, or one dict");
        }

        foreach ((string name, object? value) in arguments.Named)
        {
            map.Set(name, value);
        }

        return map;
    }

    private static TemplateList Range(RenderState state, CallArguments arguments)
    {
        if (arguments.Named.Count > 0 || arguments.Positional.Count is 0 or > 3)
        {
            throw new TemplateFault("range() takes one to three integers");
        }

        long[] given = [.. arguments.Positional.Select(value => Python.Integer(value, "an argument of range()"))];
        (long start, long stop) = given.Length == 1 ? (0, given[0]) : (given[0], given[1]);
        long step = given.Length == 3 ? given[2] : 1;
        if (step == 0)
        {
            throw new TemplateFault("the step of range() must not be zero");
        }

        // The sandbox of Jinja has the same bound.
        const long Longest = 100_000;
        var count = step > 0 ? ((Int128)stop - start + step - 1) / step : ((Int128)start - stop - step - 1) / -(Int128)step;
        if (count > Longest)
        {
            throw new TemplateFault($"range() would have more than {Longest} items");
        }

        var items = new List<object?>();
        for (Int128 i = 0; i < count; i++)
        {
            items.Add((long)(start + (i * step)));
        }

        state.Charge(items.Count);
        return new TemplateList(items);
    }
}
