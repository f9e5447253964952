namespace Grid.Text.Tokenization;

/// <summary>
/// What the class that tokenizer_config.json names ("tokenizer_class") adds to tokenizer.json, as transformers 4 has it. Most
/// classes put around a text what the file's post_processor says, and "add_bos_token" means nothing to them. Llama's and
/// those made after it put their own tokens there instead, as add_bos_token and add_eos_token say.
/// </summary>
internal sealed class TokenizerClass
{
    private const string BosToken = "bos_token", EosToken = "eos_token";

    private static readonly Dictionary<string, TokenizerClass> s_classes = new(StringComparer.Ordinal)
    {
        ["LlamaTokenizer"] = new("<s>", "</s>", setsTokensItself: true),
        ["CodeLlamaTokenizer"] = new("<s>", "</s>", setsTokensItself: true),
        ["GemmaTokenizer"] = new("<bos>", "<eos>", setsTokensItself: true),
        ["CohereTokenizer"] = new("<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>", setsTokensItself: true),
        ["Qwen2Tokenizer"] = new(null, "<|endoftext|>", setsTokensItself: false),
    };

    private readonly Dictionary<string, string> _named = new(StringComparer.Ordinal);
    private readonly bool _setsTokensItself;

    private TokenizerClass(string? bosToken, string? eosToken, bool setsTokensItself)
    {
        _setsTokensItself = setsTokensItself;
        foreach ((string name, string? token) in new[] { (BosToken, bosToken), (EosToken, eosToken) })
        {
            if (token is not null)
            {
                _named.Add(name, token);
            }
        }
    }

    /// <summary>The class of a tokenizer_config.json; one that names none, or another, has no rules of its own.</summary>
    public static TokenizerClass Of(JsonField config)
    {
        // The name of the slow class leads to the fast one where there is a tokenizer.json.
        string name = config.TryGet("tokenizer_class", out var field) && !field.IsNull ? field.String() : "";
        name = name.EndsWith("Fast", StringComparison.Ordinal) ? name[..^"Fast".Length] : name;
        return s_classes.GetValueOrDefault(name) ?? new TokenizerClass(null, null, setsTokensItself: false);
    }

    /// <summary>The token of that name ("eos_token") where the file does not speak of it; null where there is none.</summary>
    public string? Named(string name) => _named.GetValueOrDefault(name);

    /// <summary>The tokenizer with the tokens that the class puts around a text. A flag without its token adds nothing. Throws
    /// <see cref="TextModelException"/> for a token that the tokenizer lacks.</summary>
    /// <param name="tokenizer">The tokenizer of tokenizer.json.</param>
    /// <param name="config">The root of tokenizer_config.json.</param>
    /// <param name="named">The named tokens, by name.</param>
    public Tokenizer Apply(Tokenizer tokenizer, JsonField config, Func<string, string?> named)
    {
        int[] Ids(string flag, string name, bool whenMissing)
        {
            bool adds = config.TryGet(flag, out var field) ? !field.IsNull && field.Boolean() : whenMissing;
            return !adds || named(name) is not { Length: > 0 } token ? []
                : [tokenizer.FindToken(token) ?? throw config.Error($"puts the {name} '{token}' around a text, which is not a token of tokenizer.json")];
        }

        return _setsTokensItself
            ? tokenizer.PutBetween(Ids("add_bos_token", BosToken, whenMissing: true), Ids("add_eos_token", EosToken, whenMissing: false))
            : tokenizer;
    }
}
