using System.Globalization;
using System.Text.Json;
using Grid.Gateway.Http;

namespace Grid.Gateway.Json;

/// <summary>Strict readings of single JSON values; every failure names path, value and rule.</summary>
internal static class JsonValues
{
    public static bool Boolean(JsonElement value, string path) => value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw ApiErrors.WrongType(path, JsonShown.Value(value), "true or false"),
    };

    public static string String(JsonElement value, string path, int maxLength = int.MaxValue)
    {
        if (value.ValueKind != JsonValueKind.String)
        {
            throw ApiErrors.WrongType(path, JsonShown.Value(value), "a string");
        }
        string text;
        try
        {
            text = value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw ApiErrors.WrongValue(path, JsonShown.Value(value), "valid Unicode (it holds an unpaired surrogate)");
        }
        return text.Length <= maxLength
            ? text
            : throw ApiErrors.WrongValue(path, JsonShown.Text(text), $"at most {maxLength} characters long");
    }

    /// <summary>A property's name; an unpaired surrogate in it is refused.</summary>
    public static string Name(JsonProperty property, string path)
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

    public static int Int32(JsonElement value, string path, int min, int max = int.MaxValue)
    {
        var rule = max == int.MaxValue ? $"an integer of at least {min}" : $"an integer from {min} to {max}";
        if (value.ValueKind != JsonValueKind.Number)
        {
            throw ApiErrors.WrongType(path, JsonShown.Value(value), rule);
        }
        return value.TryGetInt32(out var number) && number >= min && number <= max
            ? number
            : throw ApiErrors.WrongValue(path, JsonShown.Value(value), rule);
    }

    public static float Single(JsonElement value, string path, NumberRange range)
    {
        if (value.ValueKind != JsonValueKind.Number)
        {
            throw ApiErrors.WrongType(path, JsonShown.Value(value), range.ToString());
        }
        // The range is checked on the double (which overflows to infinity, and fails), then rounded once to fp32. A
        // value above an open lower end may still round down to it (1e-60), so the rounded value must pass too.
        return value.TryGetDouble(out var number) && range.Contains(number) && range.Contains((float)number)
            ? (float)number
            : throw ApiErrors.WrongValue(path, JsonShown.Value(value), range.ToString());
    }

    /// <summary>A seed: any signed or unsigned 64-bit integer; negative ones count as their 64 bits.</summary>
    public static ulong Seed(JsonElement value, string path)
    {
        const string Rule = "an integer of 64 bits, signed or unsigned";
        if (value.ValueKind != JsonValueKind.Number)
        {
            throw ApiErrors.WrongType(path, JsonShown.Value(value), Rule);
        }
        if (value.TryGetInt64(out var signed))
        {
            return unchecked((ulong)signed);
        }
        return value.TryGetUInt64(out var unsigned)
            ? unsigned
            : throw ApiErrors.WrongValue(path, JsonShown.Value(value), Rule);
    }

    /// <summary>A list of token ids, each at least 0. Whether the model has them, the sequence's start tells.</summary>
    public static int[] TokenIds(JsonElement value, string path)
    {
        if (value.ValueKind != JsonValueKind.Array)
        {
            throw ApiErrors.WrongType(path, JsonShown.Value(value), "a list of token ids");
        }
        var ids = new int[value.GetArrayLength()];
        var index = 0;
        foreach (var item in value.EnumerateArray())
        {
            // The happy path builds no path text: prompts have many ids.
            if (item.ValueKind != JsonValueKind.Number || !item.TryGetInt32(out ids[index]) || ids[index] < 0)
            {
                Int32(item, ItemPath(path, index), 0);
            }
            index++;
        }
        return ids;
    }

    /// <summary>The same field as one string or a list of them.</summary>
    public static string[] StringOrList(JsonElement value, string path, int maxItems)
    {
        if (value.ValueKind == JsonValueKind.String)
        {
            return [NonEmpty(value, path)];
        }
        if (value.ValueKind != JsonValueKind.Array)
        {
            throw ApiErrors.WrongType(path, JsonShown.Value(value), "a string or a list of strings");
        }
        if (value.GetArrayLength() > maxItems)
        {
            throw ApiErrors.WrongValue(path, JsonShown.Value(value), $"a list of at most {maxItems}");
        }
        var index = 0;
        var texts = new string[value.GetArrayLength()];
        foreach (var item in value.EnumerateArray())
        {
            texts[index] = NonEmpty(item, ItemPath(path, index));
            index++;
        }
        return texts;
    }

    public static string ItemPath(string path, int index) =>
        string.Create(CultureInfo.InvariantCulture, $"{path}[{index}]");

    public static string NonEmpty(JsonElement value, string path)
    {
        var text = String(value, path);
        return text.Length > 0 ? text : throw ApiErrors.WrongValue(path, "\"\"", "a string that is not empty");
    }
}
