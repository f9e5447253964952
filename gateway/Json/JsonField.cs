using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Text.Json;
using Grid.Gateway.Http;

namespace Grid.Gateway.Json;

/// <summary>A value of a request, read strictly; every failure names path, value and rule.</summary>
/// <param name="Value">The value.</param>
/// <param name="Path">Its path in the request, e.g. messages[1].content.</param>
internal readonly record struct JsonField(JsonElement Value, string Path)
{
    /// <summary>How integers may be written: 42, 42.0, 4.2e1.</summary>
    private const NumberStyles AnyForm = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;

    public JsonValueKind Kind => Value.ValueKind;

    /// <summary>Whether it is what clients send for a field that they have not set: null, false, "", [] or {}.</summary>
    public bool AsksForNothing => Kind switch
    {
        JsonValueKind.Null or JsonValueKind.False => true,
        JsonValueKind.String => Value.ValueEquals(""),
        JsonValueKind.Array => Value.GetArrayLength() == 0,
        JsonValueKind.Object => Value.GetPropertyCount() == 0,
        _ => false,
    };

    public ApiException WrongType(string rule) => ApiErrors.WrongType(Path, JsonShown.Value(Value), rule);

    public ApiException WrongValue(string rule) => ApiErrors.WrongValue(Path, JsonShown.Value(Value), rule);

    public bool Boolean() => Kind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw WrongType("true or false"),
    };

    public string String(int maxLength = int.MaxValue)
    {
        string text;
        try
        {
            text = Kind == JsonValueKind.String ? Value.GetString()! : throw WrongType("a string");
        }
        catch (InvalidOperationException)
        {
            throw WrongValue("valid Unicode (it holds an unpaired surrogate)");
        }
        return text.Length <= maxLength ? text : throw ApiErrors.WrongValue(Path, JsonShown.Text(text), $"at most {maxLength} characters long");
    }

    public string NonEmpty(int maxLength = int.MaxValue) => String(maxLength) is { Length: > 0 } text ? text : throw WrongValue("a string that is not empty");

    public int Int32(int min, int max = int.MaxValue)
    {
        string rule = max == int.MaxValue ? $"an integer of at least {min}" : $"an integer from {min} to {max}";
        RequireNumber(rule);
        return TryGetInteger(out int number) && number >= min && number <= max ? number : throw WrongValue(rule);
    }

    public float Single(NumberRange range)
    {
        RequireNumber(range.ToString());
        // The range is checked on the double (which overflows to infinity, and fails), then rounded once to fp32. A
        // value above an open lower end may still round down to it (1e-60), so the rounded value must pass too.
        return Value.TryGetDouble(out double number) && range.Contains(number) && range.Contains((float)number)
            ? (float)number
            : throw WrongValue(range.ToString());
    }

    /// <summary>A seed: any signed or unsigned 64-bit integer; negative ones count as their 64 bits.</summary>
    public ulong Seed()
    {
        const string Rule = "an integer of 64 bits, signed or unsigned";
        RequireNumber(Rule);
        return TryGetInteger(out long signed) ? unchecked((ulong)signed)
            : TryGetInteger(out ulong unsigned) ? unsigned : throw WrongValue(Rule);
    }

    /// <summary>A list of token ids, each at least 0. Whether the model has them, the sequence's start tells, unless there is a bound.</summary>
    public int[] TokenIds(int maxItems = int.MaxValue, int below = int.MaxValue)
    {
        RequireList("a list of token ids", maxItems);
        int[] ids = new int[Value.GetArrayLength()];
        int index = 0;
        foreach (var item in Value.EnumerateArray())
        {
            // The happy path builds no path text: prompts have many ids.
            if (item.ValueKind != JsonValueKind.Number || !item.TryGetInt32(out ids[index]) || ids[index] < 0 || ids[index] >= below)
            {
                ids[index] = new JsonField(item, ItemPath(Path, index)).Int32(0, below == int.MaxValue ? below : below - 1);
            }
            index++;
        }
        return ids;
    }

    /// <summary>One string or a list of them, none of them empty unless that is allowed.</summary>
    public string[] Strings(int maxItems, int maxLength = int.MaxValue, bool mayBeEmpty = false)
    {
        string Read(JsonField item) => mayBeEmpty ? item.String(maxLength) : item.NonEmpty(maxLength);
        if (Kind == JsonValueKind.String)
        {
            return [Read(this)];
        }
        RequireList("a string or a list of strings", maxItems);
        return [.. Items().Select(Read)];
    }

    /// <summary>Opens an object.</summary>
    public JsonFields Object() => new(this);

    /// <summary>The items of a list.</summary>
    public IEnumerable<JsonField> Items()
    {
        string path = Path;
        return Value.EnumerateArray().Select((item, index) => new JsonField(item, ItemPath(path, index)));
    }

    /// <summary>Refuses what is no list, and a list that is too long.</summary>
    public void RequireList(string rule, int maxItems = int.MaxValue)
    {
        if (Kind != JsonValueKind.Array)
        {
            throw WrongType(rule);
        }
        if (Value.GetArrayLength() > maxItems)
        {
            throw WrongValue($"a list of at most {maxItems}");
        }
    }

    /// <summary>Refuses an object with more fields than this.</summary>
    public void RequireFields(int max)
    {
        if (Kind == JsonValueKind.Object && Value.GetPropertyCount() is var count && count > max)
        {
            throw ApiErrors.WrongValue(Path, $"an object of {count} fields", $"one of at most {max}");
        }
    }

    /// <summary>Refuses a value that takes more bytes in the body than this.</summary>
    public void RequireBytes(int max)
    {
        if (JsonMarshal.GetRawUtf8Value(Value).Length is var bytes && bytes > max)
        {
            throw ApiErrors.WrongValue(Path, $"{bytes} bytes of JSON", $"at most {max}");
        }
    }

    /// <summary>Refuses unpaired surrogates, in whatever depth.</summary>
    public void RequireUnicode()
    {
        switch (Kind)
        {
            case JsonValueKind.String:
                String();
                break;
            case JsonValueKind.Array:
                foreach (var item in Items())
                {
                    item.RequireUnicode();
                }
                break;
            case JsonValueKind.Object:
                foreach (var property in Value.EnumerateObject())
                {
                    new JsonField(property.Value, $"{Path}.{JsonFields.NameOf(property, Path)}").RequireUnicode();
                }
                break;
        }
    }

    /// <summary>Refuses an empty list.</summary>
    public void RequireItems(string rule = "a list of at least one")
    {
        if (Value.GetArrayLength() == 0)
        {
            throw ApiErrors.WrongValue(Path, "an empty list", rule);
        }
    }

    public static string ItemPath(string path, int index) => string.Create(CultureInfo.InvariantCulture, $"{path}[{index}]");

    /// <summary>The number, where it is an integer of the type; nothing is rounded.</summary>
    private bool TryGetInteger<T>(out T number) where T : IBinaryInteger<T> =>
        T.TryParse(JsonMarshal.GetRawUtf8Value(Value), AnyForm, CultureInfo.InvariantCulture, out number!);

    private void RequireNumber(string rule)
    {
        if (Kind != JsonValueKind.Number)
        {
            throw WrongType(rule);
        }
    }
}
