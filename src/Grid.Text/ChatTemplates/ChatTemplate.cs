using System.Text.Json.Nodes;

namespace Grid.Text;

/// <summary>A chat template (the Jinja subset that model folders use), compiled once, rendered per request.</summary>
public sealed class ChatTemplate
{
    /// <summary>Compiles a template. Throws <see cref="ChatTemplateException"/> with line and reason.</summary>
    public static ChatTemplate Parse(string source, JsonObject? defaults = null) => throw new NotSupportedException(source + defaults);

    /// <summary>Renders messages (objects with role, content, ... as the API takes them). Extra variables (tools,
    /// enable_thinking, bos_token, ...) come by name. Throws <see cref="ChatTemplateException"/>.</summary>
    public string Render(JsonArray messages, bool addGenerationPrompt, JsonObject? variables = null) =>
        throw new NotSupportedException($"{messages}{addGenerationPrompt}{variables}");
}

/// <summary>A chat template that cannot be compiled or rendered.</summary>
public sealed class ChatTemplateException(string message) : Exception(message);
