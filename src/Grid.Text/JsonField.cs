using System.Text.Json;

namespace Grid.Text;

/// <summary>A JSON value together with where it stands, so that every complaint can name file and field.</summary>
internal readonly struct JsonField(JsonElement element, string file, string path)
{
    public JsonElement Element { get; } = element;

    public string Path { get; } = path;

    public bool IsNull => Element.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined;

    /// <summary>Reads a whole file; the root must be an object. The document must be disposed by the caller.</summary>
    public static JsonField ParseRoot(byte[] bytes, string file, out JsonDocument document)
    {
        try
        {
            // Windows editors leave a byte order mark, which the JSON reader takes for garbage.
            int start = bytes.AsSpan().StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]) ? 3 : 0;
            document = JsonDocument.Parse(bytes.AsMemory(start), new JsonDocumentOptions { AllowDuplicateProperties = false });
        }
        catch (JsonException error)
        {
            throw new TextModelException(file, "", $"is not valid JSON: {error.Message}", error);
        }

        var root = new JsonField(document.RootElement, file, "");
        root.RequireKind(JsonValueKind.Object, "an object");
        return root;
    }

    public TextModelException Error(string rule) => new(file, Path, rule);

    /// <summary>A property that must be there (it may be null).</summary>
    public JsonField Get(string name) => TryGet(name, out var field) ? field : throw Error($"has no field '{name}'");

    /// <summary>A property that may be missing.</summary>
    public bool TryGet(string name, out JsonField field)
    {
        RequireKind(JsonValueKind.Object, "an object");
        bool found = Element.TryGetProperty(name, out var value);
        field = new JsonField(value, file, Path.Length == 0 ? name : $"{Path}.{name}");
        return found;
    }

    /// <summary>Refuses every property that is not listed: what is not known may change token ids.</summary>
    public void AllowOnly(params ReadOnlySpan<string> names)
    {
        RequireKind(JsonValueKind.Object, "an object");
        foreach (var property in Element.EnumerateObject())
        {
            string name = PropertyName(property);
            if (!names.Contains(name))
            {
                throw Error($"has the field '{name}', which is not supported");
            }
        }
    }

    public string String()
    {
        RequireKind(JsonValueKind.String, "a string");
        try
        {
            return Element.GetString()!;
        }
        catch (InvalidOperationException error)
        {
            throw new TextModelException(file, Path, "is not valid Unicode text", error);
        }
    }

    public bool Boolean() => Element.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Error($"must be true or false, not {Describe()}"),
    };

    /// <summary>A boolean that counts as <paramref name="whenMissing"/> when missing or null.</summary>
    public bool BooleanOr(string name, bool whenMissing) =>
        TryGet(name, out var field) && !field.IsNull ? field.Boolean() : whenMissing;

    public int Id()
    {
        if (Element.ValueKind != JsonValueKind.Number || !Element.TryGetInt32(out int id) || id < 0 || id > MaximumId)
        {
            throw Error($"must be a token id from 0 to {MaximumId}, not {Describe()}");
        }

        return id;
    }

    public IEnumerable<JsonField> Items()
    {
        RequireKind(JsonValueKind.Array, "a list");
        int index = 0;
        foreach (var item in Element.EnumerateArray())
        {
            yield return new JsonField(item, file, $"{Path}[{index++}]");
        }
    }

    public IEnumerable<(string Name, JsonField Value)> Properties()
    {
        RequireKind(JsonValueKind.Object, "an object");
        foreach (var property in Element.EnumerateObject())
        {
            string name = PropertyName(property);
            yield return (name, new JsonField(property.Value, file, $"{Path}[\"{name}\"]"));
        }
    }

    public void RequireKind(JsonValueKind kind, string wording)
    {
        if (Element.ValueKind != kind)
        {
            throw Error($"must be {wording}, not {Describe()}");
        }
    }

    public string Describe()
    {
        string raw = Element.ValueKind == JsonValueKind.Undefined ? "missing" : Element.GetRawText();
        return raw.Length <= 60 ? raw : string.Concat(raw.AsSpan(0, 57), "...");
    }

    /// <summary>Keeps tables indexed by token id within memory; real vocabularies stay far below.</summary>
    public const int MaximumId = (1 << 22) - 1;

    private string PropertyName(JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException error)
        {
            throw new TextModelException(file, Path, "has a field name that is not valid Unicode text", error);
        }
    }
}
