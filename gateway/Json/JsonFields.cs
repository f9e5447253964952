using System.Text.Json;
using Grid.Gateway.Http;
using Grid.Options;

namespace Grid.Gateway.Json;

/// <summary>
/// One JSON object of a request, taken apart field by field. What has not been taken when <see cref="RefuseOthers"/> is
/// called is refused, so that no field is ever ignored. A field that asks for nothing (null, false, "", [] or {}) counts as absent,
/// whether it is known or not: clients send whole objects of theirs, with every field that they have not set.
/// </summary>
internal sealed class JsonFields
{
    /// <summary>Most fields of an object.</summary>
    public const int MaxFields = 1024;

    private readonly Dictionary<string, JsonElement> _fields = [];
    private readonly List<string> _known = [];
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

    /// <summary>Takes a field; null when it is absent or asks for nothing.</summary>
    public JsonField? Take(string name) => TakeGiven(name) is { AsksForNothing: false } field ? field : null;

    /// <summary>Takes a field whose false, or emptiness, means something; null when it is absent or null.</summary>
    public JsonField? TakeGiven(string name)
    {
        _known.Add(name);
        return _fields.Remove(name, out var value) && value.ValueKind != JsonValueKind.Null ? new JsonField(value, PathOf(name)) : null;
    }

    /// <summary>Takes a field that must be there.</summary>
    public JsonField Require(string name, string rule) => TakeGiven(name) ?? throw ApiErrors.Missing(PathOf(name), rule);

    /// <summary>
    /// Refuses every field that was not taken and asks for something: known ones of the API as not supported yet, the rest as
    /// unknown, with the name that they may have meant.
    /// </summary>
    /// <param name="unsupported">Known fields that are not served yet, each with the values that ask for nothing of their own, as JSON:
    /// "tools", or "parallel_tool_calls: true". Where true does, and false is not named, false asks for something.</param>
    public void RefuseOthers(params string[] unsupported)
    {
        foreach (var (name, value) in _fields)
        {
            bool nothing = new JsonField(value, name).AsksForNothing;
            string[] known = unsupported.FirstOrDefault(field => NameOf(field) == name)?.Split(": ", 2) ?? [];
            if (known.Length == 0 && !nothing)
            {
                throw ApiErrors.Unknown(PathOf(name), NearestName.Of(name, _known.Concat(unsupported.Select(NameOf))));
            }
            string[] off = known.Length == 2 ? known[1].Split(" or ") : [];
            bool isOff = nothing && (value.ValueKind != JsonValueKind.False || !off.Contains("true") || off.Contains("false"));
            if (!isOff && !off.Any(one => IsEqual(value, one)))
            {
                throw ApiErrors.Unsupported(PathOf(name), JsonShown.Value(value), off.Length == 0 ? "leave it out" : $"leave it out or set it to {known[1]}");
            }
        }
    }

    private static string NameOf(string field) => field.Split(": ", 2)[0];

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
