using Grid.Grains.Messages;

namespace Grid.Sequences;

/// <summary>
/// One sequence as a client asked for it, validated and complete: running it again gives the same bits. A request for n
/// answers is n specs with seeds of their own.
/// </summary>
public sealed record SequenceSpec
{
    /// <summary>Served model id.</summary>
    public required string Model { get; init; }

    /// <summary>The model's NumericsId as the client is told it: workers that give other bits are not asked. Null takes the
    /// one that the model's name stands for (<see cref="ServedModel.NumericsId"/>).</summary>
    public string? NumericsId { get; init; }

    /// <summary>Who asks, as far as the gateway knows: where requests have to wait, clients take turns. No part of what is
    /// asked for.</summary>
    public string Client { get; init; } = "";

    /// <summary>Prompt text, or null when <see cref="PromptIds"/> is given.</summary>
    public string? PromptText { get; init; }

    /// <summary>Whether special tokens written out in PromptText become their ids (true for rendered chat templates
    /// and raw completions, as the field expects).</summary>
    public bool ParseSpecialTokens { get; init; } = true;

    /// <summary>Whether the tokens that the model's tokenizer puts around a text are added (Llama's beginning-of-sequence
    /// token): true for raw texts; false for rendered chats, whose template writes them.</summary>
    public bool AddSpecialTokens { get; init; }

    /// <summary>Prompt ids, or null when <see cref="PromptText"/> is given.</summary>
    public int[]? PromptIds { get; init; }

    public float Temperature { get; init; } = 1f;

    public float TopP { get; init; } = 1f;

    public int TopK { get; init; }

    public float MinP { get; init; }

    public float PresencePenalty { get; init; }

    public float FrequencyPenalty { get; init; }

    public float RepetitionPenalty { get; init; } = 1f;

    /// <summary>(token id, bias), ascending by id.</summary>
    public IReadOnlyList<KeyValuePair<int, float>> LogitBias { get; init; } = [];

    /// <summary>Drawn by the gateway when the client gave none, so that the answer can be replayed.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Null: as many as the context allows.</summary>
    public int? MaxNewTokens { get; init; }

    public int MinNewTokens { get; init; }

    public IReadOnlyList<string> StopStrings { get; init; } = [];

    public IReadOnlyList<int> StopTokenIds { get; init; } = [];

    public bool IgnoreEndTokens { get; init; }

    /// <summary>Output logprobs wanted.</summary>
    public bool Logprobs { get; init; }

    public int TopLogprobs { get; init; }

    /// <summary>Prompt logprobs from this prompt index on; null for none.</summary>
    public int? PromptLogprobsFrom { get; init; }

    /// <summary>Whether two workers compute it, and a token counts only when both agree on its bits.</summary>
    public bool CrossCheck { get; init; }

    /// <summary>The run that it takes up, when its client is back; null for a new sequence. What is known of that run is told
    /// again without logprobs; where no worker remembers it, all is computed anew.</summary>
    public FormerRun? Former { get; init; }
}

/// <summary>A token with its logprob and the most probable alternatives at its place.</summary>
public readonly record struct ScoredToken(int TokenId, float Logprob, IReadOnlyList<KeyValuePair<int, float>> Top);

/// <summary>News of a running sequence, in order. The last one has a <see cref="FinishReason"/>.</summary>
public sealed record SequenceUpdate
{
    /// <summary>Text that became final: whole characters, and nothing that may still turn out to be a stop string.</summary>
    public string Text { get; init; } = "";

    /// <summary>Output tokens new in this update (with logprobs when asked for). The stop token itself is included.</summary>
    public IReadOnlyList<ScoredToken> Tokens { get; init; } = [];

    /// <summary>Prompt logprobs new in this update: consecutive prompt indexes from PromptFirstIndex.</summary>
    public IReadOnlyList<ScoredToken> PromptTokens { get; init; } = [];

    public int PromptFirstIndex { get; init; }

    /// <summary>"stop", "length", "abort" or "error"; null while running.</summary>
    public string? FinishReason { get; init; }

    /// <summary>The stop string (string) or stop token id (int) that ended the sequence, where one did.</summary>
    public object? MatchedStop { get; init; }

    /// <summary>What went wrong, with FinishReason "error".</summary>
    public string? Error { get; init; }
}
