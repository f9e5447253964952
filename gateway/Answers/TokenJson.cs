using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Grid.Text;

namespace Grid.Gateway.Answers;

/// <summary>Tokens and their logprobs as JSON.</summary>
internal static class TokenJson
{
    /// <summary>What stands for a probability too small to have a logarithm, as in the OpenAI API; JSON has no -inf.</summary>
    public const float LowestLogprob = -9999f;

    /// <summary>The bytes of a token; none for an id that the tokenizer does not know (padding of the vocabulary).</summary>
    public static ReadOnlyMemory<byte> Bytes(Tokenizer tokenizer, int id) =>
        (uint)id < (uint)tokenizer.VocabularySize ? tokenizer.TokenBytes(id) : default;

    /// <summary>A list of a property's values.</summary>
    public static void WriteList<T>(this Utf8JsonWriter json, string name, IEnumerable<T> items, Action<T> write)
    {
        json.WriteStartArray(name);
        foreach (var item in items)
        {
            write(item);
        }
        json.WriteEndArray();
    }

    /// <summary>A logprob in the shortest form that gives back the same fp32; null for a token that has none. NaN, that of a token
    /// whose logprob the client has had before, is null too; no client sees it.</summary>
    public static void WriteLogprob(Utf8JsonWriter json, float? logprob)
    {
        if (logprob is { } value && !float.IsNaN(value))
        {
            json.WriteNumberValue(float.IsNegativeInfinity(value) ? LowestLogprob : value);
        }
        else
        {
            json.WriteNullValue();
        }
    }

    /// <summary>A token's text; bytes that are no whole character become U+FFFD.</summary>
    public static void WriteText(Utf8JsonWriter json, Tokenizer tokenizer, int id)
    {
        var bytes = Bytes(tokenizer, id).Span;
        if (Utf8.IsValid(bytes))
        {
            json.WriteStringValue(bytes);
        }
        else
        {
            json.WriteStringValue(Encoding.UTF8.GetString(bytes));
        }
    }

    /// <summary>A token's text as the completions API names tokens: those that are no whole character are spelt
    /// bytes:\xe4\xb8, so that no two tokens of a position fall together.</summary>
    public static string Name(Tokenizer tokenizer, int id)
    {
        var bytes = Bytes(tokenizer, id).Span;
        if (Utf8.IsValid(bytes))
        {
            return Encoding.UTF8.GetString(bytes);
        }
        var name = new StringBuilder("bytes:");
        foreach (byte b in bytes)
        {
            name.Append("\\x").Append(b.ToString("x2", System.Globalization.CultureInfo.InvariantCulture));
        }
        return name.ToString();
    }

    /// <summary>A matched stop: its string or its id.</summary>
    public static void WriteMatched(Utf8JsonWriter json, object? matched)
    {
        switch (matched)
        {
            case string text:
                json.WriteStringValue(text);
                break;
            case int id:
                json.WriteNumberValue(id);
                break;
            default:
                json.WriteNullValue();
                break;
        }
    }
}
