using Grid.Text;

namespace Grid.Gateway.Answers;

/// <summary>
/// Where tokens begin in an answer's text, in Unicode code points. A token that holds only part of a character begins
/// where that character does.
/// </summary>
/// <param name="tokenizer">The model's.</param>
/// <param name="showsSpecialTokens">Whether an output's text shows its special tokens.</param>
internal sealed class TextOffsets(Tokenizer tokenizer, bool showsSpecialTokens)
{
    // A prompt's text shows its special tokens.
    private readonly IncrementalDetokenizer _prompt = new(tokenizer, skipSpecialTokens: false);
    private readonly IncrementalDetokenizer _output = new(tokenizer, skipSpecialTokens: !showsSpecialTokens);
    private int _offset;

    /// <summary>Offset of the next prompt token.</summary>
    public int Prompt(int id) => Advance(_prompt.Append(id));

    /// <summary>Offset of a prompt token that the text does not show: one the model's texts begin or end with.</summary>
    public int Unshown() => _offset;

    /// <summary>Takes in what the prompt's last tokens left unfinished.</summary>
    public void EndPrompt() => Advance(_prompt.Flush());

    /// <summary>Offset of the next output token.</summary>
    public int Output(int id) => Advance(_output.Append(id));

    private int Advance(string text)
    {
        int begin = _offset;
        foreach (var _ in text.EnumerateRunes())
        {
            _offset++;
        }
        return begin;
    }
}
