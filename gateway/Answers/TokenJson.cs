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

    /// <summary>A logprob in the shortest form that gives back the same fp32. NaN, that of a token whose logprob the client has
    /// had before, is null; no client sees it.</summary>
    public static void WriteLogprob(Utf8JsonWriter json, float logprob)
    {
        if (float.IsNaN(logprob))
        {
            json.WriteNullValue();
            return;
        }
        json.WriteNumberValue(float.IsNegativeInfinity(logprob) ? LowestLogprob : logprob);
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
        foreach (var b in bytes)
        {
            name.Append("\\x").Append(b.ToString("x2", System.Globalization.CultureInfo.InvariantCulture));
        }
        return name.ToString();
    }

    /// <summary>The token's bytes as a list of numbers.</summary>
    public static void WriteBytes(Utf8JsonWriter json, Tokenizer tokenizer, int id)
    {
        json.WriteStartArray();
        foreach (var b in Bytes(tokenizer, id).Span)
        {
            json.WriteNumberValue(b);
        }
        json.WriteEndArray();
    }
}
