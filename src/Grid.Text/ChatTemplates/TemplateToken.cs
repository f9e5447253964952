namespace Grid.Text.ChatTemplates;

internal enum TokenKind
{
    Data,
    VariableBegin,
    VariableEnd,
    BlockBegin,
    BlockEnd,
    Name,
    Text,
    Number,
    Operator,
    End,
}

/// <summary>A piece of template source.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">The data, name, operator, or the string a literal stands for.</param>
/// <param name="Value">The value of a number literal (long or double).</param>
/// <param name="Line">Where it begins, counted from 1.</param>
internal readonly record struct TemplateToken(TokenKind Kind, string Text, object? Value, int Line)
{
    public bool Is(TokenKind kind, string text) => Kind == kind && Text == text;

    public override string ToString() => Kind switch
    {
        TokenKind.VariableEnd => "end of print statement",
        TokenKind.BlockEnd => "end of statement block",
        TokenKind.End => "end of template",
        TokenKind.Text => "a string",
        _ => $"'{Text}'",
    };
}
