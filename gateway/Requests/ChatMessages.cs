using System.Text.Json;
using System.Text.Json.Nodes;
using Grid.Gateway.Http;
using Grid.Gateway.Json;

namespace Grid.Gateway.Requests;

/// <summary>The messages of a chat, checked and brought into the form chat templates take.</summary>
internal static class ChatMessages
{
    /// <summary>Most messages, and most text parts of a message.</summary>
    public const int MaxItems = 4096;

    private const string Roles = "\"system\", \"developer\", \"user\" or \"assistant\"";

    private static readonly string[] s_unsupported = ["audio", "function_call", "tool_call_id", "tool_calls", "refusal", "annotations", "type: \"text\" or \"message\""];

    /// <summary>A list of at least one message. Throws <see cref="ApiException"/> with the path of what is wrong.</summary>
    public static JsonArray Parse(JsonField value)
    {
        value.RequireList("a list of messages", MaxItems);
        value.RequireItems("a list of at least one message");
        return [.. value.Items().Select(item => (JsonNode)Message(item.Object()))];
    }

    private static JsonObject Message(JsonFields fields)
    {
        var message = new JsonObject { ["role"] = Role(fields.Require("role", Roles)), ["content"] = null };
        var content = fields.TakeGiven("content");
        // Handed to the template, which decides what these mean to the model.
        foreach (string name in (ReadOnlySpan<string>)["name", "reasoning_content"])
        {
            if (fields.Take(name)?.String() is { } text)
            {
                message[name] = text;
            }
        }
        // What calls a tool may have no content: then it is the call that is refused.
        fields.RefuseOthers(s_unsupported);
        message["content"] = Content(content ?? throw ApiErrors.Missing(fields.PathOf("content"), "a string or a list of text parts"));
        return message;
    }

    private static string Role(JsonField field) => field.String() switch
    {
        // OpenAI's newer name for the system role; templates of open models know the older one.
        "developer" => "system",
        "system" or "user" or "assistant" => field.String(),
        "tool" or "function" => throw ApiErrors.Unsupported(field.Path, JsonShown.Text(field.String()), $"use {Roles}"),
        var role => throw ApiErrors.WrongValue(field.Path, JsonShown.Text(role), Roles),
    };

    /// <summary>A string, or text parts joined by a line feed.</summary>
    private static string Content(JsonField field)
    {
        if (field.Kind == JsonValueKind.String)
        {
            return field.String();
        }
        field.RequireList("a string or a list of text parts", MaxItems);
        field.RequireItems("a string or a list of at least one text part");
        return string.Join('\n', field.Items().Select(item => TextPart(item.Object())));
    }

    private static string TextPart(JsonFields part)
    {
        var field = part.Require("type", "\"text\"");
        string type = field.String();
        switch (type)
        {
            case "text":
                string text = part.Require("text", "a string").String();
                part.RefuseOthers();
                return text;
            case "image_url" or "input_audio" or "file" or "refusal" or "video_url" or "audio_url":
                throw ApiErrors.Unsupported(field.Path, JsonShown.Text(type), "use \"text\"");
            default:
                throw ApiErrors.WrongValue(field.Path, JsonShown.Text(type), "\"text\"");
        }
    }
}
