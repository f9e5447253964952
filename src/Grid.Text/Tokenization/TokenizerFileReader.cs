namespace Grid.Text.Tokenization;

/// <summary>Reads a Hugging Face tokenizer.json. Whatever would change token ids and is not supported is refused.</summary>
internal static class TokenizerFileReader
{
    /// <summary>Throws <see cref="TextModelException"/> naming the field and the rule.</summary>
    public static TokenizerDefinition Read(byte[] bytes, string file)
    {
        var root = JsonField.ParseRoot(bytes, file, out var document);
        using var owned = document;
        root.AllowOnly("version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
            "post_processor", "decoder", "model");
        if (root.TryGet("version", out var version) && version.String() != "1.0")
        {
            throw version.Error($"must be \"1.0\", not {version.Describe()}");
        }

        // "truncation" and "padding" are for who asks for batches of one length; transformers does not apply them unasked.
        var model = root.Get("model");
        var vocabulary = ByteLevelModelReader.ReadVocabulary(model);
        var definition = new TokenizerDefinition
        {
            Vocabulary = vocabulary,
            Merges = ByteLevelModelReader.ReadMerges(model.Get("merges"), vocabulary),
            IgnoreMerges = model.BooleanOr("ignore_merges", whenMissing: false),
            AddedTokens = AddedTokensReader.Read(root, vocabulary),
            ComposeCanonically = ReadNormalizer(root),
            SplitPatterns = PreTokenizerReader.Read(root.Get("pre_tokenizer")),
            Prefix = PostProcessorReader.Read(root, out int[] suffix),
            Suffix = suffix,
        };
        CheckDecoder(root.Get("decoder"));
        CheckIdsExist(root, definition);
        return definition;
    }

    /// <summary>The "type" of a tagged object.</summary>
    internal static string TypeOf(JsonField field) => field.Get("type").String();

    private static bool ReadNormalizer(JsonField root)
    {
        if (!root.TryGet("normalizer", out var normalizer) || normalizer.IsNull)
        {
            return false;
        }

        switch (TypeOf(normalizer))
        {
            case "NFC":
                normalizer.AllowOnly("type");
                return true;
            case "Sequence":
                normalizer.AllowOnly("type", "normalizers");
                bool any = false;
                foreach (var step in normalizer.Get("normalizers").Items())
                {
                    RequireType(step, "NFC");
                    step.AllowOnly("type");
                    any = true;
                }

                return any;
            default:
                throw normalizer.Error($"is {normalizer.Get("type").Describe()}; supported are null, NFC and a Sequence of NFC");
        }
    }

    private static void CheckDecoder(JsonField decoder)
    {
        if (decoder.IsNull)
        {
            throw decoder.Error("must be ByteLevel, not null");
        }

        if (TypeOf(decoder) == "Sequence")
        {
            decoder.AllowOnly("type", "decoders");
            JsonField[] steps = [.. decoder.Get("decoders").Items()];
            if (steps.Length != 1)
            {
                throw decoder.Error("must hold ByteLevel alone");
            }

            decoder = steps[0];
        }

        RequireType(decoder, "ByteLevel");
        // The other fields of a ByteLevel decoder do not take part in decoding.
        decoder.AllowOnly("type", "add_prefix_space", "trim_offsets", "use_regex");
    }

    private static void RequireType(JsonField field, string type)
    {
        if (TypeOf(field) != type)
        {
            throw field.Error($"is {field.Get("type").Describe()}; only {type} is supported here");
        }
    }

    private static void CheckIdsExist(JsonField root, TokenizerDefinition definition)
    {
        var ids = new HashSet<int>(definition.Vocabulary.Values);
        ids.UnionWith(definition.AddedTokens.Select(t => t.Id));
        foreach (int id in definition.Prefix.Concat(definition.Suffix))
        {
            if (!ids.Contains(id))
            {
                throw root.Get("post_processor").Error($"adds the id {id}, which no token has");
            }
        }
    }
}
