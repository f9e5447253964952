using System.Text.Json;
using System.Text.Json.Nodes;
using Grid.Text.Tokenization;

namespace Grid.Text;

/// <summary>Text to ids and back for one model: its tokenizer and its chat template.</summary>
public sealed class TextModel(Tokenizer tokenizer, ChatTemplate? chatTemplate)
{
    private const string TokenizerFile = "tokenizer.json";
    private const string ConfigFile = "tokenizer_config.json";
    private const string TemplateFile = "chat_template.jinja";

    // What a chat template may refer to by these names, as in transformers.
    private static readonly string[] NamedTokens =
        ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

    /// <summary>The tokenizer.</summary>
    public Tokenizer Tokenizer { get; } = tokenizer;

    /// <summary>The chat template; null when the model folder has none.</summary>
    public ChatTemplate? ChatTemplate { get; } = chatTemplate;

    /// <summary>The token that begins a text ("bos_token" of tokenizer_config.json, or its class's), or null.</summary>
    public string? BosToken { get; private init; }

    /// <summary>The token that ends an answer ("eos_token" of tokenizer_config.json, or its class's), or null.</summary>
    public string? EosToken { get; private init; }

    /// <summary>The id of <see cref="EosToken"/>; null where there is none.</summary>
    public int? EosTokenId => EosToken is { Length: > 0 } text ? Tokenizer.FindToken(text) : null;

    /// <summary>The id of the special token with which the chat template closes what the assistant says; null where it has none.
    /// Found by rendering a chat: what follows the answer, white space aside.</summary>
    public int? FindEndOfTurn()
    {
        const string Answer = "Xanswerx";
        JsonArray chat = [new JsonObject { ["role"] = "user", ["content"] = "Hi" }, new JsonObject { ["role"] = "assistant", ["content"] = Answer }];
        try
        {
            string text = ChatTemplate?.Render(chat, addGenerationPrompt: false) ?? "";
            int at = text.LastIndexOf(Answer, StringComparison.Ordinal);
            string after = at < 0 ? "" : text[(at + Answer.Length)..].TrimStart();
            return Tokenizer.Encode(after, parseSpecialTokens: true) is [int first, ..] && Tokenizer.IsSpecial(first) ? first : null;
        }
        catch (ChatTemplateException)
        {
            return null; // A template that takes no such chat.
        }
    }

    /// <summary>Reads the text files of a model folder (tokenizer.json, tokenizer_config.json and, where present,
    /// chat_template.jinja), given by name. Throws <see cref="TextModelException"/>, which names file, field and rule.
    /// A chat_template.jinja wins over the chat_template of tokenizer_config.json.</summary>
    public static TextModel Load(IReadOnlyDictionary<string, byte[]> files)
    {
        ArgumentNullException.ThrowIfNull(files);
        if (!files.TryGetValue(TokenizerFile, out byte[]? tokenizerJson))
        {
            throw new TextModelException(TokenizerFile, "", "is missing from the model folder");
        }

        var tokenizer = Tokenizer.Load(tokenizerJson);
        var variables = new JsonObject();
        string? template = null;
        string templateFile = ConfigFile, templateField = "chat_template";
        if (files.TryGetValue(ConfigFile, out byte[]? configJson))
        {
            var config = JsonField.ParseRoot(configJson, ConfigFile, out var document);
            using var owned = document;
            CheckAddedTokens(config, tokenizer);
            var tokenizerClass = TokenizerClass.Of(config);
            ReadNamedTokens(config, tokenizerClass, variables);
            tokenizer = tokenizerClass.Apply(tokenizer, config, name => (string?)variables[name]);
            template = ReadTemplate(config);
        }

        if (files.TryGetValue(TemplateFile, out byte[]? jinja))
        {
            (templateFile, templateField) = (TemplateFile, "");
            template = DecodeTemplate(jinja);
        }

        return new TextModel(tokenizer, Compile(template, variables, templateFile, templateField))
        {
            BosToken = (string?)variables["bos_token"],
            EosToken = (string?)variables["eos_token"],
        };
    }

    private static ChatTemplate? Compile(string? template, JsonObject variables, string file, string field)
    {
        try
        {
            return template is null ? null : ChatTemplate.Parse(template, variables);
        }
        catch (ChatTemplateException error)
        {
            throw new TextModelException(file, field, error.Message, error);
        }
    }

    private static string DecodeTemplate(byte[] jinja)
    {
        try
        {
            return new System.Text.UTF8Encoding(false, throwOnInvalidBytes: true).GetString(jinja).TrimStart('\uFEFF');
        }
        catch (ArgumentException error)
        {
            throw new TextModelException(TemplateFile, "", "is not valid UTF-8", error);
        }
    }

    private static string? ReadTemplate(JsonField config)
    {
        if (!config.TryGet("chat_template", out var template) || template.IsNull)
        {
            return null;
        }

        if (template.Element.ValueKind != JsonValueKind.Array)
        {
            return template.String();
        }

        foreach (var named in template.Items())
        {
            if (named.Get("name").String() == "default")
            {
                return named.Get("template").String();
            }
        }

        throw template.Error("is a list without a template named \"default\"");
    }

    private static void ReadNamedTokens(JsonField config, TokenizerClass tokenizerClass, JsonObject variables)
    {
        foreach (string name in NamedTokens)
        {
            if (!config.TryGet(name, out var field))
            {
                if (tokenizerClass.Named(name) is { } token)
                {
                    variables[name] = token;
                }
            }
            else if (!field.IsNull)
            {
                // Older files write the token as an object with its flags.
                bool isObject = field.Element.ValueKind == JsonValueKind.Object;
                variables[name] = isObject ? field.Get("content").String() : field.String();
            }
        }
    }

    /// <summary>transformers adds the tokens listed here to those of tokenizer.json; ids would differ.</summary>
    private static void CheckAddedTokens(JsonField config, Tokenizer tokenizer)
    {
        if (!config.TryGet("added_tokens_decoder", out var tokens) || tokens.IsNull)
        {
            return;
        }

        foreach ((string id, var token) in tokens.Properties())
        {
            string content = token.Get("content").String();
            if (tokenizer.FindToken(content)?.ToString(System.Globalization.CultureInfo.InvariantCulture) != id)
            {
                throw token.Error($"'{content}' is not the token {id} of {TokenizerFile}");
            }
        }
    }
}
