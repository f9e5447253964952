namespace Grid.Text.ChatTemplates;

/// <summary>The variable "loop" of a for block.</summary>
internal sealed class LoopState(List<object?> items)
{
    private object? _changed = CallArguments.Missing;

    public int Index { get; set; }

    public int Length => items.Count;

    public object? Attribute(string name) => name switch
    {
        "index" => (long)Index + 1,
        "index0" => (long)Index,
        "revindex" => (long)items.Count - Index,
        "revindex0" => (long)items.Count - Index - 1,
        "first" => Index == 0,
        "last" => Index == items.Count - 1,
        "length" => (long)items.Count,
        // Counts only recursive loops, which are not supported.
        "depth" => 1L,
        "depth0" => 0L,
        "previtem" => Index > 0 ? items[Index - 1] : new Undefined("there is no previous item"),
        "nextitem" => Index < items.Count - 1 ? items[Index + 1] : new Undefined("there is no next item"),
        "cycle" => new TemplateFunction("cycle", (_, arguments) => Cycle(arguments)),
        "changed" => new TemplateFunction("changed", (_, arguments) => Changed(arguments)),
        _ => new Undefined($"'loop' has no attribute '{name}'"),
    };

    private object? Cycle(CallArguments arguments) => arguments.Positional.Count == 0
        ? throw new TemplateFault("no items for cycling given")
        : arguments.Positional[Index % arguments.Positional.Count];

    private bool Changed(CallArguments arguments)
    {
        var value = new TemplateList(arguments.Positional, isTuple: true);
        bool changed = ReferenceEquals(_changed, CallArguments.Missing) || !Python.AreEqual(_changed, value);
        _changed = value;
        return changed;
    }
}
