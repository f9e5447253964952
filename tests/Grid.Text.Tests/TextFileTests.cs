using System.Text;
using System.Text.Json.Nodes;

namespace Grid.Text.Tests;

/// <summary>Files that cannot be used are refused with their name, the field and the rule.</summary>
public class TextFileTests
{
    public static TheoryData<string, string, string> Refusals => new()
    {
        { "version", "\"2.0\"", "version: must be \"1.0\"" },
        { "extra", "1", "has the field 'extra', which is not supported" },
        { "normalizer", """{"type": "NFKC"}""", "normalizer: is \"NFKC\"; supported are null, NFC" },
        { "normalizer", """{"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]}""", "normalizer.normalizers[1]: is \"Lowercase\"" },
        { "normalizer", "5", "normalizer: must be an object, not 5" },
        { "pre_tokenizer", "null", "pre_tokenizer: must be ByteLevel" },
        { "pre_tokenizer", """{"type": "Whitespace"}""", "pre_tokenizer: is Whitespace" },
        { "pre_tokenizer", """{"type": "ByteLevel", "add_prefix_space": true}""", "add_prefix_space true" },
        { "pre_tokenizer", """{"type": "ByteLevel"}""", "add_prefix_space true (or not given)" },
        { "pre_tokenizer", Split("""{"Regex": "\\w+"}"""), "pattern.Regex: cannot be used: the escape '\\w' is not supported (at 2 of '\\w+')" },
        { "pre_tokenizer", Split("""{"Regex": "a++"}"""), "possessive quantifiers are not supported" },
        { "pre_tokenizer", Split("""{"Regex": "(?<=a)b"}"""), "the group '(?<=...' is not supported" },
        { "pre_tokenizer", Split("""{"Regex": "\\p{Han}"}"""), "the property '\\p{Han}' is not supported" },
        { "pre_tokenizer", Split("""{"Regex": "(a"}"""), "a group is not closed" },
        { "pre_tokenizer", Split("""{"Regex": "[a"}"""), "the pattern ends too early" },
        { "pre_tokenizer", Split("""{"Regex": "[\\u0000-\\uFFFF]"}"""), "covers a character that stands for characters outside the basic plane" },
        { "pre_tokenizer", Split("""{"Regex": "(?i:ss)"}"""), "a case-insensitive group may not hold ss" },
        { "pre_tokenizer", Split("""{"Regex": "a"}""", "Removed"), "behavior: must be \"Isolated\", not \"Removed\"" },
        { "decoder", "null", "decoder: must be ByteLevel, not null" },
        { "decoder", """{"type": "Metaspace"}""", "decoder: is \"Metaspace\"; only ByteLevel" },
        { "post_processor", """{"type": "BertProcessing"}""", "post_processor: is \"BertProcessing\"" },
        { "post_processor", Template("""[{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]""", "{}"), "has no entry '<s>'" },
        { "post_processor", Template("""[{"SpecialToken": {"id": "<s>", "type_id": 0}}]""", """{"<s>": {"ids": [1]}}"""), "must hold the sequence A" },
        { "post_processor", Template("""[{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}]""", """{"<s>": {"ids": [9999]}}"""), "adds the id 9999, which no token has" },
        { "model.type", "\"WordPiece\"", "model.type: must be \"BPE\", not \"WordPiece\"" },
        { "model.dropout", "0.1", "model.dropout: must be null or 0" },
        { "model.end_of_word_suffix", "\"</w>\"", "model.end_of_word_suffix: must be null or empty" },
        { "model.continuing_subword_prefix", "\"##\"", "model.continuing_subword_prefix: must be null or empty" },
        { "model.ignore_merges", "\"yes\"", "model.ignore_merges: must be true or false, not \"yes\"" },
        { "model.unheard_of", "1", "model: has the field 'unheard_of'" },
        { "model.merges", """["a"]""", "model.merges[0]: must be two tokens" },
        { "model.merges", """["a b c"]""", "model.merges[0]: must be two tokens" },
        { "model.merges", """[["a", "b"], ["a", "b"]]""", "model.merges[1]: merges 'a' and 'b' a second time" },
        { "model.merges", """["q z"]""", "model.merges[0]: needs the token 'qz', which is not in model.vocab" },
        { "model.merges", "{}", "model.merges: must be a list" },
        { "model.vocab", """{"a": 0}""", "model.vocab: has no token for the byte 0x00" },
        { "model.vocab", """{"a": 0, "b": 0}""", "has the id 0, which 'a' has already" },
        { "model.vocab", """{"a": -1}""", "must be a token id from 0 to" },
        { "model.vocab", """{"a": 1e9}""", "must be a token id from 0 to" },
        { "model.vocab", """{"a": 4194304}""", "must be a token id from 0 to 4194303, not 4194304" },
        { "added_tokens", """[{"id": 304, "content": ""}]""", "added_tokens[0].content: must not be empty" },
        { "added_tokens", """[{"id": 5, "content": "<x>"}]""", "added_tokens[0].id: must be 300 for '<x>'" },
        { "added_tokens", """[{"id": 300, "content": "<x>", "single_word": true}]""", "added_tokens[0].single_word: must be false" },
        { "added_tokens", """[{"id": 300, "content": "<x>"}, {"id": 301, "content": "<x>"}]""", "adds '<x>' a second time" },
        { "added_tokens", """[{"id": 300}]""", "added_tokens[0]: has no field 'content'" },
        { "added_tokens", """[{"id": 300, "content": "<x>", "hue": 3}]""", "has the field 'hue'" },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public void What_would_change_ids_and_is_not_supported_is_refused_by_name(string field, string json, string expected)
    {
        byte[] bytes = SmallTokenizer.Bytes(file =>
        {
            var parent = field.StartsWith("model.", StringComparison.Ordinal) ? file["model"]!.AsObject() : file;
            parent[field[(field.IndexOf('.', StringComparison.Ordinal) + 1)..]] = JsonNode.Parse(json);
        });
        var error = Assert.Throws<TextModelException>(() => Tokenizer.Load(bytes));
        Assert.StartsWith("tokenizer.json: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "is not valid JSON")]
    [InlineData("{", "is not valid JSON")]
    [InlineData("[]", "must be an object")]
    [InlineData("{}", "has no field 'model'")]
    [InlineData("""{"model": {}, "model": {}}""", "is not valid JSON")]
    [InlineData("""{"model": {"type": "\ud800"}}""", "model.type: is not valid Unicode text")]
    public void A_file_that_is_no_tokenizer_is_refused(string json, string expected)
    {
        var error = Assert.Throws<TextModelException>(() => Tokenizer.Load(Encoding.UTF8.GetBytes(json)));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tokenizer_config.json", "{", "tokenizer_config.json: is not valid JSON")]
    [InlineData("tokenizer_config.json", """{"chat_template": 5}""", "tokenizer_config.json: chat_template: must be a string, not 5")]
    [InlineData("tokenizer_config.json", """{"chat_template": "{{ x"}""", "tokenizer_config.json: chat_template: chat template, line 1: unexpected end of template")]
    [InlineData("tokenizer_config.json", """{"chat_template": [{"name": "rag", "template": ""}]}""", "is a list without a template named \"default\"")]
    [InlineData("tokenizer_config.json", """{"eos_token": 3}""", "tokenizer_config.json: eos_token: must be a string, not 3")]
    [InlineData("tokenizer_config.json", """{"added_tokens_decoder": {"5": {"content": "<new>"}}}""", "'<new>' is not the token 5 of tokenizer.json")]
    [InlineData("chat_template.jinja", "{% if %}", "chat_template.jinja: chat template, line 1: expected an expression")]
    public void Other_files_of_the_folder_are_checked_too(string file, string content, string expected)
    {
        var files = new Dictionary<string, byte[]> { ["tokenizer.json"] = SmallTokenizer.Bytes(), [file] = Encoding.UTF8.GetBytes(content) };
        var error = Assert.Throws<TextModelException>(() => TextModel.Load(files));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_for_batches_of_one_length_changes_no_text()
    {
        string said = string.Concat(Enumerable.Repeat("hello ", 20));
        var tokenizer = SmallTokenizer.Load(file =>
        {
            file["truncation"] = JsonNode.Parse("""{"direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0}""");
            file["padding"] = JsonNode.Parse("""{"strategy": {"Fixed": 99}, "direction": "Left", "pad_id": 0, "pad_type_id": 0, "pad_token": "<pad>"}""");
        });
        Assert.Equal(SmallTokenizer.Load().Encode(said, parseSpecialTokens: true), tokenizer.Encode(said, parseSpecialTokens: true));
    }

    [Fact]
    public void A_folder_without_tokenizer_is_refused()
    {
        var error = Assert.Throws<TextModelException>(() => TextModel.Load(new Dictionary<string, byte[]>()));
        Assert.Equal("tokenizer.json: is missing from the model folder", error.Message);
    }

    [Fact]
    public void A_template_file_wins_and_sees_the_named_tokens()
    {
        var model = TextModel.Load(new Dictionary<string, byte[]>
        {
            ["tokenizer.json"] = SmallTokenizer.Bytes(),
            ["tokenizer_config.json"] = """{"bos_token": {"content": "<s>"}, "eos_token": "</s>", "pad_token": null, "chat_template": "old"}"""u8.ToArray(),
            ["chat_template.jinja"] = "\uFEFF{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ pad_token is defined }}"u8.ToArray(),
        });
        Assert.Equal("<s>hi</s>False", model.ChatTemplate!.Render([new JsonObject { ["content"] = "hi" }], false));
        Assert.Equal("[x]hi</s>False", model.ChatTemplate!.Render([new JsonObject { ["content"] = "hi" }], false, new JsonObject { ["bos_token"] = "[x]" }));
        Assert.Equal(("<s>", "</s>"), (model.BosToken, model.EosToken));
    }

    [Fact]
    public void The_default_one_of_named_templates_is_used()
    {
        var model = TextModel.Load(new Dictionary<string, byte[]>
        {
            ["tokenizer.json"] = SmallTokenizer.Bytes(),
            ["tokenizer_config.json"] = """{"chat_template": [{"name": "rag", "template": "no"}, {"name": "default", "template": "yes"}]}"""u8.ToArray(),
        });
        Assert.Equal("yes", model.ChatTemplate!.Render([], false));
    }

    [Fact]
    public void A_template_post_processor_puts_its_tokens_around_a_text_where_asked()
    {
        var tokenizer = SmallTokenizer.Load(file => file["post_processor"] = JsonNode.Parse(
            """
            {"type": "Sequence", "processors": [{"type": "ByteLevel", "trim_offsets": false}, {"type": "TemplateProcessing",
             "single": [{"SpecialToken": {"id": "bos", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "eos", "type_id": 0}}],
             "pair": [], "special_tokens": {"bos": {"id": "bos", "ids": [300], "tokens": ["x"]}, "eos": {"id": "eos", "ids": [302, 300], "tokens": ["x"]}}}]}
            """));
        int[] plain = tokenizer.Encode("hello", parseSpecialTokens: false);
        Assert.Equal([300, .. plain, 302, 300], tokenizer.Encode("hello", parseSpecialTokens: false, addSpecialTokens: true));
        Assert.Equal([300, 302, 300], tokenizer.Encode("", parseSpecialTokens: false, addSpecialTokens: true));
    }

    /// <summary>What transformers' classes put around a text, given what the files say. The file's post_processor puts
    /// &lt;|im_start|&gt; before it, or is ByteLevel.</summary>
    [Theory]
    // Llama's class sets its own tokens, whatever the file has; add_bos_token is on unless it is said, and null is no.
    [InlineData("LlamaTokenizerFast", """ "add_bos_token": true, "bos_token": "<|endoftext|>" """, false, new[] { SmallTokenizer.EndOfText }, new int[0])]
    [InlineData("LlamaTokenizerFast", """ "add_bos_token": true, "bos_token": {"content": "<|endoftext|>"} """, true, new[] { SmallTokenizer.EndOfText }, new int[0])]
    [InlineData("LlamaTokenizer", """ "bos_token": "<|endoftext|>" """, false, new[] { SmallTokenizer.EndOfText }, new int[0])]
    [InlineData("LlamaTokenizerFast", """ "add_bos_token": false, "bos_token": "<|endoftext|>" """, true, new int[0], new int[0])]
    [InlineData("LlamaTokenizerFast", """ "add_bos_token": null, "bos_token": "<|endoftext|>" """, true, new int[0], new int[0])]
    [InlineData("LlamaTokenizerFast", """ "add_eos_token": true, "bos_token": "<|endoftext|>", "eos_token": "<|im_end|>" """, false, new[] { SmallTokenizer.EndOfText }, new[] { SmallTokenizer.End })]
    [InlineData("LlamaTokenizerFast", """ "add_bos_token": true, "bos_token": null """, true, new int[0], new int[0])]
    [InlineData("LlamaTokenizerFast", """ "add_bos_token": true, "bos_token": "" """, true, new int[0], new int[0])]
    [InlineData("CodeLlamaTokenizer", """ "bos_token": "<|endoftext|>" """, false, new[] { SmallTokenizer.EndOfText }, new int[0])]
    [InlineData("GemmaTokenizerFast", """ "bos_token": "<|endoftext|>" """, false, new[] { SmallTokenizer.EndOfText }, new int[0])]
    [InlineData("CohereTokenizerFast", """ "bos_token": "<|endoftext|>" """, false, new[] { SmallTokenizer.EndOfText }, new int[0])]
    // Other classes take the file's word.
    [InlineData("PreTrainedTokenizerFast", """ "add_bos_token": true, "add_eos_token": true, "bos_token": "<|endoftext|>", "eos_token": "<|im_end|>" """, false, new int[0], new int[0])]
    [InlineData("PreTrainedTokenizerFast", """ "add_bos_token": false, "bos_token": "<|endoftext|>" """, true, new[] { SmallTokenizer.Start }, new int[0])]
    [InlineData("Qwen2Tokenizer", """ "add_bos_token": false, "bos_token": null """, true, new[] { SmallTokenizer.Start }, new int[0])]
    [InlineData(null, """ "add_bos_token": true, "bos_token": "<|endoftext|>" """, true, new[] { SmallTokenizer.Start }, new int[0])]
    [InlineData(null, """ "add_bos_token": true, "bos_token": "<|endoftext|>" """, false, new int[0], new int[0])]
    public void The_tokens_around_a_text_follow_the_tokenizers_class(string? tokenizerClass, string fields, bool hasTemplate, int[] before, int[] after)
    {
        var model = WithConfig($$"""{"tokenizer_class": {{(tokenizerClass is null ? "null" : $"\"{tokenizerClass}\"")}}, {{fields}}}""", hasTemplate);
        int[] plain = model.Tokenizer.Encode("hello", parseSpecialTokens: true);
        Assert.Equal([.. before, .. plain, .. after], model.Tokenizer.Encode("hello", parseSpecialTokens: true, addSpecialTokens: true));
        Assert.Equal([.. before, .. after], model.Tokenizer.Encode("", parseSpecialTokens: true, addSpecialTokens: true));
        Assert.Equal((before.Length, after.Length), (model.Tokenizer.AddedBefore, model.Tokenizer.AddedAfter));
    }

    [Theory]
    [InlineData("""{"tokenizer_class": "LlamaTokenizerFast"}""", "puts the bos_token '<s>' around a text, which is not a token of tokenizer.json")]
    [InlineData("""{"tokenizer_class": "LlamaTokenizerFast", "bos_token": null, "add_eos_token": true}""", "puts the eos_token '</s>' around a text")]
    [InlineData("""{"tokenizer_class": "LlamaTokenizerFast", "add_bos_token": "yes"}""", "add_bos_token: must be true or false, not \"yes\"")]
    [InlineData("""{"tokenizer_class": 5}""", "tokenizer_class: must be a string, not 5")]
    public void A_class_that_asks_for_what_is_not_there_is_refused(string config, string expected)
    {
        var error = Assert.Throws<TextModelException>(() => WithConfig(config, hasTemplate: false));
        Assert.StartsWith("tokenizer_config.json: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"eos_token": "<|im_end|>"}""", SmallTokenizer.End)]
    [InlineData("""{"eos_token": {"content": "<|endoftext|>"}}""", SmallTokenizer.EndOfText)]
    [InlineData("""{"tokenizer_class": "Qwen2TokenizerFast"}""", SmallTokenizer.EndOfText)]
    [InlineData("""{"tokenizer_class": "Qwen2TokenizerFast", "eos_token": null}""", null)]
    [InlineData("""{"eos_token": "</s>"}""", null)]
    [InlineData("""{"eos_token": ""}""", null)]
    [InlineData("""{"eos_token": null}""", null)]
    [InlineData("{}", null)]
    public void The_tokenizers_end_token_is_found(string config, int? expected) =>
        Assert.Equal(expected, WithConfig(config, hasTemplate: false).EosTokenId);

    [Theory]
    [InlineData("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}", SmallTokenizer.End)]
    [InlineData("{% for m in messages %}{{ m.content | trim }} {{ eos_token }}{% endfor %}", SmallTokenizer.EndOfText)]
    [InlineData("{% for m in messages %}<|im_start|>{{ m.content }}\n<think>{% endfor %}", null)] // A token, but no special one.
    [InlineData("{% for m in messages %}<|im_start|>{{ m.content }}.<|im_end|>{% endfor %}", null)]
    [InlineData("{% for m in messages %}<|im_start|>{{ m.content }}{% endfor %}", null)]
    [InlineData("{{ messages[0].content }}<|im_end|>", null)]
    [InlineData("{{ raise_exception('one message only') }}", null)]
    [InlineData(null, null)]
    public void The_token_that_closes_a_turn_is_found_in_the_chat_template(string? template, int? expected)
    {
        var config = new JsonObject { ["eos_token"] = "<|endoftext|>", ["chat_template"] = template };
        Assert.Equal(expected, WithConfig(config.ToJsonString(), hasTemplate: false).FindEndOfTurn());
    }

    private static TextModel WithConfig(string config, bool hasTemplate) => TextModel.Load(new Dictionary<string, byte[]>
    {
        ["tokenizer.json"] = SmallTokenizer.Bytes(file => file["post_processor"] = hasTemplate
            ? JsonNode.Parse(Template("""[{"SpecialToken": {"id": "<|im_start|>"}}, {"Sequence": {"id": "A"}}]""", """{"<|im_start|>": {"ids": [301]}}"""))
            : SmallTokenizer.ByteLevel()),
        ["tokenizer_config.json"] = Encoding.UTF8.GetBytes(config),
    });

    [Fact]
    public void Merges_may_be_pairs_or_strings()
    {
        byte[] pairs = SmallTokenizer.Bytes(file => file["model"]!["merges"] = new JsonArray(
            [.. file["model"]!["merges"]!.AsArray().Select(merge => (JsonNode)new JsonArray([.. ((string)merge!).Split(' ').Select(part => (JsonNode)part)]))]));
        Assert.Equal(SmallTokenizer.Load().Encode("hello the abc", true), Tokenizer.Load(pairs).Encode("hello the abc", true));
    }

    [Fact]
    public void A_word_that_is_a_token_is_that_token_where_merges_are_to_be_ignored()
    {
        // "abc" is a token, but the merges make "ab" and then stop at rank order a+bc.
        static void Lock(JsonObject file, bool ignore)
        {
            file["model"]!["ignore_merges"] = ignore;
            file["model"]!["merges"] = new JsonArray("a b");
        }

        Assert.Equal(2, SmallTokenizer.Load(file => Lock(file, ignore: false)).Encode("abc", true).Length);
        var ignoring = SmallTokenizer.Load(file => Lock(file, ignore: true));
        Assert.Equal([ignoring.FindToken("abc")!.Value], ignoring.Encode("abc", true));
    }

    private static string Split(string pattern, string behavior = "Isolated") =>
        $$"""{"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {{pattern}}, "behavior": "{{behavior}}", "invert": false}, {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]}""";

    private static string Template(string single, string tokens) =>
        $$"""{"type": "TemplateProcessing", "single": {{single}}, "pair": [], "special_tokens": {{tokens}}}""";
}
