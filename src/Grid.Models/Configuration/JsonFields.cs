using System.Text.Json;
using System.Text.Unicode;

namespace Grid.Models.Configuration;

/// <summary>Reads a JSON object's fields by rule; every violation names file, field, value and rule.</summary>
internal readonly struct JsonFields
{
    private static readonly JsonDocumentOptions s_strict = new() { AllowDuplicateProperties = false };

    private readonly string _file;
    private readonly string _prefix;
    private readonly JsonElement _object;
    private readonly HashSet<string> _read;

    private JsonFields(string file, string prefix, JsonElement element)
    {
        _file = file;
        _prefix = prefix;
        _object = element;
        _read = new HashSet<string>(StringComparer.Ordinal);
    }

    /// <summary>The object's fields, in the file's order.</summary>
    public JsonElement.ObjectEnumerator All => _object.EnumerateObject();

    /// <summary>The fields that nothing has asked for, in the file's order.</summary>
    public IEnumerable<JsonProperty> Unread
    {
        get
        {
            var read = _read;
            return _object.EnumerateObject().Where(entry => !read.Contains(entry.Name));
        }
    }

    /// <summary>Parses UTF-8 JSON whose root is an object without duplicate fields.</summary>
    public static JsonFields Parse(string file, ReadOnlyMemory<byte> utf8)
    {
        JsonElement root;
        try
        {
            CheckText(utf8.Span);
            using var document = JsonDocument.Parse(utf8, s_strict);
            root = document.RootElement.Clone();
        }
        catch (JsonException e)
        {
            throw new ModelFormatException(file, "the content", "not readable as JSON",
                $"it must be one JSON object in UTF-8 without duplicate fields ({e.Message})", e);
        }

        return From(file, "", "the content", root);
    }

    /// <summary>A nested object.</summary>
    public JsonFields Object(string name, JsonElement element) => From(_file, $"{_prefix}{name}.", $"{_prefix}{name}", element);

    /// <summary>The field, or null when absent or JSON null.</summary>
    public JsonElement? Find(string name)
    {
        _read.Add(name);
        return _object.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }

    /// <summary>Whether the field is there, be it as JSON null.</summary>
    public bool IsPresent(string name) => _object.TryGetProperty(name, out _);

    /// <summary>Marks fields as read that have no influence on results.</summary>
    public void Skip(params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            _read.Add(name);
        }
    }

    /// <summary>The field; refused when absent or null.</summary>
    public JsonElement Require(string name, string rule) => Find(name) ?? throw Error(name, "absent", rule);

    /// <summary>An integer in [1, maximum].</summary>
    public int Count(string name, int maximum)
    {
        string rule = $"it must be an integer from 1 to {maximum}";
        var value = Require(name, rule);
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= 1 && number <= maximum
            ? number
            : throw Error(name, value, rule);
    }

    /// <summary>An integer in [1, maximum]; fallback when absent. JSON null is refused.</summary>
    public int Count(string name, int maximum, int fallback) => IsPresent(name) ? Count(name, maximum) : fallback;

    /// <summary>A finite number of at least minimum.</summary>
    public double Number(string name, JsonElement value, double minimum) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && double.IsFinite(number) && number >= minimum
            ? number
            : throw Error(name, value, FormattableString.Invariant($"it must be a finite number of at least {minimum}"));

    /// <summary>A boolean; fallback when absent.</summary>
    public bool Flag(string name, bool fallback) => Find(name) switch
    {
        null => fallback,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        { } other => throw Error(name, other, "it must be true or false"),
    };

    /// <summary>A string; null when absent.</summary>
    public string? Text(string name) => Find(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.String } value => value.GetString(),
        { } other => throw Error(name, other, "it must be a string"),
    };

    /// <summary>The exception for a field's value.</summary>
    public ModelFormatException Error(string name, JsonElement value, string rule) => Error(name, value.GetRawText(), rule);

    /// <summary>The exception for a field's value.</summary>
    public ModelFormatException Error(string name, string value, string rule) => new(_file, $"{_prefix}{name}", value, rule);

    /// <summary>The parser finds bad UTF-8 and escaped lone surrogates only when a string is read; here they are found
    /// at once.</summary>
    private static void CheckText(ReadOnlySpan<byte> utf8)
    {
        if (!Utf8.IsValid(utf8))
        {
            throw new JsonException("invalid UTF-8");
        }

        if (utf8.IndexOf("\\u"u8) < 0)
        {
            return;
        }

        var reader = new Utf8JsonReader(utf8);
        while (reader.Read())
        {
            if (reader.ValueIsEscaped)
            {
                try
                {
                    _ = reader.GetString();
                }
                catch (InvalidOperationException e)
                {
                    throw new JsonException("invalid escape in a string", e);
                }
            }
        }
    }

    private static JsonFields From(string file, string prefix, string field, JsonElement element) =>
        element.ValueKind == JsonValueKind.Object
            ? new JsonFields(file, prefix, element)
            : throw new ModelFormatException(file, field, element.GetRawText(), "it must be a JSON object");
}
