using System.Text.Json;
using System.Text.Json.Serialization;
using Grid.Gateway.Http;
using Grid.Gateway.Json;
using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Sequences;
using Grid.Text;

namespace Grid.Gateway.Requests;

/// <summary>A prompt as a client gave it: text or ids.</summary>
internal readonly record struct Prompt(string? Text, int[]? Ids);

/// <summary>One sequence that a request starts.</summary>
/// <param name="Spec">What the grid runs, but for the prompt.</param>
/// <param name="PromptIndex">Which of the request's prompts it answers.</param>
internal sealed record PlannedSequence(SequenceSpec Spec, int PromptIndex)
{
    /// <summary>The client wants the prompt's logprobs and no output (max tokens 0). The grid draws at least one token,
    /// so one is asked for and dropped.</summary>
    public bool ScoreOnly { get; init; }

    /// <summary>Whether its answer may be shared with equal ones, and remembered: nothing in it is drawn for this request alone, and the client
    /// minds neither.</summary>
    public bool IsShared { get; init; }

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

/// <summary>A request, validated and complete: what to run and how to answer. It can be kept as it is, but for the model, and
/// run again.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "Api")]
[JsonDerivedType(typeof(ChatPlan), "chat")]
[JsonDerivedType(typeof(CompletionPlan), "completion")]
[JsonDerivedType(typeof(GeneratePlan), "generate")]
internal abstract record RequestPlan
{
    [JsonIgnore]
    public ServedModel Model { get; init; } = null!;

    public required IReadOnlyList<Prompt> Prompts { get; init; }

    /// <summary>Prompt by prompt, and within a prompt answer by answer; the index is the answer's index.</summary>
    public required IReadOnlyList<PlannedSequence> Sequences { get; init; }

    /// <summary>Whether the answer is a stream of events.</summary>
    public bool Stream { get; init; }

    /// <summary>Whether its events have ids.</summary>
    public bool EventIds { get; init; }

    /// <summary>The field the prompts came from.</summary>
    public required string PromptField { get; init; }

    /// <summary>Whether the answer has the receipts of its sequences.</summary>
    public bool Receipt { get; init; }

    /// <summary>The client's name for its user: for the request log, and its users share what the client has.</summary>
    public string? User { get; init; }

    /// <summary>Seconds that it may take in all; null where nothing limits it.</summary>
    public float? Timeout { get; init; }

    /// <summary>Whose key it came with, where keys have names: its prompts are found in the prefix cache by it alone, and nobody else goes on
    /// with its stream.</summary>
    public string? Tenant { get; init; }

    /// <summary>Who asks: clients share what there is.</summary>
    [JsonIgnore]
    public string Client { get; init; } = "";

    /// <summary>Its span, as W3C's traceparent; null for none. Kept, so that who goes on with it names it.</summary>
    public string? Trace { get; init; }

    /// <summary>The field the number of new tokens came from.</summary>
    public string MaxTokensField { get; init; } = "max_tokens";

    /// <summary>Whether the client gave its prompts as a list, so that a field at fault has an index.</summary>
    public required bool PromptsAreList { get; init; }

    /// <summary>A sequence with its prompt, as the grid is asked for it.</summary>
    public SequenceSpec SpecOf(PlannedSequence sequence) => sequence.Spec with
    {
        PromptText = Prompts[sequence.PromptIndex].Text,
        PromptIds = Prompts[sequence.PromptIndex].Ids,
        // The fingerprint that the answer shows, and that a resumption asks for, is a promise.
        NumericsId = Model.NumericsId,
        Client = Client,
        Trace = Trace,
        // No name has a line feed, so that no salt of one is another's.
        CacheSalt = Tenant is null ? sequence.Spec.CacheSalt : $"{Tenant}\n{sequence.Spec.CacheSalt}",
        User = User ?? "",
    };

    /// <summary>Refuses a text that the context cannot hold whatever its tokens are, before it is cut into them. Throws
    /// <see cref="ApiException"/>.</summary>
    public void RequireRoom()
    {
        long longest = (long)Model.MaxContextTokens * (Model.Text?.Tokenizer.LongestToken ?? 0);
        if (Prompts.ToList().FindIndex(prompt => prompt.Text?.Length > longest) is var index and >= 0)
        {
            string field = PromptsAreList ? JsonField.ItemPath(PromptField, index) : PromptField;
            throw ApiErrors.Invalid(field, ApiErrors.ContextLengthExceeded,
                $"'{field}' has {Prompts[index].Text!.Length} characters; it must have at most {longest}: the model's context is {Model.MaxContextTokens} tokens of at most {Model.Text!.Tokenizer.LongestToken} bytes.");
        }
    }

    /// <summary>The request's field for what a refusal names; null when it names none.</summary>
    /// <param name="refusal">The refusal.</param>
    /// <param name="promptIndex">The prompt whose sequence was refused.</param>
    public string? FieldOf(Refusal refusal, int promptIndex)
    {
        if (refusal.Field is not { } property)
        {
            return null;
        }
        string field = NameOf(property);
        field = field == PromptField && PromptsAreList ? JsonField.ItemPath(field, promptIndex) : field;
        return property is nameof(SequenceSpec.PromptIds) or nameof(GenerationParameters.StopTokenIds) && refusal.Index is { } index
            ? JsonField.ItemPath(field, index)
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
internal abstract record OpenAiPlan : RequestPlan
{
    /// <summary>Tokenizer and chat template of the model.</summary>
    [JsonIgnore]
    public TextModel Text => ModelDirectory.RequireText(Model);

    /// <summary>Seed of each prompt's first answer, given or drawn; answer i of a prompt runs with Seed + i.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Most probable tokens to report with each output logprob; null: no output logprobs.</summary>
    public int? TopLogprobs { get; init; }

    /// <summary>Most probable tokens to report with each prompt logprob (prompt_logprobs); null: none.</summary>
    public int? PromptLogprobs { get; init; }

    /// <summary>Whether the ids of prompt and output are told, as vLLM tells them.</summary>
    public bool ReturnTokenIds { get; init; }

    /// <summary>Whether logprobs name tokens by their ids (token_id:7).</summary>
    public bool TokensAsIds { get; init; }

    /// <summary>Whether a stream ends with a usage event.</summary>
    public bool IncludeUsage { get; init; }

    /// <summary>Whether every event of a stream has the usage so far of the choice it tells of.</summary>
    public bool ContinuousUsage { get; init; }

    /// <summary>The client's key-value pairs, returned as they came.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Metadata { get; init; } = [];
}

/// <summary>A plan of /v1/chat/completions.</summary>
internal sealed record ChatPlan : OpenAiPlan;

/// <summary>A plan of /v1/completions.</summary>
internal sealed record CompletionPlan : OpenAiPlan
{
    /// <summary>Whether the answer's text begins with the prompt.</summary>
    public bool Echo { get; init; }
}
