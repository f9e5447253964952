using System.Text.Json.Nodes;
using Grid.Text.ChatTemplates;

namespace Grid.Text.Tests.RealModels;

/// <summary>Real templates, random messages: a text or a <see cref="ChatTemplateException"/>, within bounds.</summary>
public class RealTemplateFuzzTests
{
    private static readonly string[] Names =
        ["role", "content", "tool_calls", "function", "name", "arguments", "reasoning_content", "type", "text", "id", "tool_call_id", "parameters", "properties", "description"];

    private static readonly string[] Words =
        ["user", "assistant", "system", "tool", "ipython", "", "text", "abcdef123", "<think>a</think>b", "<tool_response>x</tool_response>", "\n", "🙂", "\u0000", "{{ x }}", "image"];

    [Fact]
    public void Any_messages_give_a_text_or_an_error_within_bounds()
    {
        var random = new Random(31);
        var limits = new RenderLimits(Steps: 200_000, Characters: 200_000, Depth: 16);
        int rendered = 0, refused = 0;
        foreach (string source in RealModel.ChatTemplates().Values)
        {
            var template = ChatTemplate.Parse(source, new JsonObject { ["bos_token"] = "<s>", ["eos_token"] = "</s>" });
            for (int round = 0; round < 60; round++)
            {
                JsonArray messages = [.. Enumerable.Range(0, random.Next(6)).Select(_ => Message(random))];
                var variables = new JsonObject { ["strftime_now"] = "2026-01-05T14:03:09" };
                foreach (string name in (string[])["tools", "documents", "enable_thinking", "builtin_tools", "date_string", "custom_tools", "tools_in_user_message"])
                {
                    if (random.Next(4) == 0)
                    {
                        variables[name] = Value(random, 4);
                    }
                }

                try
                {
                    Assert.InRange(template.Render(messages, random.Next(2) == 0, variables, limits).Length, 0, limits.Characters);
                    rendered++;
                }
                catch (ChatTemplateException error)
                {
                    Assert.True(error.Line > 0 && error.Reason.Length > 0, error.Message);
                    refused++;
                }
            }
        }

        Assert.True(rendered > 500 && refused > 500, $"{rendered} rendered, {refused} refused");
    }

    private static JsonNode? Message(Random random)
    {
        if (random.Next(10) == 0)
        {
            return Value(random, 3);
        }

        var message = new JsonObject { ["role"] = Words[random.Next(5)], ["content"] = random.Next(4) == 0 ? Value(random, 3) : Words[random.Next(Words.Length)] };
        if (random.Next(4) == 0)
        {
            message["tool_calls"] = random.Next(2) == 0 ? Value(random, 4) : new JsonArray(new JsonObject { ["function"] = Value(random, 3), ["id"] = Value(random, 1) });
        }

        return message;
    }

    private static JsonNode? Value(Random random, int depth) => random.Next(depth > 0 ? 9 : 6) switch
    {
        0 => null,
        1 => random.Next(2) == 0,
        2 => random.Next(-3, 1000),
        3 => random.NextDouble() * Math.Pow(10, random.Next(-30, 30)),
        4 or 5 => Words[random.Next(Words.Length)],
        6 => new JsonArray([.. Enumerable.Range(0, random.Next(4)).Select(_ => Value(random, depth - 1))]),
        _ => new JsonObject(Enumerable.Range(0, random.Next(5)).Select(_ => Names[random.Next(Names.Length)]).Distinct().Select(name => KeyValuePair.Create(name, Value(random, depth - 1)))),
    };
}
