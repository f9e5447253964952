using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Grid.Cli.Verification;

/// <summary>A token with its logprob.</summary>
/// <param name="Id">Null where the server does not say it.</param>
/// <param name="Text">Null where the server does not say it.</param>
/// <param name="Logprob">Null where there is none: a prompt's first token.</param>
public sealed record ScoredToken(int? Id, string? Text, double? Logprob)
{
    /// <summary>What names it.</summary>
    public string Name => (Id, Text) switch
    {
        ({ } id, { } text) => string.Create(CultureInfo.InvariantCulture, $"{id} {Quote(text)}"),
        ({ } id, _) => id.ToString(CultureInfo.InvariantCulture),
        _ => Quote(Text ?? ""),
    };

    /// <summary>Text on one line, in quotes.</summary>
    public static string Quote(string text) => $"\"{text.Replace("\n", "\\n", StringComparison.Ordinal).Replace("\r", "\\r", StringComparison.Ordinal)}\"";
}

/// <summary>What must be the same in every company.</summary>
/// <param name="Text">Its text; empty where the model has none.</param>
/// <param name="Tokens">Its tokens.</param>
/// <param name="FinishReason">Why it ended, as the server has it.</param>
public sealed record Answer(string Text, IReadOnlyList<ScoredToken> Tokens, string FinishReason)
{
    /// <summary>The prompt's tokens, where they were asked for. They are compared where a mode makes them an answer.</summary>
    public IReadOnlyList<ScoredToken> PromptTokens { get; init; } = [];

    /// <summary>Tokens of the prompt; null where the server does not say.</summary>
    public int? PromptCount { get; init; }

    /// <summary>Tokens of the prompt that came from a prefix cache; null where the server does not say.</summary>
    public int? CachedCount { get; init; }

    /// <summary>What the server says that its bits depend on. Reported, and not compared.</summary>
    public string? Fingerprint { get; init; }

    /// <summary>A digest of text, tokens, finish reason and all bits of the logprobs.</summary>
    /// <param name="asSingles">Whether logprobs are rounded to fp32 first: two kinds of servers print the same fp32 with more or fewer
    /// digits.</param>
    public string Digest(bool asSingles)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        void Add(string text)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(text);
            hash.AppendData(BitConverter.GetBytes(bytes.Length));
            hash.AppendData(bytes);
        }

        Add(Text);
        Add(FinishReason);
        foreach (var token in Tokens)
        {
            Add(string.Create(CultureInfo.InvariantCulture, $"{token.Id}"));
            Add(token.Text ?? "");
            hash.AppendData(BitConverter.GetBytes(Bits(token.Logprob, asSingles)));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>The bits that are compared; -1, which is no finite number's, for none.</summary>
    internal static long Bits(double? logprob, bool asSingles) =>
        logprob is not { } value ? -1 : asSingles ? BitConverter.SingleToInt32Bits((float)value) : BitConverter.DoubleToInt64Bits(value);
}
