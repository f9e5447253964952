using Grid.Grains.Messages;

namespace Grid.Sequences.Decoding;

/// <summary>Kinds of <see cref="StepItem"/>.</summary>
public enum StepItemKind
{
    /// <summary>A prompt token was scored.</summary>
    Prompt,

    /// <summary>An output token was drawn.</summary>
    Output,

    /// <summary>The sequence ended.</summary>
    End,
}

/// <summary>One thing that a step did for a sequence. Workers that compute right give the same ones in the same order,
/// however their steps group them.</summary>
/// <param name="Kind">Which of the fields below count.</param>
/// <param name="Index">Prompt or output index of the token.</param>
/// <param name="Token">The token.</param>
public readonly record struct StepItem(StepItemKind Kind, int Index, ScoredToken Token)
{
    /// <summary>Whether the output token ends the sequence and is no part of its text.</summary>
    public bool IsStopToken { get; init; }

    /// <summary>Why the sequence ended.</summary>
    public StepFinish Finish { get; init; }

    /// <summary>The token that ended it, where one did.</summary>
    public int? StopTokenId { get; init; }

    /// <summary>What went wrong, with <see cref="StepFinish.Failed"/>; words, and no part of the result.</summary>
    public string? Error { get; init; }

    /// <summary>Whether both are the same result: ids, and the bits of logprobs.</summary>
    public bool HasSameBits(in StepItem other) =>
        (Kind, Index, IsStopToken, Finish, StopTokenId) == (other.Kind, other.Index, other.IsStopToken, other.Finish, other.StopTokenId)
        && SameBits(Token, other.Token);

    private static bool SameBits(in ScoredToken a, in ScoredToken b)
    {
        int count = a.Top?.Length ?? 0;
        bool same = a.TokenId == b.TokenId && Bits(a.Logprob) == Bits(b.Logprob) && count == (b.Top?.Length ?? 0);
        for (int i = 0; same && i < count; i++)
        {
            same = a.Top![i].Key == b.Top![i].Key && Bits(a.Top[i].Value) == Bits(b.Top[i].Value);
        }

        return same;
    }

    private static int Bits(float value) => BitConverter.SingleToInt32Bits(value);
}

/// <summary>One entry of a batch as its items, in order: scored prompt tokens, output tokens, end.</summary>
/// <param name="batch">The batch.</param>
/// <param name="index">The sequence's entry.</param>
public ref struct StepItems(StepBatch batch, int index)
{
    private readonly SequenceStep _step = batch.Sequences[index];
    private int _next;
    private int _alternative = batch.Sequences[index].FirstAlternative;

    /// <summary>The item that <see cref="MoveNext"/> came to.</summary>
    public StepItem Current { get; private set; }

    /// <summary>For foreach.</summary>
    public readonly StepItems GetEnumerator() => this;

    /// <summary>Goes to the next item; false after the last.</summary>
    public bool MoveNext()
    {
        int tokens = _step.PromptTokenCount + _step.OutputTokenCount;
        if (_next < tokens)
        {
            bool isPrompt = _next < _step.PromptTokenCount;
            int place = isPrompt ? _step.PromptFirstIndex + _next : _step.OutputFirstIndex + _next - _step.PromptTokenCount;
            Current = new StepItem(isPrompt ? StepItemKind.Prompt : StepItemKind.Output, place, Scored(_step.FirstToken + _next))
            {
                IsStopToken = !isPrompt && _step.StopTokenId is not null && _next == tokens - 1,
            };
            _next++;
            return true;
        }

        if (_next > tokens || _step.Finish == StepFinish.None)
        {
            return false;
        }

        Current = new StepItem(StepItemKind.End, 0, default) { Finish = _step.Finish, StopTokenId = _step.StopTokenId, Error = _step.Error };
        _next++;
        return true;
    }

    private ScoredToken Scored(int index)
    {
        var token = batch.Tokens[index];
        if (token.AlternativeCount == 0)
        {
            return new ScoredToken(token.TokenId, token.Logprob, []);
        }

        var top = new KeyValuePair<int, float>[token.AlternativeCount];
        for (int i = 0; i < top.Length; i++)
        {
            var candidate = batch.Alternatives[_alternative++];
            top[i] = new(candidate.TokenId, candidate.Logprob);
        }

        return new ScoredToken(token.TokenId, token.Logprob, top);
    }
}
