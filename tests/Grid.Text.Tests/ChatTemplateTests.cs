using System.Text.Json.Nodes;
using Grid.Text.ChatTemplates;

namespace Grid.Text.Tests;

public class ChatTemplateTests
{
    private static readonly JsonArray NoMessages = [];

    [Fact]
    public void A_ChatML_template_writes_each_message_and_the_prompt()
    {
        var template = ChatTemplate.Parse(
            "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
            + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}");
        var messages = JsonNode.Parse("""[{"role": "user", "content": "Hi"}]""")!.AsArray();
        Assert.Equal("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", template.Render(messages, true));
        Assert.Equal("<|im_start|>user\nHi<|im_end|>\n", template.Render(messages, false));
    }

    [Theory]
    [InlineData("a\n\n{{ 1 + 'x' }}", 3, "'+' is not supported between an integer and a string")]
    [InlineData("{# a\nb #}\n{{ messages.foo.bar }}", 3, "a list has no attribute 'foo'")]
    [InlineData("{% if x %}\n{{ raise_exception('roles must alternate') }}{% endif %}", 2, "roles must alternate")]
    [InlineData("\n{% for x in [1] %}\n{{ x.y.z }}\n{% endfor %}", 3, "an integer has no attribute 'y'")]
    [InlineData("{{ x\n| nosuch }}", 2, "the filter 'nosuch' is not supported")]
    [InlineData("{{ strftime_now('%Y') }}", 1, "'strftime_now' is not available: what is rendered must not depend on the clock")]
    [InlineData("{% import 'x' as y %}", 1, "the tag 'import' is not supported here")]
    [InlineData("{% for x in y recursive %}{% endfor %}", 1, "recursive loops are not supported")]
    [InlineData("{{ f(*x) }}", 1, "arguments from a list or dict (*, **) are not supported")]
    [InlineData("{{ messages.append(1) }}", 1, "'append' is not allowed: values cannot be changed in a template")]
    [InlineData("\n{% if x %}", 2, "unexpected end of template, {% endif %} is missing")]
    [InlineData("{{ 9223372036854775807 + 1 }}", 1, "the result is an integer of more than 64 bits, which is not supported")]
    [InlineData("{{ 'a'.nosuch() }}", 1, "a string has no attribute 'nosuch'")]
    [InlineData("{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", 1, "macro 'm' takes at most 1 arguments, not 2")]
    public void An_error_gives_the_line_and_the_reason(string source, int line, string reason)
    {
        var error = Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse(source).Render(NoMessages, false, new JsonObject { ["x"] = 1 }));
        Assert.Equal((line, reason), (error.Line, error.Reason[..Math.Min(reason.Length, error.Reason.Length)]));
        Assert.StartsWith($"chat template, line {line}: ", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}", "steps")]
    [InlineData("{% set ns = namespace(s='ab') %}{% for a in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}", "characters")]
    [InlineData("{{ 'abc' * 1000000000000 }}", "characters")]
    [InlineData("{{ ('a' * 10000)|replace('', 'b' * 10000) }}", "characters")]
    [InlineData("{{ (['a' * 10000] * 1)|join }}{% for i in range(100000) %}{{ 'x' * 10000 }}{% endfor %}", "'*' is not supported")]
    [InlineData("{% for i in range(100000) %}{{ 'x' * 10000 }}{% endfor %}", "characters")]
    [InlineData("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "64 deep")]
    [InlineData("{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}", "64 deep")]
    [InlineData("{{ ('a ' * 4000000).split()|map('upper')|map('lower')|map('upper')|map('lower')|map('upper')|list|length }}", "steps")]
    public void A_template_cannot_hold_a_core_or_fill_memory(string source, string reason)
    {
        var error = Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse(source).Render(NoMessages, false));
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Bounds_are_counted_per_rendering()
    {
        var template = ChatTemplate.Parse("{% for i in range(100) %}{{ i }}{% endfor %}");
        var limits = new RenderLimits(Steps: 1000, Characters: 1000, Depth: 4);
        string expected = string.Concat(Enumerable.Range(0, 100));
        for (int round = 0; round < 5; round++)
        {
            Assert.Equal(expected, template.Render(NoMessages, false, null, limits));
        }

        Assert.Throws<ChatTemplateException>(() => template.Render(NoMessages, false, null, limits with { Steps = 100 }));
        Assert.Throws<ChatTemplateException>(() => template.Render(NoMessages, false, null, limits with { Characters = expected.Length - 1 }));
    }

    [Fact]
    public void Nesting_without_end_is_an_error_not_a_crash()
    {
        const int Deep = 200_000;
        string[] sources =
        [
            "{{ " + new string('(', Deep) + "1" + new string(')', Deep) + " }}",
            "{{ " + new string('[', Deep) + new string(']', Deep) + " }}",
            "{{ " + string.Concat(Enumerable.Repeat("not ", Deep)) + "1 }}",
            "{{ " + new string('-', Deep).Replace("-", "- ", StringComparison.Ordinal) + "1 }}",
            "{{ 1" + string.Concat(Enumerable.Repeat(" + 1", Deep)) + " }}",
            "{{ messages" + string.Concat(Enumerable.Repeat("|list", Deep)) + " }}",
            "{{ 1" + string.Concat(Enumerable.Repeat(" if 1 else 1", Deep)) + " }}",
            string.Concat(Enumerable.Repeat("{% if 1 %}", Deep)) + string.Concat(Enumerable.Repeat("{% endif %}", Deep)),
            "{% set x" + string.Concat(Enumerable.Repeat(", (x", Deep)) + new string(')', Deep) + " = 1 %}",
        ];
        foreach (string source in sources)
        {
            var error = Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse(source).Render(NoMessages, false));
            Assert.Contains("nested too deeply", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Values_of_any_depth_are_handled_or_refused()
    {
        JsonNode deep = new JsonArray();
        for (int i = 0; i < 100_000; i++)
        {
            deep = new JsonArray(deep);
        }

        var error = Assert.Throws<ChatTemplateException>(
            () => ChatTemplate.Parse("{{ x|tojson }}").Render(NoMessages, false, new JsonObject { ["x"] = deep }));
        Assert.Contains("nested too deeply", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""[{"role": "\ud83d"}]""")]
    [InlineData("""[{"\ud83d": 1}]""")]
    [InlineData("""[{"role": "a", "role": "b"}]""")]
    public void Messages_that_are_not_valid_text_are_refused(string json)
    {
        var messages = JsonNode.Parse(json)!.AsArray();
        var error = Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse("{{ messages }}").Render(messages, false));
        Assert.Contains("a message or variable is not valid JSON text", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rendering_changes_nothing_it_was_given()
    {
        var messages = JsonNode.Parse("""[{"role": "user", "content": "Hi"}]""")!.AsArray();
        var variables = new JsonObject { ["tools"] = new JsonArray() };
        string before = messages.ToJsonString() + variables.ToJsonString();
        var template = ChatTemplate.Parse("{% set messages = [1] %}{% set tools = 2 %}{{ messages }}{{ tools }}");
        Assert.Equal("[1]2", template.Render(messages, false, variables));
        Assert.Equal("[1]2", template.Render(messages, false, variables));
        Assert.Equal(before, messages.ToJsonString() + variables.ToJsonString());
    }

    [Fact]
    public void One_template_renders_for_many_at_once()
    {
        var template = ChatTemplate.Parse("{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + m.content|length %}{% endfor %}{{ ns.n }}");
        Parallel.For(0, 2000, i =>
        {
            var messages = new JsonArray(new JsonObject { ["content"] = new string('x', i % 50) }, new JsonObject { ["content"] = "ab" });
            Assert.Equal(((i % 50) + 2).ToString(System.Globalization.CultureInfo.InvariantCulture), template.Render(messages, false));
        });
    }

    [Theory]
    [InlineData("%d %b %Y", "05 Jan 2026")]
    [InlineData("%A, %-d %B %y, %a; day %j, %-j", "Monday, 5 January 26, Mon; day 005, 5")]
    [InlineData("%H:%M:%S %I %p %F %T %-H %% %-m/%-y", "00:03:09 12 AM 2026-01-05 00:03:09 0 % 1/26")]
    public void The_time_is_what_the_caller_says(string format, string expected)
    {
        var template = ChatTemplate.Parse("{{ strftime_now(format) if strftime_now is defined else 'no clock' }}");
        Assert.Equal(expected, template.Render(NoMessages, false, new JsonObject { ["strftime_now"] = "2026-01-05T00:03:09", ["format"] = format }));
        Assert.Equal("no clock", template.Render(NoMessages, false, new JsonObject { ["format"] = format }));
    }

    [Theory]
    [InlineData("\"yesterday\"", "%d", "the variable 'strftime_now' must be a time such as")]
    [InlineData("7", "%d", "the variable 'strftime_now' must be a time such as")]
    [InlineData("\"2026-01-05\"", "%d %q", "strftime_now() does not know '%q'")]
    [InlineData("\"2026-01-05T10:00\"", "%d %", "strftime_now() does not know '%'")]
    public void A_time_that_is_none_is_refused(string time, string format, string reason)
    {
        var template = ChatTemplate.Parse("{{ strftime_now(format) }}");
        var error = Assert.Throws<ChatTemplateException>(
            () => template.Render(NoMessages, false, new JsonObject { ["strftime_now"] = JsonNode.Parse(time), ["format"] = format }));
        Assert.StartsWith(reason, error.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Tools_and_documents_are_none_where_not_given()
    {
        var template = ChatTemplate.Parse("{{ tools is defined }}{{ tools is none }}{{ documents is none }}");
        Assert.Equal("TrueTrueTrue", template.Render(NoMessages, false));
        Assert.Equal("TrueFalseTrue", template.Render(NoMessages, false, new JsonObject { ["tools"] = new JsonArray() }));
    }

    [Fact]
    public void Thinking_can_be_switched_off_as_in_Qwen3()
    {
        var template = ChatTemplate.Parse(
            """
            {%- set ns = namespace(last=messages|length - 1) %}
            {%- for message in messages[::-1] %}
                {%- set index = (messages|length - 1) - loop.index0 %}
                {%- if message.role == "user" and not message.content.startswith('<tool_response>') %}
                    {%- set ns.last = index %}{% break %}
                {%- endif %}
            {%- endfor %}
            {%- for message in messages %}
                {%- if message.content is string %}{% set content = message.content %}{% else %}{% set content = '' %}{% endif %}
                {%- if '</think>' in content and loop.index0 <= ns.last %}
                    {%- set content = content.split('</think>')[-1].lstrip('\n') %}
                {%- endif %}
                {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>\n' }}
            {%- endfor %}
            {%- if add_generation_prompt %}
                {{- '<|im_start|>assistant\n' }}
                {%- if enable_thinking is defined and enable_thinking is false %}
                    {{- '<think>\n\n</think>\n\n' }}
                {%- endif %}
            {%- endif %}
            """);
        var messages = JsonNode.Parse(
            """[{"role": "user", "content": "a"}, {"role": "assistant", "content": "<think>\nx\n</think>\n\nb"}, {"role": "user", "content": "c"}]""")!.AsArray();
        const string Chat = "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n";
        Assert.Equal(Chat, template.Render(messages, true));
        Assert.Equal(Chat, template.Render(messages, true, new JsonObject { ["enable_thinking"] = true }));
        Assert.Equal(Chat + "<think>\n\n</think>\n\n", template.Render(messages, true, new JsonObject { ["enable_thinking"] = false }));
    }
}
