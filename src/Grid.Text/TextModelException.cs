namespace Grid.Text;

/// <summary>A model folder's text file that cannot be used as it is: it is malformed, or asks for something that
/// would change token ids and is not supported. The message names the file, the field and the rule.</summary>
public sealed class TextModelException : Exception
{
    /// <summary>Makes the error of one field of one file.</summary>
    public TextModelException(string file, string field, string rule, Exception? inner = null)
        : base(field.Length == 0 ? $"{file}: {rule}" : $"{file}: {field}: {rule}", inner)
    {
        File = file;
        Field = field;
        Rule = rule;
    }

    /// <summary>The file's name in the model folder, e.g. tokenizer.json.</summary>
    public string File { get; }

    /// <summary>The path of the field, e.g. model.merges[3]; empty when the whole file is meant.</summary>
    public string Field { get; }

    /// <summary>What was found and what the rule is.</summary>
    public string Rule { get; }
}
