using System.Text.Json;
using Grid.Gateway.Json;
using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Sequences;
using Grid.Text;

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

    /// <summary>New tokens that the client asked for by number; null when it left them to a default.</summary>
    public int? AskedTokens { get; init; }

    /// <summary>The client's own name for it.</summary>
    public string? RequestId { get; init; }

    /// <summary>Whether logprob triples carry the token's text (/generate).</summary>
    public bool TextInLogprobs { get; init; }

    /// <summary>The id that answers show; null takes the one under which it runs. A resumed stream has its first ones.</summary>
    public Guid? PublicId { get; init; }

    /// <summary>The prompt's length in ids, where it is known before the sequence starts: when it is resumed.</summary>
    public int KnownPromptTokens { get; init; }
}

/// <summary>Which API words an answer.</summary>
internal enum AnswerForm
{
    /// <summary>/v1/chat/completions.</summary>
    Chat,

    /// <summary>/v1/completions.</summary>
    Completion,

    /// <summary>/generate.</summary>
    Generate,
}

/// <summary>A request, validated and complete: what to run and how to answer.</summary>
internal record RequestPlan
{
    public required AnswerForm Form { get; init; }

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

    /// <summary>Who asks, as far as it can be told: clients take turns where requests have to wait.</summary>
    public string Client { get; init; } = "";

    /// <summary>The field the number of new tokens came from.</summary>
    public string MaxTokensField { get; init; } = "max_tokens";

    /// <summary>Whether the client gave its prompts as a list, so that a field at fault has an index.</summary>
    public required bool PromptsAreList { get; init; }

    /// <summary>The request's field for what a refusal names; null when it names none.</summary>
    /// <param name="refusal">The refusal.</param>
    /// <param name="promptIndex">The prompt whose sequence was refused.</param>
    public string? FieldOf(Refusal refusal, int promptIndex)
    {
        if (refusal.Field is not { } property)
        {
            return null;
        }
        var field = NameOf(property);
        field = field == PromptField && PromptsAreList ? JsonValues.ItemPath(field, promptIndex) : field;
        return property is nameof(SequenceSpec.PromptIds) or nameof(GenerationParameters.StopTokenIds) && refusal.Index is { } index
            ? JsonValues.ItemPath(field, index)
            : field;
    }

    /// <summary>The request's name for a property of the spec, or of what is in it.</summary>
    protected virtual string NameOf(string property) => property switch
    {
        nameof(SequenceSpec.PromptText) or nameof(SequenceSpec.PromptIds) or Refusal.PromptLength => PromptField,
        nameof(SequenceSpec.StopStrings) => "stop",
        nameof(GenerationParameters.MaxNewTokens) => MaxTokensField,
        nameof(GenerationParameters.MinNewTokens) => "min_tokens",
        nameof(GenerationParameters.PromptLogprobsFrom) => "prompt_logprobs",
        Refusal.BiasedToken => "logit_bias",
        _ => JsonNamingPolicy.SnakeCaseLower.ConvertName(property),
    };
}

/// <summary>A plan of the OpenAI endpoints.</summary>
internal sealed record OpenAiPlan : RequestPlan
{
    /// <summary>Tokenizer and chat template of the model.</summary>
    public required TextModel Text { get; init; }

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
