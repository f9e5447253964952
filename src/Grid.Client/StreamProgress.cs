using Grid.Grains.Messages;

namespace Grid.Client;

/// <summary>
/// How far a sequence's stream has come, over all its attempts. Another attempt begins at the beginning and brings the same
/// bits, so what was delivered already is left out by counting.
/// </summary>
internal sealed class StreamProgress(ulong seed)
{
    private readonly Cursor _delivered = new();
    private Cursor _attempt = new();
    private bool _begun;
    private int? _maxNewTokens;

    /// <summary>A new attempt begins. Gives what it is to be asked for, so that it ends where the sequence does and what was
    /// delivered is not drawn anew, but for the last token: whatever ends with that is told again.</summary>
    public SequenceSpec Restart(SequenceSpec spec)
    {
        _attempt = new Cursor();

        // Of a prompt that is scored, anything may still be to come.
        int known = spec.Generation.PromptLogprobsFrom is null ? Math.Max(0, _delivered.Tokens - 1) : 0;
        return spec with
        {
            Former = spec.Former! with { KnownTokens = known },
            Generation = spec.Generation with { MaxNewTokens = _maxNewTokens ?? spec.Generation.MaxNewTokens },
        };
    }

    /// <summary>What of an update is new; null when nothing is.</summary>
    public GenerationUpdate? Take(ClientUpdate update)
    {
        bool first = update.PromptIds is not null && !_begun;
        _begun |= first;
        _maxNewTokens = first && update.MaxNewTokens > 0 ? update.MaxNewTokens : _maxNewTokens; // A silo of an older version does not say.
        int text = Skip(ref _attempt.Text, ref _delivered.Text, update.Text.Length);
        int tokens = Skip(ref _attempt.Tokens, ref _delivered.Tokens, update.Tokens.Length);
        int prompt = Skip(ref _attempt.Prompt, ref _delivered.Prompt, update.PromptTokens.Length);
        if (!first && text == update.Text.Length && tokens == update.Tokens.Length && prompt == update.PromptTokens.Length
            && update.FinishReason is null)
        {
            return null;
        }

        return new GenerationUpdate
        {
            PromptIds = first ? update.PromptIds : null,
            CachedTokens = first ? update.CachedTokens : 0,
            Seed = seed,
            Text = update.Text[text..],
            Tokens = Convert(update.Tokens.AsSpan(tokens)),
            PromptTokens = Convert(update.PromptTokens.AsSpan(prompt)),
            FinishReason = update.FinishReason,
            MatchedStopString = update.MatchedStopString,
            MatchedStopToken = update.MatchedStopToken,
        };
    }

    /// <summary>How many of the next items were delivered before.</summary>
    private static int Skip(ref int attempt, ref int delivered, int count)
    {
        int skip = Math.Clamp(delivered - attempt, 0, count);
        attempt += count;
        delivered = Math.Max(delivered, attempt);
        return skip;
    }

    private static GeneratedToken[] Convert(ReadOnlySpan<ClientToken> tokens)
    {
        var converted = new GeneratedToken[tokens.Length];
        for (int i = 0; i < converted.Length; i++)
        {
            converted[i] = new GeneratedToken(
                tokens[i].TokenId, tokens[i].Logprob, [.. tokens[i].Top.Select(top => new KeyValuePair<int, float>(top.TokenId, top.Logprob))]);
        }

        return converted;
    }

    private sealed class Cursor
    {
        public int Text;
        public int Tokens;
        public int Prompt;
    }
}
