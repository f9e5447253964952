using System.Text.Json;

namespace Grid.Text.Tokenization;

/// <summary>Reads the "model" of tokenizer.json: a byte-level BPE vocabulary and its merges.</summary>
internal static class ByteLevelModelReader
{
    public static Dictionary<string, int> ReadVocabulary(JsonField model)
    {
        var type = model.TryGet("type", out var given) ? given : model.Get("type");
        if (type.String() != "BPE")
        {
            throw type.Error($"must be \"BPE\", not {type.Describe()}");
        }

        model.AllowOnly("type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
            "byte_fallback", "ignore_merges", "vocab", "merges");
        // unk_token, fuse_unk and byte_fallback act on characters that have no token; here every byte has one.
        if (model.TryGet("dropout", out var dropout) && !dropout.IsNull
            && !(dropout.Element.ValueKind == JsonValueKind.Number && dropout.Element.GetDouble() == 0))
        {
            throw dropout.Error($"must be null or 0 (random merging is not reproducible), not {dropout.Describe()}");
        }

        RequireEmpty(model, "continuing_subword_prefix");
        RequireEmpty(model, "end_of_word_suffix");
        return ReadTokens(model.Get("vocab"));
    }

    public static List<(string Left, string Right)> ReadMerges(JsonField field, Dictionary<string, int> vocabulary)
    {
        var merges = new List<(string Left, string Right)>();
        var seen = new HashSet<(string, string)>();
        foreach (var item in field.Items())
        {
            if (ReadMerge(item) is not { } merge)
            {
                continue;
            }

            foreach (string token in (ReadOnlySpan<string>)[merge.Left, merge.Right, merge.Left + merge.Right])
            {
                if (!vocabulary.ContainsKey(token))
                {
                    throw item.Error($"needs the token '{token}', which is not in model.vocab");
                }
            }

            if (!seen.Add(merge))
            {
                throw item.Error($"merges '{merge.Left}' and '{merge.Right}' a second time");
            }

            // A merge outside the byte alphabet can never apply: words consist of bytes.
            if (ByteAlphabet.Covers(merge.Left) && ByteAlphabet.Covers(merge.Right))
            {
                merges.Add(merge);
            }
        }

        return merges;
    }

    private static (string Left, string Right)? ReadMerge(JsonField item)
    {
        string[] parts;
        if (item.Element.ValueKind == JsonValueKind.Array)
        {
            parts = [.. item.Items().Select(part => part.String())];
        }
        else
        {
            string text = item.String();
            if (text.StartsWith("#version", StringComparison.Ordinal))
            {
                return null;
            }

            parts = text.Split(' ');
        }

        return parts is [{ Length: > 0 } left, { Length: > 0 } right]
            ? (left, right)
            : throw item.Error($"must be two tokens (\"a b\" or [\"a\", \"b\"]), not {item.Describe()}");
    }

    private static Dictionary<string, int> ReadTokens(JsonField field)
    {
        var vocabulary = new Dictionary<string, int>(StringComparer.Ordinal);
        var tokenOfId = new Dictionary<int, string>();
        foreach ((string token, var value) in field.Properties())
        {
            int id = value.Id();
            if (!tokenOfId.TryAdd(id, token))
            {
                throw value.Error($"has the id {id}, which '{tokenOfId[id]}' has already");
            }

            vocabulary.Add(token, id);
        }

        for (int value = 0; value < 256; value++)
        {
            if (ByteAlphabet.OccursInUtf8(value) && !vocabulary.ContainsKey(ByteAlphabet.ToChar((byte)value).ToString()))
            {
                throw field.Error($"has no token for the byte 0x{value:X2} ('{ByteAlphabet.ToChar((byte)value)}'); a byte-level vocabulary has one for every byte");
            }
        }

        return vocabulary;
    }

    private static void RequireEmpty(JsonField model, string name)
    {
        if (model.TryGet(name, out var field) && !field.IsNull && field.String().Length > 0)
        {
            throw field.Error($"must be null or empty, not {field.Describe()}");
        }
    }
}
