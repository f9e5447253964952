using System.Text.Json;
using Grid.Gateway.Http;

namespace Grid.Gateway.Json;

/// <summary>
/// One JSON object of a request, taken apart field by field. What has not been taken when <see cref="RefuseOthers"/> is
/// called is refused, so that no field is ever ignored. A field that is null counts as absent, as in the OpenAI API.
/// </summary>
internal sealed class JsonFields
{
    /// <summary>Most fields of an object.</summary>
    public const int MaxFields = 1024;

    private readonly Dictionary<string, JsonElement> _fields = [];
    private readonly string _path;

    /// <summary>Opens an object. Throws <see cref="ApiException"/> for another type and for a name given twice.</summary>
    /// <param name="field">The object; the body's path is empty.</param>
    public JsonFields(JsonField field)
    {
        _path = field.Path;
        if (field.Kind != JsonValueKind.Object)
        {
            throw field.WrongType("an object");
        }
        field.RequireFields(MaxFields);
        foreach (var property in field.Value.EnumerateObject())
        {
            string name = NameOf(property, _path);
            if (!_fields.TryAdd(name, property.Value))
            {
                throw ApiErrors.Duplicate(PathOf(name));
            }
        }
    }

    /// <summary>The names not taken yet, in the request's order.</summary>
    public IEnumerable<string> Names => _fields.Keys;

    /// <summary>Full path of a field of this object.</summary>
    public string PathOf(string name)
    {
        string shown = name.Length <= 64 ? name : name[..64] + "...";
        return _path.Length == 0 ? shown : $"{_path}.{shown}";
    }

    /// <summary>Takes a field; null when it is absent or null.</summary>
    public JsonField? Take(string name) =>
        _fields.Remove(name, out var value) && value.ValueKind != JsonValueKind.Null ? new JsonField(value, PathOf(name)) : null;

    /// <summary>Takes a field that must be there.</summary>
    public JsonField Require(string name, string rule) => Take(name) ?? throw ApiErrors.Missing(PathOf(name), rule);

    /// <summary>
    /// Refuses every field that was not taken: known ones of the API as not supported yet (unless they hold a value
    /// that says "off" and so asks for nothing), the rest as unknown.
    /// </summary>
    /// <param name="unsupported">Known fields that are not served yet, each with what asks for nothing, as JSON: "tools", or
    /// "parallel_tool_calls: true or false".</param>
    public void RefuseOthers(params string[] unsupported)
    {
        foreach (var (name, value) in _fields)
        {
            string[] off = unsupported.Select(field => field.Split(": ", 2)).FirstOrDefault(field => field[0] == name)?.Skip(1).ToArray()
                ?? throw ApiErrors.Unknown(PathOf(name));
            if (value.ValueKind != JsonValueKind.Null && !off.SelectMany(values => values.Split(" or ")).Any(one => IsEqual(value, one)))
            {
                throw ApiErrors.Unsupported(PathOf(name), JsonShown.Value(value), off.Length == 0 ? "leave it out" : $"leave it out or set it to {off[0]}");
            }
        }
    }

    private static bool IsEqual(JsonElement value, string json)
    {
        try
        {
            return JsonElement.DeepEquals(value, JsonElement.Parse(json));
        }
        catch (InvalidOperationException)
        {
            return false; // It holds an unpaired surrogate.
        }
    }

    /// <summary>A property's name; an unpaired surrogate in it is refused.</summary>
    public static string NameOf(JsonProperty property, string path)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException)
        {
            throw ApiErrors.Malformed($"A field name of {(path.Length == 0 ? "the body" : $"'{path}'")} is not valid Unicode.");
        }
    }
}
