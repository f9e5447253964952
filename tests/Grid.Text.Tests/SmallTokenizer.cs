using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Grid.Text.Tests;

/// <summary>A small byte-level tokenizer.json for tests: the 256 bytes, some merges, ChatML's tokens.</summary>
internal static class SmallTokenizer
{
    public const int EndOfText = 300, Start = 301, End = 302, Think = 303;

    public const string QwenPattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private static readonly string[] Merges =
        ["h e", "l l", "he ll", "hell o", "Ġ w", "o r", "Ġw or", "l d", "Ġwor ld", "Ġ t", "Ġt he", "Ã ©", "i n", "in g", "a a", "aa aa",
         "ä ¸", "ä¸ Ń", "1 2", "Ġ Ġ", "Ċ Ċ", "a b", "b c", "ab c", "a bc", "s t", "st s", "' s", "ðŁ ĻĤ", "ð Ł", "Ļ Ĥ", "Å ¿", "Å¿ a"];

    public static Tokenizer Load(Action<JsonObject>? change = null) => Tokenizer.Load(Bytes(change));

    public static byte[] Bytes(Action<JsonObject>? change = null)
    {
        var file = Json();
        change?.Invoke(file);
        return JsonSerializer.SerializeToUtf8Bytes(file);
    }

    public static JsonObject Json()
    {
        var vocab = new JsonObject();
        for (int value = 0; value < 256; value++)
        {
            vocab[Tokenization.ByteAlphabet.ToChar((byte)value).ToString()] = value;
        }

        var merges = new JsonArray();
        // Parts first: a merge may list its parts after it.
        foreach (string merge in Merges.OrderBy(m => m.Length))
        {
            string whole = merge.Replace(" ", "", StringComparison.Ordinal);
            if (!vocab.ContainsKey(whole))
            {
                vocab[whole] = vocab.Count;
            }

            merges.Add(merge);
        }

        for (int i = vocab.Count; i < EndOfText; i++)
        {
            vocab[$"unused{i}"] = i;
        }

        return new JsonObject
        {
            ["version"] = "1.0",
            ["truncation"] = null,
            ["padding"] = null,
            ["added_tokens"] = new JsonArray(
                Added(EndOfText, "<|endoftext|>"), Added(Start, "<|im_start|>"), Added(End, "<|im_end|>"), Added(Think, "<think>", special: false)),
            ["normalizer"] = new JsonObject { ["type"] = "NFC" },
            ["pre_tokenizer"] = new JsonObject
            {
                ["type"] = "Sequence",
                ["pretokenizers"] = new JsonArray(
                    new JsonObject
                    {
                        ["type"] = "Split",
                        ["pattern"] = new JsonObject { ["Regex"] = QwenPattern },
                        ["behavior"] = "Isolated",
                        ["invert"] = false,
                    },
                    ByteLevel()),
            },
            ["post_processor"] = null,
            ["decoder"] = ByteLevel(),
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["dropout"] = null,
                ["unk_token"] = null,
                ["continuing_subword_prefix"] = "",
                ["end_of_word_suffix"] = null,
                ["fuse_unk"] = false,
                ["byte_fallback"] = false,
                ["ignore_merges"] = false,
                ["vocab"] = vocab,
                ["merges"] = merges,
            },
        };
    }

    public static JsonObject Added(int id, string content, bool special = true) => new()
    {
        ["id"] = id,
        ["content"] = content,
        ["single_word"] = false,
        ["lstrip"] = false,
        ["rstrip"] = false,
        ["normalized"] = false,
        ["special"] = special,
    };

    public static JsonObject ByteLevel(bool useRegex = false) => new()
    {
        ["type"] = "ByteLevel",
        ["add_prefix_space"] = false,
        ["trim_offsets"] = false,
        ["use_regex"] = useRegex,
    };

    /// <summary>Well-formed text of words, white space, marks, surrogate pairs and special tokens.</summary>
    public static string RandomText(Random random, int pieces)
    {
        string[] pool =
        [
            "hello", " world", " the", "é", "e\u0301", "中", "中文", "🙂", "𠀀", "👩‍👩‍👧", "\n", "\n\n", "  ", "\t", "\r\n", "12", "3.14", "𝟙", "it's", "IT'S",
            "'ſ", "<|im_start|>", "<|im_end|>", "<think>", "<|im_", "!?", "--", "\u00A0", "\u0000", "\uFFFD", "각", "\u1100\u1161", "abc", "aaaaaaa", "ing",
        ];
        var text = new StringBuilder();
        for (int i = 0; i < pieces; i++)
        {
            text.Append(random.Next(8) == 0 ? ((Rune)random.Next(0xD800)).ToString() : pool[random.Next(pool.Length)]);
        }

        return text.ToString();
    }
}
