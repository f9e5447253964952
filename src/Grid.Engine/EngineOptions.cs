using Grid.Models;

namespace Grid.Engine;

/// <summary>Limits of one engine. None of them changes a token's bits.</summary>
public sealed record EngineOptions
{
    /// <summary>Rows (tokens) in one forward pass at most.</summary>
    public int MaxBatchTokens { get; init; } = 512;

    /// <summary>Sequences running at once. No more than <see cref="MaxBatchTokens"/> run, so that every decoding
    /// sequence has its row in every step.</summary>
    public int MaxRunningSequences { get; init; } = 128;

    /// <summary>Prompt rows of one sequence in one step at most.</summary>
    public int PrefillChunkTokens { get; init; } = 256;

    /// <summary>KV pages.</summary>
    public required int KvPages { get; init; }

    /// <summary>Requests waiting at most besides those that there is room for; one more is refused.</summary>
    public int MaxWaitingSequences { get; init; } = 1024;

    /// <summary>Whether prompts may begin with pages that others have computed. It changes no bit.</summary>
    public bool PrefixCaching { get; init; } = true;

    /// <summary>Rows of logits held at a time; a step that needs more works through them in groups of this size.</summary>
    public int MaxLogitRows { get; init; } = 128;

    /// <summary>Throws <see cref="ArgumentOutOfRangeException"/> naming option, value and rule.</summary>
    internal void Validate(ICausalLanguageModel model)
    {
        Require(nameof(MaxBatchTokens), MaxBatchTokens, model.MaxRows);
        Require(nameof(MaxRunningSequences), MaxRunningSequences, int.MaxValue);
        Require(nameof(PrefillChunkTokens), PrefillChunkTokens, int.MaxValue);
        Require(nameof(KvPages), KvPages, int.MaxValue);
        Require(nameof(MaxWaitingSequences), MaxWaitingSequences, int.MaxValue);
        Require(nameof(MaxLogitRows), MaxLogitRows, int.MaxValue);
    }

    private static void Require(string option, int value, int limit)
    {
        if (value < 1 || value > limit)
        {
            string rule = limit == int.MaxValue ? "at least 1" : $"from 1 to {limit}, the rows that the model takes";
            throw new ArgumentOutOfRangeException(option, value, $"{nameof(EngineOptions)}.{option} is {value}; it must be {rule}.");
        }
    }
}
