using System.Text;
using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Text;

namespace Grid.Sequences.Decoding;

/// <summary>
/// Turns one sequence's step entries into updates: ids to text, stop strings, finish reason. What it gives depends on
/// the tokens alone, never on how they were grouped into batches: after a stop string's token nothing counts any more.
/// </summary>
/// <param name="tokenizer">The model's; null gives ids without text.</param>
/// <param name="stopStrings">Texts that end the sequence; none without a tokenizer.</param>
/// <param name="minNewTokens">No stop string ends the sequence that ends in the text of its first so many tokens.</param>
/// <param name="showsSpecialTokens">Whether special tokens are a part of the text.</param>
/// <param name="showsStop">Whether what ends the sequence is: the stop token's text, or the stop string and all of its last token's.</param>
public sealed class SequenceDecoder(
    Tokenizer? tokenizer, IReadOnlyList<string> stopStrings, int minNewTokens = 0, bool showsSpecialTokens = false, bool showsStop = false)
{
    private readonly IncrementalDetokenizer? _detokenizer = tokenizer is null ? null : new(tokenizer, skipSpecialTokens: !showsSpecialTokens);
    private readonly StopStringMatcher _matcher = new(stopStrings) { ShowsMatch = showsStop };
    private readonly List<int> _outputIds = [];
    private readonly StringBuilder _text = new();
    private readonly List<ScoredToken> _tokens = [];
    private readonly List<ScoredToken> _promptTokens = [];
    private SequenceUpdate _end = new();
    private bool _endTaken;

    /// <summary>All output ids so far.</summary>
    public IReadOnlyList<int> OutputIds => _outputIds;

    /// <summary>"stop", "length", "abort" or "error"; null while running.</summary>
    public string? FinishReason => _end.FinishReason;

    /// <summary>The next prompt index whose logprob has not been seen; 0 when none has.</summary>
    public int NextPromptIndex { get; private set; }

    /// <summary>Takes one thing that happened to the sequence; nothing once it has ended. Throws
    /// <see cref="InvalidOperationException"/> when an output index does not continue what came before.</summary>
    public void Take(in StepItem item)
    {
        if (FinishReason is not null)
        {
            return;
        }

        switch (item.Kind)
        {
            case StepItemKind.Prompt:
                _promptTokens.Add(item.Token);
                NextPromptIndex = item.Index + 1;
                break;
            case StepItemKind.Output when item.Index != _outputIds.Count:
                throw new InvalidOperationException($"Output token {item.Index} came where {_outputIds.Count} was due.");
            case StepItemKind.Output:
                TakeOutput(item.Token, item.IsStopToken);
                break;
            default:
                Finish(ReasonOf(item.Finish), item.StopTokenId, item.Error);
                break;
        }
    }

    /// <summary>Ends the sequence from this side ("abort", "error"); does nothing once it has ended.</summary>
    public void Finish(string reason, object? matchedStop = null, string? error = null, Refusal? refusal = null)
    {
        if (FinishReason is not null)
        {
            return;
        }

        Append(_detokenizer?.Flush());
        if (FinishReason is null)
        {
            _text.Append(_matcher.Flush());
            _end = new() { FinishReason = reason, MatchedStop = matchedStop, Error = error, Refusal = refusal };
        }
    }

    /// <summary>What is new since the last call; null when nothing is, and after the update with the finish reason.</summary>
    public SequenceUpdate? TakeUpdate()
    {
        bool nothing = _text.Length == 0 && _tokens.Count == 0 && _promptTokens.Count == 0 && FinishReason is null;
        if (nothing || _endTaken)
        {
            return null;
        }

        _endTaken = FinishReason is not null;
        var update = _end with
        {
            Text = _text.ToString(),
            Tokens = [.. _tokens],
            PromptTokens = [.. _promptTokens],
            PromptFirstIndex = NextPromptIndex - _promptTokens.Count,
        };
        _text.Clear();
        _tokens.Clear();
        _promptTokens.Clear();
        return update;
    }

    private static string ReasonOf(StepFinish finish) => finish switch
    {
        StepFinish.Stop => "stop",
        StepFinish.Length => "length",
        StepFinish.Cancelled => "abort",
        StepFinish.Failed => "error",
        _ => throw new ArgumentOutOfRangeException(nameof(finish), finish, "Unknown finish."),
    };

    private void TakeOutput(ScoredToken token, bool isStopToken)
    {
        _outputIds.Add(token.TokenId);
        _tokens.Add(token);
        if (!isStopToken || showsStop) // It ends the text and is no part of it.
        {
            Append(_detokenizer?.Append(token.TokenId));
        }
    }

    private void Append(string? text)
    {
        _text.Append(_matcher.Append(text ?? "", mayMatch: _outputIds.Count > minNewTokens));
        if (_matcher.Matched is { } matched)
        {
            _end = new() { FinishReason = "stop", MatchedStop = matched };
        }
    }
}
