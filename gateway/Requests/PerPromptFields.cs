using System.Text.Json;
using Grid.Gateway.Json;

namespace Grid.Gateway.Requests;

/// <summary>Fields of /generate that hold one value for all prompts, or, with a list of prompts, one for each.</summary>
internal sealed class PerPromptFields(JsonFields fields, int prompts, bool isList)
{
    /// <summary>Takes a field as one value per prompt.</summary>
    /// <param name="name">The field.</param>
    /// <param name="read">Reads one value.</param>
    /// <param name="absent">The value when the field is absent.</param>
    public T[] Take<T>(string name, Func<JsonField, T> read, T absent)
    {
        if (fields.Take(name) is not { } field)
        {
            return [.. Enumerable.Repeat(absent, prompts)];
        }
        if (field.Kind != JsonValueKind.Array || !isList)
        {
            return [.. Enumerable.Repeat(read(field), prompts)];
        }
        return field.Value.GetArrayLength() == prompts
            ? [.. field.Items().Select(read)]
            : throw field.WrongValue($"one value, or a list of one per prompt ({prompts})");
    }
}
