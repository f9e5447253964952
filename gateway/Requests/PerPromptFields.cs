using System.Text.Json;
using Grid.Gateway.Http;
using Grid.Gateway.Json;

namespace Grid.Gateway.Requests;

/// <summary>Fields of /generate that hold one value for all prompts, or, with a list of prompts, one for each.</summary>
internal sealed class PerPromptFields(JsonFields fields, int prompts, bool isList)
{
    /// <summary>Takes a field as one value per prompt.</summary>
    /// <param name="name">The field.</param>
    /// <param name="read">Reads one value at a path.</param>
    /// <param name="absent">The value when the field is absent.</param>
    public T[] Take<T>(string name, Func<JsonElement, string, T> read, T absent)
    {
        var values = new T[prompts];
        var path = fields.PathOf(name);
        if (fields.Take(name) is not { } value)
        {
            Array.Fill(values, absent);
        }
        else if (value.ValueKind != JsonValueKind.Array || !isList)
        {
            Array.Fill(values, read(value, path));
        }
        else if (value.GetArrayLength() != prompts)
        {
            throw ApiErrors.WrongValue(path, JsonShown.Value(value), $"one value, or a list of one per prompt ({prompts})");
        }
        else
        {
            var index = 0;
            foreach (var item in value.EnumerateArray())
            {
                values[index] = read(item, JsonValues.ItemPath(path, index));
                index++;
            }
        }
        return values;
    }
}
