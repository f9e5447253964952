using System.Text.Json;
using Grid.Gateway.Http;
using Grid.Gateway.Json;

namespace Grid.Gateway.Requests;

/// <summary>Prompts in the shapes the APIs allow: text, texts, ids, lists of ids.</summary>
internal static class PromptFields
{
    /// <summary>The completions endpoint's prompt: any of the four shapes.</summary>
    public static (Prompt[] Prompts, bool IsList) TextOrIds(JsonElement value, string path)
    {
        const string Rule = "a string, a list of strings, a list of token ids or a list of lists of token ids";
        if (value.ValueKind == JsonValueKind.String)
        {
            return Texts(value, path);
        }
        if (value.ValueKind != JsonValueKind.Array)
        {
            throw ApiErrors.WrongType(path, JsonShown.Value(value), Rule);
        }
        RequireItems(value, path);
        return value[0].ValueKind switch
        {
            JsonValueKind.String => Texts(value, path),
            JsonValueKind.Number or JsonValueKind.Array => Ids(value, path),
            _ => throw ApiErrors.WrongType(JsonValues.ItemPath(path, 0), JsonShown.Value(value[0]),
                "a string, a token id or a list of token ids"),
        };
    }

    /// <summary>A text, or a list of them.</summary>
    public static (Prompt[] Prompts, bool IsList) Texts(JsonElement value, string path)
    {
        var texts = JsonValues.StringOrList(value, path, int.MaxValue);
        if (value.ValueKind == JsonValueKind.Array)
        {
            RequireItems(value, path);
        }
        return (Array.ConvertAll(texts, text => new Prompt(text, null)), value.ValueKind == JsonValueKind.Array);
    }

    /// <summary>A list of ids, or a list of such lists.</summary>
    public static (Prompt[] Prompts, bool IsList) Ids(JsonElement value, string path)
    {
        if (value.ValueKind != JsonValueKind.Array)
        {
            throw ApiErrors.WrongType(path, JsonShown.Value(value), "a list of token ids or a list of such lists");
        }
        RequireItems(value, path);
        if (value[0].ValueKind != JsonValueKind.Array)
        {
            return ([new Prompt(null, JsonValues.TokenIds(value, path))], false);
        }
        var prompts = new Prompt[value.GetArrayLength()];
        var index = 0;
        foreach (var item in value.EnumerateArray())
        {
            var itemPath = JsonValues.ItemPath(path, index);
            var ids = JsonValues.TokenIds(item, itemPath);
            RequireItems(item, itemPath);
            prompts[index++] = new Prompt(null, ids);
        }
        return (prompts, true);
    }

    private static void RequireItems(JsonElement list, string path)
    {
        if (list.GetArrayLength() == 0)
        {
            throw ApiErrors.WrongValue(path, "an empty list", "a list of at least one");
        }
    }
}
