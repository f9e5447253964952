using Grid.Grains.Messages;

namespace Grid.Grains;

/// <summary>
/// How much of a sequence its reader has got, over any number of runs. Each run begins at the beginning and gives the same, so what is
/// known already is told from what is new by counting.
/// </summary>
/// <param name="tokens">Output tokens that the reader has at first.</param>
/// <param name="characters">UTF-16 units of text that it has.</param>
/// <param name="promptTokens">Scored prompt tokens that it has.</param>
public sealed class SequenceCursor(int tokens = 0, int characters = 0, int promptTokens = 0)
{
    private (int Tokens, int Characters, int PromptTokens) _known = (tokens, characters, promptTokens);
    private (int Tokens, int Characters, int PromptTokens) _run;

    /// <summary>Output tokens that the reader has.</summary>
    public int Tokens => _known.Tokens;

    /// <summary>Whether this run has not come yet to where the reader is.</summary>
    public bool IsBehind => _run.Tokens < _known.Tokens || _run.Characters < _known.Characters;

    /// <summary>Another run begins.</summary>
    public void Restart() => _run = default;

    /// <summary>Takes the run's next update and cuts it where the reader left off. A part without content is null.</summary>
    public (SequenceUpdate? Known, SequenceUpdate? News) Take(SequenceUpdate update)
    {
        int tokens = Skip(ref _run.Tokens, ref _known.Tokens, update.Tokens.Length);
        int characters = Skip(ref _run.Characters, ref _known.Characters, update.Text.Length);
        int prompt = Skip(ref _run.PromptTokens, ref _known.PromptTokens, update.PromptTokens.Length);
        bool anyNews = update.FinishReason is not null
            || tokens < update.Tokens.Length || characters < update.Text.Length || prompt < update.PromptTokens.Length;
        if (tokens == 0 && characters == 0 && prompt == 0)
        {
            return (null, anyNews ? update : null);
        }

        return !anyNews ? (update, null) : (
            new SequenceUpdate
            {
                Text = update.Text[..characters],
                Tokens = update.Tokens[..tokens],
                PromptTokens = update.PromptTokens[..prompt],
                PromptFirstIndex = update.PromptFirstIndex,
            },
            update with
            {
                Text = update.Text[characters..],
                Tokens = update.Tokens[tokens..],
                PromptTokens = update.PromptTokens[prompt..],
                PromptFirstIndex = update.PromptFirstIndex + prompt,
            });
    }

    /// <summary>How many of the run's next items the reader has; it has all of them then.</summary>
    private static int Skip(ref int run, ref int known, int count)
    {
        int skip = Math.Clamp(known - run, 0, count);
        run += count;
        known = Math.Max(known, run);
        return skip;
    }
}
