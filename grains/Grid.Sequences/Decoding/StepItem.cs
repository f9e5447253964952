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

    /// <summary>Whether it was ended from outside, which says nothing of what it computes.</summary>
    public bool IsAborted => Kind == StepItemKind.End && Finish == StepFinish.Cancelled;

    /// <summary>One entry of a batch as its items, in order: scored prompt tokens, output tokens, end.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="index">The sequence's entry.</param>
    public static IEnumerable<StepItem> Of(StepBatch batch, int index)
    {
        var step = batch.Sequences[index];
        int alternative = step.FirstAlternative;
        int count = step.PromptTokenCount + step.OutputTokenCount;
        for (int i = 0; i < count; i++)
        {
            bool isPrompt = i < step.PromptTokenCount;
            int place = isPrompt ? step.PromptFirstIndex + i : step.OutputFirstIndex + i - step.PromptTokenCount;
            var token = batch.Tokens[step.FirstToken + i];
            var top = batch.Alternatives.AsSpan(alternative, token.AlternativeCount);
            alternative += top.Length;
            var scored = new ScoredToken(token.TokenId, token.Logprob, Pairs(top))
            {
                Digest = !isPrompt && step.HasDigests ? batch.Digests[step.FirstDigest + i - step.PromptTokenCount] : null,
            };
            yield return new StepItem(isPrompt ? StepItemKind.Prompt : StepItemKind.Output, place, scored)
            {
                IsStopToken = !isPrompt && step.StopTokenId is not null && i == count - 1,
            };
        }

        if (step.Finish != StepFinish.None)
        {
            yield return new StepItem(StepItemKind.End, 0, default) { Finish = step.Finish, StopTokenId = step.StopTokenId, Error = step.Error };
        }
    }

    /// <summary>Whether both are the same result: ids, the bits of logprobs, and digests.</summary>
    public bool HasSameBits(in StepItem other) =>
        (Kind, Index, IsStopToken, Finish, StopTokenId) == (other.Kind, other.Index, other.IsStopToken, other.Finish, other.StopTokenId)
        && SameBits(Token, other.Token);

    private static bool SameBits(in ScoredToken a, in ScoredToken b)
    {
        int count = a.Top?.Length ?? 0;
        bool same = a.TokenId == b.TokenId && Bits(a.Logprob) == Bits(b.Logprob) && a.Digest == b.Digest && count == (b.Top?.Length ?? 0);
        for (int i = 0; same && i < count; i++)
        {
            same = a.Top![i].Key == b.Top![i].Key && Bits(a.Top[i].Value) == Bits(b.Top[i].Value);
        }

        return same;
    }

    private static KeyValuePair<int, float>[] Pairs(ReadOnlySpan<StepAlternative> alternatives)
    {
        var pairs = alternatives.IsEmpty ? [] : new KeyValuePair<int, float>[alternatives.Length];
        for (int i = 0; i < pairs.Length; i++)
        {
            pairs[i] = new(alternatives[i].TokenId, alternatives[i].Logprob);
        }

        return pairs;
    }

    private static int Bits(float value) => BitConverter.SingleToInt32Bits(value);
}
