using System.Text.Json;
using System.Text.Json.Nodes;
using Grid.Gateway.Http;
using Grid.Gateway.Json;

namespace Grid.Gateway.Requests;

/// <summary>The messages of a chat, checked and brought into the form chat templates take.</summary>
internal static class ChatMessages
{
    private const string Roles = "\"system\", \"developer\", \"user\" or \"assistant\"";

    private static readonly UnsupportedFields s_unsupported = new UnsupportedFields()
        .Add("audio", "function_call", "tool_call_id")
        .AddUnless("tool_calls", "[]");

    /// <summary>A list of at least one message. Throws <see cref="ApiException"/> with the path of what is wrong.</summary>
    public static JsonArray Parse(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Array)
        {
            throw ApiErrors.WrongType("messages", JsonShown.Value(value), "a list of messages");
        }
        if (value.GetArrayLength() == 0)
        {
            throw ApiErrors.WrongValue("messages", "an empty list", "a list of at least one message");
        }
        var messages = new JsonArray();
        foreach (var item in value.EnumerateArray())
        {
            messages.Add((JsonNode)Message(item, JsonValues.ItemPath("messages", messages.Count)));
        }
        return messages;
    }

    private static JsonObject Message(JsonElement value, string path)
    {
        var fields = new JsonFields(value, path);
        var message = new JsonObject { ["role"] = Role(fields) };
        message["content"] = fields.Take("content") is { } content
            ? Content(content, fields.PathOf("content"))
            : throw ApiErrors.Missing(fields.PathOf("content"), "a string or a list of text parts");
        // Handed to the template, which decides what these mean to the model.
        foreach (var name in (ReadOnlySpan<string>)["name", "reasoning_content"])
        {
            if (fields.String(name) is { } text)
            {
                message[name] = text;
            }
        }
        if (fields.String("refusal") is { } refusal)
        {
            throw ApiErrors.Unsupported(fields.PathOf("refusal"), JsonShown.Text(refusal), "leave it out or set it to null");
        }
        fields.RefuseOthers(s_unsupported);
        return message;
    }

    private static string Role(JsonFields fields)
    {
        var path = fields.PathOf("role");
        var role = fields.String("role") ?? throw ApiErrors.Missing(path, Roles);
        return role switch
        {
            "system" or "user" or "assistant" => role,
            // OpenAI's newer name for the system role; templates of open models know the older one.
            "developer" => "system",
            "tool" or "function" => throw ApiErrors.Unsupported(path, JsonShown.Text(role), $"use {Roles}"),
            _ => throw ApiErrors.WrongValue(path, JsonShown.Text(role), Roles),
        };
    }

    /// <summary>A string, or text parts joined by a line feed.</summary>
    private static string Content(JsonElement value, string path)
    {
        if (value.ValueKind == JsonValueKind.String)
        {
            return JsonValues.String(value, path);
        }
        if (value.ValueKind != JsonValueKind.Array)
        {
            throw ApiErrors.WrongType(path, JsonShown.Value(value), "a string or a list of text parts");
        }
        if (value.GetArrayLength() == 0)
        {
            throw ApiErrors.WrongValue(path, "an empty list", "a string or a list of at least one text part");
        }
        var texts = new List<string>(value.GetArrayLength());
        foreach (var item in value.EnumerateArray())
        {
            texts.Add(TextPart(new JsonFields(item, JsonValues.ItemPath(path, texts.Count))));
        }
        return string.Join('\n', texts);
    }

    private static string TextPart(JsonFields part)
    {
        var path = part.PathOf("type");
        var type = part.String("type") ?? throw ApiErrors.Missing(path, "\"text\"");
        switch (type)
        {
            case "text":
                var text = part.String("text") ?? throw ApiErrors.Missing(part.PathOf("text"), "a string");
                part.RefuseOthers(UnsupportedFields.None);
                return text;
            case "image_url" or "input_audio" or "file" or "refusal" or "video_url" or "audio_url":
                throw ApiErrors.Unsupported(path, JsonShown.Text(type), "use \"text\"");
            default:
                throw ApiErrors.WrongValue(path, JsonShown.Text(type), "\"text\"");
        }
    }
}
