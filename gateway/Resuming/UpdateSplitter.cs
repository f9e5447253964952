using Grid.Sequences;

namespace Grid.Gateway.Resuming;

/// <summary>Cuts a sequence's updates where its client left off, so that none is known in part.</summary>
/// <param name="known">What the client has.</param>
internal sealed class UpdateSplitter(SequenceProgress known)
{
    private int _tokens = Math.Max(known.Tokens, 0);
    private int _characters = known.Characters;

    /// <summary>Whether the sequence ended before the place where its client claims to be.</summary>
    public bool FellShort => _tokens > 0 || _characters > 0;

    /// <summary>The update, or its known part and the rest.</summary>
    public IEnumerable<SequenceUpdate> Split(SequenceUpdate update)
    {
        var tokens = Math.Min(_tokens, update.Tokens.Count);
        var characters = Math.Min(_characters, update.Text.Length);
        _tokens -= tokens;
        _characters -= characters;
        if ((tokens == 0 && characters == 0) || (tokens == update.Tokens.Count && characters == update.Text.Length && update.FinishReason is null))
        {
            return [update];
        }
        return
        [
            new SequenceUpdate
            {
                Text = update.Text[..characters],
                Tokens = [.. update.Tokens.Take(tokens)],
                PromptTokens = update.PromptTokens,
                PromptFirstIndex = update.PromptFirstIndex,
            },
            update with { Text = update.Text[characters..], Tokens = [.. update.Tokens.Skip(tokens)], PromptTokens = [] },
        ];
    }
}
