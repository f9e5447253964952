using Grid.Sequences;

namespace Grid.Gateway.Requests;

/// <summary>A prompt as a client gave it: text or ids.</summary>
internal readonly record struct Prompt(string? Text, int[]? Ids);

/// <summary>One sequence that a request starts.</summary>
/// <param name="Spec">What the grid runs.</param>
/// <param name="PromptIndex">Which of the request's prompts it answers.</param>
internal sealed record PlannedSequence(SequenceSpec Spec, int PromptIndex)
{
    /// <summary>The client wants the prompt's logprobs and no output (max tokens 0). The grid draws at least one token,
    /// so one is asked for and dropped.</summary>
    public bool ScoreOnly { get; init; }

    /// <summary>The client's own name for it.</summary>
    public string? RequestId { get; init; }

    /// <summary>Whether logprob triples carry the token's text (/generate).</summary>
    public bool TextInLogprobs { get; init; }
}

/// <summary>A request, validated and complete: what to run and how to answer.</summary>
internal record RequestPlan
{
    public required ServedModel Model { get; init; }

    /// <summary>Prompt by prompt, and within a prompt answer by answer; the index is the answer's index.</summary>
    public required IReadOnlyList<PlannedSequence> Sequences { get; init; }

    public required int PromptCount { get; init; }

    /// <summary>Whether the answer is a stream of events.</summary>
    public bool Stream { get; init; }

    /// <summary>The field the prompts came from.</summary>
    public required string PromptField { get; init; }

    /// <summary>The client's name for its user, for the request log.</summary>
    public string? User { get; init; }

    /// <summary>The request's field for the one a refusal names by its place in the spec (PromptIds[3],
    /// Sampling.LogitBias); null when it names none.</summary>
    public string? FieldOf(string? specField)
    {
        if (specField is null)
        {
            return null;
        }
        var dot = specField.LastIndexOf('.') + 1;
        var bracket = specField.IndexOf('[', dot);
        return bracket < 0 ? NamedField(specField[dot..]) : NamedField(specField[dot..bracket]) + specField[bracket..];
    }

    /// <summary>The request's name for a property of <see cref="SequenceSpec"/>; other names stay as they are.</summary>
    protected virtual string NamedField(string property) => property switch
    {
        nameof(SequenceSpec.PromptText) or nameof(SequenceSpec.PromptIds) => PromptField,
        nameof(SequenceSpec.MaxNewTokens) => "max_tokens",
        nameof(SequenceSpec.MinNewTokens) => "min_tokens",
        nameof(SequenceSpec.StopTokenIds) => "stop_token_ids",
        nameof(SequenceSpec.StopStrings) => "stop",
        nameof(SequenceSpec.LogitBias) => "logit_bias",
        nameof(SequenceSpec.PromptLogprobsFrom) => "prompt_logprobs",
        nameof(SequenceSpec.TopLogprobs) => "top_logprobs",
        _ => property,
    };
}

/// <summary>A plan of the OpenAI endpoints.</summary>
internal sealed record OpenAiPlan : RequestPlan
{
    /// <summary>Seed of each prompt's first answer, given or drawn; answer i of a prompt runs with Seed + i.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Most probable tokens to report with each output logprob; null: no output logprobs.</summary>
    public int? TopLogprobs { get; init; }

    /// <summary>Most probable tokens to report with each prompt logprob (prompt_logprobs); null: none.</summary>
    public int? PromptLogprobs { get; init; }

    /// <summary>Whether the answer's text begins with the prompt (completions).</summary>
    public bool Echo { get; init; }

    /// <summary>Whether a stream ends with a usage event.</summary>
    public bool IncludeUsage { get; init; }

    /// <summary>The client's key-value pairs, returned as they came.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Metadata { get; init; } = [];
}
