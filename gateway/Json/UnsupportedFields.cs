namespace Grid.Gateway.Json;

/// <summary>
/// Fields that an API knows and this gateway does not serve yet. Each may list values (as JSON) that ask for nothing,
/// which clients send by habit; any other value is refused.
/// </summary>
internal sealed class UnsupportedFields
{
    private readonly Dictionary<string, IReadOnlyList<string>> _fields = [];

    /// <summary>Nothing but unknown fields.</summary>
    public static UnsupportedFields None { get; } = new();

    /// <summary>Adds names refused whatever they hold.</summary>
    public UnsupportedFields Add(params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            _fields.Add(name, []);
        }
        return this;
    }

    /// <summary>Adds a name with the JSON values that mean "off".</summary>
    public UnsupportedFields AddUnless(string name, params string[] offValues)
    {
        _fields.Add(name, offValues);
        return this;
    }

    public bool TryFind(string name, out IReadOnlyList<string> offValues)
    {
        var found = _fields.TryGetValue(name, out var values);
        offValues = values ?? [];
        return found;
    }
}
