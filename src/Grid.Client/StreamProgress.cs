using Grid.Grains;
using Grid.Grains.Messages;

namespace Grid.Client;

/// <summary>How far a sequence's stream has come, over all its attempts: each brings the same bits from the beginning, and only what is new
/// is told.</summary>
internal sealed class StreamProgress(ulong seed, string numericsId)
{
    private static readonly SequenceUpdate s_nothing = new();

    private readonly SequenceCursor _cursor = new();
    private bool _begun;
    private int? _maxNewTokens;

    /// <summary>A new attempt begins. Gives what it is to be asked for, so that it ends where the sequence does and what was
    /// delivered is not drawn anew, but for the last token: whatever ends with that is told again.</summary>
    public SequenceSpec Restart(SequenceSpec spec)
    {
        _cursor.Restart();

        // Of a prompt that is scored, anything may still be to come.
        int known = spec.Generation.PromptLogprobsFrom is null ? Math.Max(0, _cursor.Tokens - 1) : 0;
        return spec with
        {
            Resumed = spec.Resumed! with { KnownTokens = known, ReportedTokens = _cursor.Tokens },
            Generation = spec.Generation with { MaxNewTokens = _maxNewTokens ?? spec.Generation.MaxNewTokens },
        };
    }

    /// <summary>What of an update is new; null when nothing is.</summary>
    public GenerationUpdate? Take(SequenceUpdate update)
    {
        bool first = update.PromptIds is not null && !_begun;
        _begun |= first;
        _maxNewTokens = first ? update.MaxNewTokens : _maxNewTokens;
        var (_, news) = _cursor.Take(update);
        if (news is null && !first)
        {
            return null;
        }

        news ??= s_nothing;
        return new GenerationUpdate
        {
            PromptIds = first ? update.PromptIds : null,
            CachedTokens = first ? update.CachedTokens : 0,
            Seed = seed,
            NumericsId = numericsId,
            Text = news.Text,
            Tokens = Convert(news.Tokens),
            PromptTokens = Convert(news.PromptTokens),
            FinishReason = news.FinishReason,
            MatchedStopString = news.MatchedStop as string,
            MatchedStopToken = news.MatchedStop as int?,
        };
    }

    private static GeneratedToken[] Convert(ScoredToken[] tokens) =>
        Array.ConvertAll(tokens, token => new GeneratedToken(token.TokenId, token.Logprob, token.Top));
}
