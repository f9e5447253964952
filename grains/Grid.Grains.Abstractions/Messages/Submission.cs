using Grid.Numerics;

namespace Grid.Grains.Messages;

/// <summary>
/// One sequence as its edge asks for it, validated and complete: running it again gives the same bits. A request for n answers
/// is n of these with seeds of their own.
/// </summary>
[GenerateSerializer, Immutable, Alias("grid.sequence-spec")]
public sealed record SequenceSpec
{
    /// <summary>The refusal of a spec with no prompt, or with two.</summary>
    public static readonly Refusal OnePrompt = new()
    {
        Kind = RefusalKind.Invalid,
        Field = nameof(PromptText),
        Rule = "or PromptIds is to be given, and not both",
    };

    /// <summary>Served model id.</summary>
    [Id(0)]
    public required string Model { get; init; }

    /// <summary>The model's NumericsId as the client is told it: workers that give other bits are not asked. Null takes the one
    /// that the model's name stands for.</summary>
    [Id(1)]
    public string? NumericsId { get; init; }

    /// <summary>Who asks, as the edge knows and the client cannot choose, such as its address: where there is not room for all, clients share
    /// what there is. No part of what is asked for.</summary>
    [Id(2)]
    public string Client { get; init; } = "";

    /// <summary>Prompt text; null when <see cref="PromptIds"/> is given.</summary>
    [Id(3)]
    public string? PromptText { get; init; }

    /// <summary>Prompt ids; null when <see cref="PromptText"/> is given.</summary>
    [Id(4)]
    public int[]? PromptIds { get; init; }

    /// <summary>Whether special tokens written out in the text become their ids (true for rendered chat templates and raw
    /// completions, as the field expects).</summary>
    [Id(5)]
    public bool ParseSpecialTokens { get; init; } = true;

    /// <summary>Whether the tokens that the model's tokenizer puts around a text are added (Llama's beginning-of-sequence
    /// token): true for raw texts; false for rendered chats, whose template writes them.</summary>
    [Id(6)]
    public bool AddSpecialTokens { get; init; }

    /// <summary>How it is generated.</summary>
    [Id(7)]
    public required GenerationParameters Generation { get; init; }

    /// <summary>Texts that end it.</summary>
    [Id(8)]
    public string[] StopStrings { get; init; } = [];

    /// <summary>Whether two workers compute it, and a token counts only when both agree on its bits.</summary>
    [Id(9)]
    public bool CrossCheck { get; init; }

    /// <summary>The run that it takes up, when its client is back; null for a new sequence. What is known of that run is told
    /// again without logprobs; where no worker remembers it, all is computed anew.</summary>
    [Id(10)]
    public ResumedRun? Resumed { get; init; }

    /// <summary>For whom the client asks, as it says itself: what one client has is shared among them.</summary>
    [Id(11)]
    public string User { get; init; } = "";

    /// <summary>Another sequence of the same request runs already: this one has begun when it has its place in the line, and waits there as
    /// long as it takes.</summary>
    [Id(12)]
    public bool Follows { get; init; }

    /// <summary>Prompts of other salts are not found in the prefix cache, and how long an answer takes tells nothing of them; empty is a
    /// salt like any other. No part of the result.</summary>
    [Id(13)]
    public string CacheSalt { get; init; } = "";

    /// <summary>Whether special tokens are a part of its text.</summary>
    [Id(14)]
    public bool ShowsSpecialTokens { get; init; }

    /// <summary>Whether what ends it is a part of its text: a stop token's text, a stop string.</summary>
    [Id(15)]
    public bool ShowsStop { get; init; }

    /// <summary>The span that it belongs to (<see cref="Tracing"/>), as W3C's traceparent; null for none. No part of the result.</summary>
    [Id(16)]
    public string? Trace { get; init; }

    /// <summary>Output that is expected: it is drawn and told like all other, but many tokens in a step. No part of the result.</summary>
    [Id(17)]
    public int[] ExpectedOutputIds { get; init; } = [];

    /// <summary>The id of the one worker that may run it; null for any. No part of the result.</summary>
    [Id(18)]
    public string? Worker { get; init; }
}

/// <summary>A run of a sequence that its gateway or its client has left, and whose client is back.</summary>
/// <param name="Name">The name of the sequence at workers (<see cref="SubmitRequest.Name"/>): its id when it ran at first.</param>
/// <param name="KnownTokens">Output tokens, from the first on, whose logprobs need not be told again: their ids are enough.</param>
/// <param name="ReportedTokens">Output tokens that the client has had, at least those known: so many, and what workers remember beyond, need not
/// be drawn one after the other.</param>
[GenerateSerializer, Immutable, Alias("grid.resumed-run")]
public sealed record ResumedRun([property: Id(0)] Guid Name, [property: Id(1)] int KnownTokens, [property: Id(2)] int ReportedTokens);

/// <summary>An attempt at a sequence as a worker gets it.</summary>
[GenerateSerializer, Immutable, Alias("grid.submit-request")]
public sealed record SubmitRequest
{
    [Id(0)]
    public required AttemptId Attempt { get; init; }

    /// <summary>Whose step stream the events go to.</summary>
    [Id(1)]
    public required GatewayId Gateway { get; init; }

    /// <summary>The gateway expects this model's bits; another worker's are refused.</summary>
    [Id(2)]
    public required string NumericsId { get; init; }

    [Id(3)]
    public required int[] PromptIds { get; init; }

    /// <summary>Output of earlier attempts: counts as output and is not reported again.</summary>
    [Id(4)]
    public int[] PriorOutputIds { get; init; } = [];

    [Id(5)]
    public required GenerationParameters Generation { get; init; }

    /// <summary>The grid has accepted the sequence before: a full waiting queue does not refuse it.</summary>
    [Id(6)]
    public bool BypassesQueueLimit { get; init; }

    /// <summary>Names the sequence over all its runs, for <see cref="IGpuWorkerGrain.FindOutput"/>.</summary>
    [Id(7)]
    public Guid Name { get; init; }

    /// <summary>How many sequences its client has before it: where there is not room for all, those of lower ranks run.</summary>
    [Id(8)]
    public int Rank { get; init; }

    /// <summary>It shares cached prefixes with sequences of the same salt only.</summary>
    [Id(9)]
    public string CacheSalt { get; init; } = "";

    /// <summary>The span that it belongs to, as W3C's traceparent; null for none.</summary>
    [Id(10)]
    public string? Trace { get; init; }

    /// <summary>Output that is expected after the prior one: drawn and reported like all other, but many tokens in a step. No part of the
    /// result.</summary>
    [Id(11)]
    public int[] ExpectedOutputIds { get; init; } = [];
}

/// <summary>Where a sequence stands.</summary>
[GenerateSerializer, Immutable, Alias("grid.sequence-state")]
public sealed record SequenceState
{
    [Id(0)]
    public required Guid Id { get; init; }

    [Id(1)]
    public required string Model { get; init; }

    /// <summary>The worker of the current attempt.</summary>
    [Id(2)]
    public WorkerId? Worker { get; init; }

    [Id(3)]
    public int Epoch { get; init; }

    [Id(4)]
    public int PromptTokens { get; init; }

    [Id(5)]
    public int OutputTokens { get; init; }

    /// <summary>"stop", "length", "abort" or "error"; null while running.</summary>
    [Id(6)]
    public string? FinishReason { get; init; }
}
