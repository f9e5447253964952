using System.Text.Json.Nodes;

namespace Grid.Text.Tests.RealModels;

/// <summary>Against what transformers' apply_chat_template said of real templates; see Reference/chats.py.</summary>
public class RealTemplateTests
{
    private static readonly Lazy<JsonObject[]> Cases = new(
        () => [.. Reference.Lines("chats.jsonl.gz").Select(line => JsonNode.Parse(line)!.AsObject())]);

    public static TheoryData<string> Names => RealModel.Names;

    [Theory]
    [MemberData(nameof(Names))]
    public void A_models_chats_are_rendered_and_encoded_as_by_transformers(string model)
    {
        var text = RealModel.Get(model);
        int cases = 0;
        foreach (var item in Cases.Value.Where(item => (string?)item["template"] == model))
        {
            cases++;
            string? rendered = Check(text.ChatTemplate!, item, item);
            if (rendered is not null)
            {
                // The template writes the beginning-of-sequence token; it must not come twice.
                int[] ids = text.Tokenizer.Encode(rendered, parseSpecialTokens: true);
                Assert.Equal((string)item["ids"]!, Reference.Digest(ids));
                Assert.Equal(text.BosToken is null ? 0 : 1, ids.Count(id => id == text.Tokenizer.FindToken(text.BosToken ?? "none")));
            }
        }

        Assert.InRange(cases, 40, 60);
    }

    [Fact]
    public void The_templates_of_many_models_render_as_by_transformers()
    {
        var chats = Cases.Value.Where(item => (string?)item["template"] == RealModel.Qwen3).ToDictionary(item => (string)item["case"]!);
        var wrong = new List<string>();
        int templates = 0, cases = 0;
        foreach ((string name, string source) in RealModel.ChatTemplates())
        {
            templates++;
            var template = ChatTemplate.Parse(source, Cases.Value[0]["variables"]!.DeepClone().AsObject());
            foreach (var item in Cases.Value.Where(item => (string?)item["template"] == name))
            {
                cases++;
                try
                {
                    Check(template, chats[(string)item["case"]!], item);
                }
                catch (Exception error) when (error is Xunit.Sdk.XunitException or ChatTemplateException)
                {
                    wrong.Add($"{name}, {item["case"]}: {error.Message}");
                }
            }
        }

        Assert.True(wrong.Count == 0, $"{wrong.Count} of {cases} differ:\n{string.Join('\n', wrong.Take(60))}");
        Assert.Equal((97, 97 * 36), (templates, cases));
    }

    [Fact]
    public void The_token_that_closes_a_turn_is_the_one_that_ends_an_answer()
    {
        foreach ((string name, string token) in new[] { (RealModel.Qwen3, "<|im_end|>"), (RealModel.Llama31, "<|eot_id|>"), (RealModel.MistralNemo, "</s>") })
        {
            var text = RealModel.Get(name);
            Assert.Equal(text.Tokenizer.FindToken(token), text.FindEndOfTurn());
            Assert.NotNull(text.EosTokenId);
        }
    }

    /// <summary>What the template gives, or null where it gives an error, which must be expected then.</summary>
    private static string? Check(ChatTemplate template, JsonObject chat, JsonObject expected)
    {
        var messages = chat["messages"]!.DeepClone().AsArray();
        var variables = chat["variables"]!.DeepClone().AsObject();
        bool prompt = variables.Remove("add_generation_prompt", out var given) && (bool)given!;
        variables["strftime_now"] = Cases.Value[0]["strftime_now"]!.DeepClone();
        if (expected["output"] is { } output)
        {
            string rendered = template.Render(messages, prompt, variables);
            Assert.Equal((string)output!, rendered);
            return rendered;
        }

        var error = Assert.Throws<ChatTemplateException>(() => template.Render(messages, prompt, variables));
        Assert.True(error.Line > 0);
        if (expected["raised"] is { } reason)
        {
            Assert.Equal((string)reason!, error.Reason);
        }

        return null;
    }
}
