namespace Grid.Models;

/// <summary>A model folder that cannot be loaded, and exactly why: which file, which field, its value and the rule it
/// breaks.</summary>
public sealed class ModelFormatException : Exception
{
    /// <summary>A broken rule, in its parts.</summary>
    /// <param name="file">The file (or folder) at fault.</param>
    /// <param name="field">The field or tensor at fault.</param>
    /// <param name="value">What is there.</param>
    /// <param name="rule">What must be there.</param>
    /// <param name="innerException">The parser's or operating system's own error, where there is one.</param>
    public ModelFormatException(string file, string field, string value, string rule, Exception? innerException = null)
        : base($"{file}: {field} is {Shorten(value)}; {rule}.", innerException)
    {
        File = file;
        Field = field;
        Value = value;
        Rule = rule;
    }

    /// <summary>The file (or folder) at fault.</summary>
    public string File { get; }

    /// <summary>The field or tensor at fault.</summary>
    public string Field { get; }

    /// <summary>What is there.</summary>
    public string Value { get; }

    /// <summary>What must be there.</summary>
    public string Rule { get; }

    // A value may be a whole JSON object of many lines; a message is one, and should stay readable.
    private static string Shorten(string value)
    {
        string line = string.Join(' ', value.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return line.Length <= 200 ? line : $"{line[..200]}…";
    }
}
