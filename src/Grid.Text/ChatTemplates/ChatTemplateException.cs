namespace Grid.Text;

/// <summary>A chat template that cannot be compiled or rendered; the message gives the line and the reason.</summary>
public sealed class ChatTemplateException : Exception
{
    /// <summary>Makes the error of one line of a template.</summary>
    /// <param name="line">Counted from 1; 0 where no line is to blame.</param>
    /// <param name="reason">What is wrong; what the template said, where it raised the error itself.</param>
    /// <param name="inner">What led to it, if anything.</param>
    public ChatTemplateException(int line, string reason, Exception? inner = null)
        : base(line > 0 ? $"chat template, line {line}: {reason}" : $"chat template: {reason}", inner)
    {
        Line = line;
        Reason = reason;
    }

    /// <summary>The line, counted from 1; 0 where no line is to blame.</summary>
    public int Line { get; }

    /// <summary>The message without the line.</summary>
    public string Reason { get; }
}
