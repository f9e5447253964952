using System.Text.Json.Nodes;

namespace Grid.Text.Tests;

/// <summary>Against what Jinja2 itself rendered; see Reference/make_template_cases.py.</summary>
public class TemplateReferenceTests
{
    private static readonly JsonObject[] Lines =
        [.. File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Reference", "template_cases.jsonl")).Select(line => JsonNode.Parse(line)!.AsObject())];

    public static TheoryData<int> Cases => [.. Enumerable.Range(1, Lines.Length - 1)];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Rendered_as_by_Jinja2(int line)
    {
        var variables = Lines[0]["variables"]!.DeepClone().AsObject();
        var messages = variables["messages"]!.DeepClone().AsArray();
        variables.Remove("messages");
        string template = (string)Lines[line]["template"]!;
        string? expected = (string?)Lines[line]["output"];
        if (expected is null)
        {
            // What Jinja2 refuses is refused; the wording is ours.
            Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse(template).Render(messages, true, variables));
            return;
        }

        Assert.Equal(expected, ChatTemplate.Parse(template).Render(messages, true, variables));
    }
}
