using System.Text;
using System.Text.Json.Nodes;
using Grid.Grains.Messages;
using Grid.Text;
using Grid.Workers;

namespace Grid.Grains.Tests.Support;

/// <summary>A model of bytes: token id = byte value, for the 256 bytes; a raw text begins with byte 2.</summary>
internal static class TestModel
{
    public const string Name = "bytes";

    /// <summary>Sequences that a worker lets wait, by what it says.</summary>
    public const int MaxWaiting = 1000;

    public const string NumericsId = "grid-test-1";

    /// <summary>The model's positions.</summary>
    public const int MaxModelTokens = 1 << 21;

    public static IReadOnlyDictionary<string, byte[]> TextFiles { get; } = new Dictionary<string, byte[]>
    {
        ["tokenizer.json"] = Encoding.UTF8.GetBytes(TokenizerJson()),
        ["tokenizer_config.json"] = Encoding.UTF8.GetBytes("""{"tokenizer_class":"PreTrainedTokenizerFast"}"""),
    };

    public static TextModel Text { get; } = TextModel.Load(TextFiles);

    /// <summary>What a worker serves.</summary>
    /// <param name="name">The model's name.</param>
    /// <param name="numericsId">Its bits.</param>
    /// <param name="kvTokens">What the worker's KV cache holds.</param>
    public static WorkerModel Worker(string name = Name, string numericsId = NumericsId, int kvTokens = MaxModelTokens) => new(
        "cpu", "scripted", name, numericsId, WorkerModel.PackTextFiles(TextFiles),
        new WorkerLimits
        {
            MaxContextTokens = Math.Min(kvTokens, MaxModelTokens),
            MaxRunningSequences = 1000,
            MaxWaitingSequences = MaxWaiting,
            KvCacheTokens = kvTokens,
            VocabularySize = ScriptedEngine.Vocabulary,
            MaxModelTokens = MaxModelTokens,
        });

    private static string TokenizerJson()
    {
        var vocabulary = new JsonObject();
        int next = 256;
        for (int value = 0; value < 256; value++)
        {
            // The byte-level alphabet: printable bytes stand for themselves, the rest for U+0100 and up.
            bool printable = value is >= 33 and <= 126 or >= 161 and <= 172 or >= 174;
            vocabulary.Add(((char)(printable ? value : next++)).ToString(), value);
        }

        return new JsonObject
        {
            ["version"] = "1.0",
            ["truncation"] = null,
            ["padding"] = null,
            ["added_tokens"] = new JsonArray(),
            ["normalizer"] = null,
            ["pre_tokenizer"] = new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["trim_offsets"] = false, ["use_regex"] = true },
            ["post_processor"] = JsonNode.Parse(
                """
                {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "begin", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                 "pair": [], "special_tokens": {"begin": {"id": "begin", "ids": [2], "tokens": ["begin"]}}}
                """),
            ["decoder"] = new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["trim_offsets"] = false, ["use_regex"] = true },
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["dropout"] = null,
                ["unk_token"] = null,
                ["continuing_subword_prefix"] = null,
                ["end_of_word_suffix"] = null,
                ["fuse_unk"] = false,
                ["byte_fallback"] = false,
                ["ignore_merges"] = false,
                ["vocab"] = vocabulary,
                ["merges"] = new JsonArray(),
            },
        }.ToJsonString();
    }
}
