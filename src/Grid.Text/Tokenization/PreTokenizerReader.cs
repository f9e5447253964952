using System.Text.RegularExpressions;

namespace Grid.Text.Tokenization;

/// <summary>Reads "pre_tokenizer" of tokenizer.json: any number of splits, then ByteLevel.</summary>
internal static class PreTokenizerReader
{
    /// <summary>The patterns that cut text to words, in order, in .NET's dialect.</summary>
    public static List<string> Read(JsonField field)
    {
        if (field.IsNull)
        {
            throw field.Error("must be ByteLevel, or a Sequence that ends in it, not null");
        }

        JsonField[] steps = [field];
        if (TokenizerFileReader.TypeOf(field) == "Sequence")
        {
            field.AllowOnly("type", "pretokenizers");
            steps = [.. field.Get("pretokenizers").Items()];
        }

        var patterns = new List<string>();
        for (int i = 0; i < steps.Length; i++)
        {
            bool last = i == steps.Length - 1;
            var step = steps[i];
            string type = TokenizerFileReader.TypeOf(step);
            if (last != (type == "ByteLevel"))
            {
                throw step.Error($"is {type}; a byte-level tokenizer has ByteLevel as its last step and only there");
            }

            ReadStep(step, type, patterns);
        }

        return steps.Length > 0 ? patterns : throw field.Error("is empty; ByteLevel is needed");
    }

    private static void ReadStep(JsonField step, string type, List<string> patterns)
    {
        switch (type)
        {
            case "ByteLevel":
                step.AllowOnly("type", "add_prefix_space", "trim_offsets", "use_regex");
                // Both count as true where they are not given.
                if (step.BooleanOr("add_prefix_space", whenMissing: true))
                {
                    throw step.Error("has add_prefix_space true (or not given); only false is supported");
                }

                if (step.BooleanOr("use_regex", whenMissing: true))
                {
                    patterns.Add(SplitPattern.Translate(WordSplitter.Gpt2Pattern));
                }

                break;
            case "Split":
                patterns.Add(ReadSplit(step));
                break;
            case "Digits":
                step.AllowOnly("type", "individual_digits");
                patterns.Add(step.BooleanOr("individual_digits", whenMissing: false) ? @"\p{N}" : @"\p{N}+");
                break;
            default:
                throw step.Error($"is {type}; supported are Split, Digits and ByteLevel");
        }
    }

    private static string ReadSplit(JsonField step)
    {
        step.AllowOnly("type", "pattern", "behavior", "invert");
        var behavior = step.Get("behavior");
        if (behavior.String() != "Isolated")
        {
            throw behavior.Error($"must be \"Isolated\", not {behavior.Describe()}");
        }

        // Which parts are matches and which lie between makes no difference where all of them stay.
        _ = step.BooleanOr("invert", whenMissing: false);
        var pattern = step.Get("pattern");
        pattern.AllowOnly("Regex", "String");
        bool isRegex = pattern.TryGet("Regex", out var source);
        if (!isRegex && !pattern.TryGet("String", out source))
        {
            throw pattern.Error("must have Regex or String");
        }

        try
        {
            string text = source.String();
            string translated = SplitPattern.Translate(isRegex ? text : EscapeAll(text));
            _ = new Regex(translated, RegexOptions.CultureInvariant);
            return translated;
        }
        catch (Exception error) when (error is FormatException or ArgumentException)
        {
            throw source.Error($"cannot be used: {error.Message}");
        }
    }

    private static string EscapeAll(string text) =>
        string.Concat(text.Select(c => char.IsAscii(c) && !char.IsAsciiLetterOrDigit(c) && c > ' ' ? $"\\{c}" : c.ToString()));
}
