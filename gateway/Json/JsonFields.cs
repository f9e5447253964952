using System.Text.Json;
using Grid.Gateway.Http;

namespace Grid.Gateway.Json;

/// <summary>
/// One JSON object of a request, taken apart field by field. What has not been taken when <see cref="RefuseOthers"/> is
/// called is refused, so that no field is ever ignored. A field that is null counts as absent, as in the OpenAI API.
/// </summary>
internal sealed class JsonFields
{
    private readonly Dictionary<string, JsonElement> _fields = [];
    private readonly string _path;

    /// <summary>Opens an object. Throws <see cref="ApiException"/> for another type and for a name given twice.</summary>
    /// <param name="value">The object.</param>
    /// <param name="path">Its path in the request; empty for the body itself.</param>
    public JsonFields(JsonElement value, string path)
    {
        _path = path;
        if (value.ValueKind != JsonValueKind.Object)
        {
            throw ApiErrors.WrongType(path, JsonShown.Value(value), "an object");
        }
        foreach (var property in value.EnumerateObject())
        {
            var name = JsonValues.Name(property, path);
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
        var shown = name.Length <= 64 ? name : name[..64] + "...";
        return _path.Length == 0 ? shown : $"{_path}.{shown}";
    }

    /// <summary>Takes a field; null when it is absent or null.</summary>
    public JsonElement? Take(string name) =>
        _fields.Remove(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    public bool? Boolean(string name) =>
        Take(name) is { } value ? JsonValues.Boolean(value, PathOf(name)) : null;

    public string? String(string name, int maxLength = int.MaxValue) =>
        Take(name) is { } value ? JsonValues.String(value, PathOf(name), maxLength) : null;

    public int? Int32(string name, int min, int max = int.MaxValue) =>
        Take(name) is { } value ? JsonValues.Int32(value, PathOf(name), min, max) : null;

    public float? Single(string name, NumberRange range) =>
        Take(name) is { } value ? JsonValues.Single(value, PathOf(name), range) : null;

    public ulong? Seed(string name) =>
        Take(name) is { } value ? JsonValues.Seed(value, PathOf(name)) : null;

    /// <summary>Opens a field that is an object; null when absent.</summary>
    public JsonFields? Object(string name) =>
        Take(name) is { } value ? new JsonFields(value, PathOf(name)) : null;

    /// <summary>
    /// Refuses every field that was not taken: known ones of the API as not supported yet (unless they hold a value
    /// that says "off" and so asks for nothing), the rest as unknown.
    /// </summary>
    public void RefuseOthers(UnsupportedFields unsupported)
    {
        foreach (var (name, value) in _fields)
        {
            if (!unsupported.TryFind(name, out var offValues))
            {
                throw ApiErrors.Unknown(PathOf(name));
            }
            if (value.ValueKind != JsonValueKind.Null && !IsOff(value, offValues))
            {
                var allowed = offValues.Count == 0 ? "leave it out" : $"leave it out or set it to {string.Join(" or ", offValues)}";
                throw ApiErrors.Unsupported(PathOf(name), JsonShown.Value(value), allowed);
            }
        }
    }

    private static bool IsOff(JsonElement value, IReadOnlyList<string> offValues)
    {
        foreach (var off in offValues)
        {
            using var document = JsonDocument.Parse(off);
            if (JsonElement.DeepEquals(value, document.RootElement))
            {
                return true;
            }
        }
        return false;
    }
}
