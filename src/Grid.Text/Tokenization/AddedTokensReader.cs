namespace Grid.Text.Tokenization;

/// <summary>Reads "added_tokens" of tokenizer.json.</summary>
internal static class AddedTokensReader
{
    public static List<AddedToken> Read(JsonField root, Dictionary<string, int> vocabulary)
    {
        var tokens = new List<AddedToken>();
        if (!root.TryGet("added_tokens", out var list) || list.IsNull)
        {
            return tokens;
        }

        var contents = new HashSet<string>(StringComparer.Ordinal);
        int next = vocabulary.Count;
        foreach (var item in list.Items())
        {
            var token = ReadOne(item);
            if (!contents.Add(token.Content))
            {
                throw item.Error($"adds '{token.Content}' a second time");
            }

            // The ids the tokenizers library gives: that of the vocabulary, else the next free one. A file whose ids
            // differ would mean other ids there than here.
            int expected = vocabulary.TryGetValue(token.Content, out int known) ? known : next;
            if (token.Id != expected)
            {
                throw item.Get("id").Error($"must be {expected} for '{token.Content}' (its id in model.vocab, else the next free id), not {token.Id}");
            }

            next = Math.Max(next, token.Id + 1);
            tokens.Add(token);
        }

        CheckDistinctIds(list, vocabulary, tokens);
        return tokens;
    }

    private static AddedToken ReadOne(JsonField item)
    {
        item.AllowOnly("id", "content", "single_word", "lstrip", "rstrip", "normalized", "special");
        if (item.BooleanOr("single_word", whenMissing: false))
        {
            throw item.Get("single_word").Error("must be false: tokens found only as whole words are not supported");
        }

        var content = item.Get("content");
        if (content.String().Length == 0)
        {
            throw content.Error("must not be empty");
        }

        return new AddedToken(
            item.Get("id").Id(),
            content.String(),
            item.BooleanOr("lstrip", whenMissing: false),
            item.BooleanOr("rstrip", whenMissing: false),
            item.BooleanOr("normalized", whenMissing: false),
            item.BooleanOr("special", whenMissing: false));
    }

    private static void CheckDistinctIds(JsonField list, Dictionary<string, int> vocabulary, List<AddedToken> tokens)
    {
        var tokenOfId = vocabulary.ToDictionary(pair => pair.Value, pair => pair.Key);
        foreach (var token in tokens)
        {
            if (!tokenOfId.TryAdd(token.Id, token.Content) && tokenOfId[token.Id] != token.Content)
            {
                throw list.Error($"gives '{token.Content}' the id {token.Id}, which '{tokenOfId[token.Id]}' has");
            }
        }
    }
}
