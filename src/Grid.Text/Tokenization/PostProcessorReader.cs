namespace Grid.Text.Tokenization;

/// <summary>Reads "post_processor" of tokenizer.json: which ids are put around a text.</summary>
internal static class PostProcessorReader
{
    /// <summary>The ids before a text; the ids after it come out by <paramref name="suffix"/>.</summary>
    public static int[] Read(JsonField root, out int[] suffix)
    {
        var before = new List<int>();
        var after = new List<int>();
        if (root.TryGet("post_processor", out var processor) && !processor.IsNull)
        {
            if (TokenizerFileReader.TypeOf(processor) == "Sequence")
            {
                processor.AllowOnly("type", "processors");
                foreach (var step in processor.Get("processors").Items())
                {
                    ReadStep(step, before, after);
                }
            }
            else
            {
                ReadStep(processor, before, after);
            }
        }

        suffix = [.. after];
        return [.. before];
    }

    private static void ReadStep(JsonField step, List<int> before, List<int> after)
    {
        switch (TokenizerFileReader.TypeOf(step))
        {
            case "ByteLevel":
                // Moves offsets only, never ids.
                step.AllowOnly("type", "add_prefix_space", "trim_offsets", "use_regex");
                break;
            case "TemplateProcessing":
                ReadTemplate(step, before, after);
                break;
            default:
                throw step.Error($"is {step.Get("type").Describe()}; supported are null, ByteLevel and TemplateProcessing");
        }
    }

    private static void ReadTemplate(JsonField step, List<int> before, List<int> after)
    {
        // "pair" is for two texts, which Grid never encodes together.
        step.AllowOnly("type", "single", "pair", "special_tokens");
        var prefix = new List<int>();
        bool seenText = false;
        foreach (var piece in step.Get("single").Items())
        {
            piece.AllowOnly("SpecialToken", "Sequence");
            if (piece.TryGet("Sequence", out var sequence))
            {
                if (seenText || sequence.Get("id").String() != "A")
                {
                    throw sequence.Error("must be the one sequence A");
                }

                seenText = true;
                continue;
            }

            var special = piece.Get("SpecialToken");
            (seenText ? after : prefix).AddRange(IdsOf(step, special.Get("id").String()));
        }

        if (!seenText)
        {
            throw step.Get("single").Error("must hold the sequence A");
        }

        // A later step wraps what an earlier one made.
        before.InsertRange(0, prefix);
    }

    private static List<int> IdsOf(JsonField step, string name)
    {
        var tokens = step.Get("special_tokens");
        if (!tokens.TryGet(name, out var token))
        {
            throw tokens.Error($"has no entry '{name}', which the template uses");
        }

        return [.. token.Get("ids").Items().Select(id => id.Id())];
    }
}
