using System.Text.Json;
using Grid.Gateway.Json;
using Grid.Sequences;

namespace Grid.Gateway.Requests;

/// <summary>Prompts in the shapes the APIs allow: text, texts, ids, lists of ids; at most as many as a request may start sequences.</summary>
internal static class PromptFields
{
    /// <summary>What the completions endpoint's prompt may be.</summary>
    public const string Rule = "a string, a list of strings, a list of token ids or a list of lists of token ids";

    /// <summary>The completions endpoint's prompt: any of the four shapes.</summary>
    public static (Prompt[] Prompts, bool IsList) TextOrIds(JsonField field, int max, bool mayBeEmpty)
    {
        if (field.Kind == JsonValueKind.String)
        {
            return Texts(field, max, mayBeEmpty);
        }
        field.RequireList(Rule);
        field.RequireItems();
        return field.Value[0].ValueKind switch
        {
            JsonValueKind.String => Texts(field, max, mayBeEmpty),
            JsonValueKind.Number or JsonValueKind.Array => Ids(field, max),
            _ => throw field.Items().First().WrongType("a string, a token id or a list of token ids"),
        };
    }

    /// <summary>Whether an empty text is a prompt all the same: the tokens that are put around it.</summary>
    public static bool MayBeEmpty(ServedModel model, bool addSpecialTokens) =>
        addSpecialTokens && model.Text is { Tokenizer: var tokenizer } && tokenizer.AddedBefore + tokenizer.AddedAfter > 0;

    /// <summary>A text, or a list of them.</summary>
    public static (Prompt[] Prompts, bool IsList) Texts(JsonField field, int max, bool mayBeEmpty)
    {
        string[] texts = field.Strings(max, mayBeEmpty: mayBeEmpty);
        if (field.Kind == JsonValueKind.Array)
        {
            field.RequireItems();
        }
        return (Array.ConvertAll(texts, text => new Prompt(text, null)), field.Kind == JsonValueKind.Array);
    }

    /// <summary>A list of ids, or a list of such lists.</summary>
    public static (Prompt[] Prompts, bool IsList) Ids(JsonField field, int max)
    {
        field.RequireList("a list of token ids or a list of such lists");
        field.RequireItems();
        if (field.Value[0].ValueKind != JsonValueKind.Array)
        {
            return ([new Prompt(null, field.TokenIds())], false);
        }
        field.RequireList(Rule, max);
        return ([.. field.Items().Select(item =>
        {
            int[] ids = item.TokenIds();
            item.RequireItems();
            return new Prompt(null, ids);
        })], true);
    }
}
