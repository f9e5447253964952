namespace Grid.Text.ChatTemplates;

/// <summary>An operation on values that failed; the interpreter, which knows the line, turns it into a
/// <see cref="ChatTemplateException"/>.</summary>
internal sealed class TemplateFault(string reason) : Exception(reason);
