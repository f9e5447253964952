using Grid.Engine.PrefixCaching;
using Grid.Numerics;

namespace Grid.Engine.Sequences;

/// <summary>
/// A sequence inside the engine: its request, its tokens so far and where it stands. Owned by the step thread once it
/// has left the inbox. The stages change it; it decides nothing.
/// </summary>
internal sealed class Sequence
{
    private readonly int[] _endingIds;

    /// <summary>Takes a validated request; its ids are copied.</summary>
    public Sequence(SequenceRequest request, IReadOnlyList<int> endTokenIds, int maxPositions)
    {
        Request = request;
        Rank = request.Rank;
        TokenCount = request.PromptIds.Length + request.PriorOutputIds.Length;
        LengthLimit = LengthLimitOf(request, maxPositions);
        ExpectedCount = Math.Min(request.ExpectedOutputIds.Length, LengthLimit - 1 - TokenCount); // The last one has no row.
        Tokens = [.. request.PromptIds, .. request.PriorOutputIds, .. request.ExpectedOutputIds.AsSpan(0, ExpectedCount)];
        _endingIds = EndingIdsOf(request, endTokenIds);
        PageTable = new int[PagesFor(LengthLimit - 1)];
        NextPromptIndexToScore = Math.Max(1, request.PromptLogprobsFrom ?? int.MaxValue);
        History = HistoryOf(request);
    }

    public SequenceRequest Request { get; }

    public SequenceId Id => Request.Id;

    public SamplingParameters Parameters => Request.Sampling;

    /// <summary>Prompt and output ids; <see cref="TokenCount"/> of them are known, and so many more expected as
    /// <see cref="ExpectedCount"/> says.</summary>
    public int[] Tokens { get; private set; }

    public int TokenCount { get; private set; }

    /// <summary>Tokens behind the known ones that are computed at once with them, each with a draw that says whether it is right.</summary>
    public int ExpectedCount { get; private set; }

    /// <summary>Known tokens and expected ones: those that get rows and pages.</summary>
    public int RowCount => TokenCount + ExpectedCount;

    public int PromptLength => Request.PromptIds.Length;

    public int OutputCount => TokenCount - PromptLength;

    /// <summary>Tokens, prompt included, at which the sequence ends with <see cref="FinishReason.Length"/>.</summary>
    public int LengthLimit { get; }

    /// <summary>Leading tokens whose keys and values are in the pages.</summary>
    public int ComputedTokens { get; set; }

    /// <summary>Tokens still to be computed; 1 in decode.</summary>
    public int PendingTokens => RowCount - ComputedTokens;

    /// <summary>PageTable[i] holds positions i*64 .. i*64+63; the first <see cref="PageCount"/> entries are in use.</summary>
    public int[] PageTable { get; }

    public int PageCount { get; set; }

    /// <summary>The deepest prefix-cache node leased; null while none is. Its path is the first
    /// <see cref="LeasedPages"/> pages of the table, the other pages are the sequence's own.</summary>
    public PrefixNode? LeasedPath { get; set; }

    public int LeasedPages { get; set; }

    /// <summary>The first prompt index whose logprob is still owed; beyond the prompt when none is.</summary>
    public int NextPromptIndexToScore { get; set; }

    public bool OwesPromptLogprobs => NextPromptIndexToScore < PromptLength;

    /// <summary>What penalties are computed from; null when no penalty is on.</summary>
    public TokenHistory? History { get; }

    /// <summary>True once admitted for the first time.</summary>
    public bool Started { get; set; }

    public SequencePhase Phase { get; set; }

    /// <summary>The request's rank, less what it has waited.</summary>
    public int Rank { get; set; }

    /// <summary>Tokens that admission would leave to compute, as of when it came or went back to the waiting queue.</summary>
    public int ExpectedTokens { get; set; }

    /// <summary>Who computes the pages that it would compute next; null when nobody does.</summary>
    public Sequence? Leader { get; set; }

    /// <summary>Pages that it shares with its leader.</summary>
    public int LeaderPages { get; set; }

    /// <summary>Its place in the waiting queue while it waits there.</summary>
    public LinkedListNode<Sequence>? WaitingPlace { get; set; }

    /// <summary>The history as of a position, which is that of the next token or of an expected one's.</summary>
    public TokenHistory? HistoryAt(int position)
    {
        if (History is null || position == TokenCount)
        {
            return History;
        }

        var history = History.Copy();
        for (int i = TokenCount; i < position; i++)
        {
            history.AddOutput(Tokens[i]);
        }

        return history;
    }

    /// <summary>Ids that may not be drawn for a position: those that would end the sequence before min_new_tokens.</summary>
    public int[] BannedAt(int position) => position - PromptLength < Request.MinNewTokens ? _endingIds : [];

    /// <summary>Pages that hold so many tokens.</summary>
    public static int PagesFor(int tokens) => (tokens + AttentionLayout.BlockTokens - 1) / AttentionLayout.BlockTokens;

    /// <summary>The length at which a request ends: max_new_tokens or the model's last position, whichever is first; a token is drawn
    /// also after a prompt that fills all positions.</summary>
    public static int LengthLimitOf(SequenceRequest request, int maxPositions) =>
        (int)Math.Min((long)request.PromptIds.Length + request.MaxNewTokens!.Value, Math.Max(maxPositions, request.PromptIds.Length + 1));

    /// <summary>Ids that end the request's sequence, ascending, each once.</summary>
    public static int[] EndingIdsOf(SequenceRequest request, IReadOnlyList<int> endTokenIds)
    {
        var ids = request.IgnoreEndTokens ? request.StopTokenIds : request.StopTokenIds.Concat(endTokenIds);
        return [.. ids.Distinct().Order()];
    }

    /// <summary>Makes room for all tokens that the sequence may come to, so that appending never allocates.</summary>
    public void ReserveTokens()
    {
        if (Tokens.Length < LengthLimit)
        {
            int[] tokens = new int[LengthLimit];
            Tokens.AsSpan(0, RowCount).CopyTo(tokens);
            Tokens = tokens;
        }
    }

    /// <summary>Adds an output token; where one was expected, in its place.</summary>
    public void Append(int tokenId)
    {
        Tokens[TokenCount++] = tokenId;
        ExpectedCount = Math.Max(0, ExpectedCount - 1);
        History?.AddOutput(tokenId);
    }

    /// <summary>Forgets what was expected.</summary>
    public void ExpectNothing() => ExpectedCount = 0;

    /// <summary>Whether drawing this token ends the sequence.</summary>
    public bool EndsWith(int tokenId) => Array.BinarySearch(_endingIds, tokenId) >= 0;

    private static TokenHistory? HistoryOf(SequenceRequest request)
    {
        var p = request.Sampling;
        if (p.PresencePenalty == 0f && p.FrequencyPenalty == 0f && p.RepetitionPenalty == 1f)
        {
            return null;
        }

        TokenHistory history = new();
        foreach (int id in request.PromptIds)
        {
            history.AddPrompt(id);
        }

        foreach (int id in request.PriorOutputIds)
        {
            history.AddOutput(id);
        }

        return history;
    }
}

/// <summary>Where a sequence is in its life.</summary>
internal enum SequencePhase
{
    Waiting,
    Running,
    Finished,
}
