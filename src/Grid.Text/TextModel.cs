namespace Grid.Text;

/// <summary>Text to ids and back for one model: its tokenizer and its chat template.</summary>
public sealed class TextModel(Tokenizer tokenizer, ChatTemplate? chatTemplate)
{
    /// <summary>The tokenizer.</summary>
    public Tokenizer Tokenizer { get; } = tokenizer;

    /// <summary>The chat template; null when the model folder has none.</summary>
    public ChatTemplate? ChatTemplate { get; } = chatTemplate;

    /// <summary>Reads the text files of a model folder (tokenizer.json, tokenizer_config.json and, where present,
    /// chat_template.jinja), given by name.</summary>
    public static TextModel Load(IReadOnlyDictionary<string, byte[]> files) =>
        throw new NotSupportedException($"{files.Count}");
}
