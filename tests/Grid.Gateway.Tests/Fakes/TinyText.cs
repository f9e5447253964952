using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Grid.Text;

namespace Grid.Gateway.Tests.Fakes;

/// <summary>A tokenizer whose ids are bytes, with ChatML's special tokens after them.</summary>
internal static class TinyText
{
    public const int Start = 256;
    public const int End = 257;
    public const int VocabularySize = 258;

    private const string Template =
        "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{%- endfor %}"
        + "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
        + "{%- if mood is defined %}{{- '(' + mood + ')' }}{%- endif %}";

    private const string Begin =
        """
        {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
         "pair": [], "special_tokens": {"<|im_start|>": {"id": "<|im_start|>", "ids": [256], "tokens": ["<|im_start|>"]}}}
        """;

    public static TextModel Load(bool withChat = true, bool withBegin = false)
    {
        var config = new JsonObject { ["eos_token"] = "<|im_end|>" };
        if (withChat)
        {
            config["chat_template"] = Template;
        }
        return TextModel.Load(new Dictionary<string, byte[]>
        {
            ["tokenizer.json"] = Encoding.UTF8.GetBytes(Tokenizer(withBegin).ToJsonString()),
            ["tokenizer_config.json"] = Encoding.UTF8.GetBytes(config.ToJsonString()),
        });
    }

    private static JsonObject Tokenizer(bool withBegin)
    {
        var vocabulary = new JsonObject();
        int next = 256;
        for (int b = 0; b < 256; b++)
        {
            // GPT-2's alphabet: printable bytes stand for themselves, the others for code points from 256 on.
            bool printable = b is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
            vocabulary[((char)(printable ? b : next++)).ToString()] = b;
        }
        return new JsonObject
        {
            ["version"] = "1.0",
            ["truncation"] = null,
            ["padding"] = null,
            ["added_tokens"] = new JsonArray(Special("<|im_start|>", Start), Special("<|im_end|>", End)),
            ["normalizer"] = null,
            ["pre_tokenizer"] = JsonSerializer.SerializeToNode(
                new { type = "ByteLevel", add_prefix_space = false, trim_offsets = false, use_regex = true }),
            ["post_processor"] = withBegin ? JsonNode.Parse(Begin) : null,
            ["decoder"] = JsonSerializer.SerializeToNode(
                new { type = "ByteLevel", add_prefix_space = false, trim_offsets = false, use_regex = true }),
            ["model"] = new JsonObject { ["type"] = "BPE", ["vocab"] = vocabulary, ["merges"] = new JsonArray() },
        };
    }

    private static JsonNode Special(string content, int id) => JsonSerializer.SerializeToNode(new
    {
        id,
        content,
        single_word = false,
        lstrip = false,
        rstrip = false,
        normalized = false,
        special = true,
    })!;
}
