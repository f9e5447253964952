namespace Grid.Grains.Messages;

/// <summary>How tokens are drawn and when generation ends. Terms and ranges are those of the API; the engine checks
/// them.</summary>
[GenerateSerializer, Immutable, Alias("grid.generation-parameters")]
public sealed record GenerationParameters
{
    [Id(0)]
    public float Temperature { get; init; } = 1f;

    [Id(1)]
    public float TopP { get; init; } = 1f;

    [Id(2)]
    public int TopK { get; init; }

    [Id(3)]
    public float MinP { get; init; }

    [Id(4)]
    public float PresencePenalty { get; init; }

    [Id(5)]
    public float FrequencyPenalty { get; init; }

    [Id(6)]
    public float RepetitionPenalty { get; init; } = 1f;

    /// <summary>Ascending by token id.</summary>
    [Id(7)]
    public TokenBias[] LogitBias { get; init; } = [];

    [Id(8)]
    public ulong Seed { get; init; }

    /// <summary>Output tokens at most; null for as many as the context allows. The sequence's gateway settles it: what a
    /// worker gets has a number.</summary>
    [Id(9)]
    public int? MaxNewTokens { get; init; }

    [Id(10)]
    public int MinNewTokens { get; init; }

    /// <summary>Ascending.</summary>
    [Id(11)]
    public int[] StopTokenIds { get; init; } = [];

    [Id(12)]
    public bool IgnoreEndTokens { get; init; }

    [Id(13)]
    public bool Logprobs { get; init; }

    [Id(14)]
    public int TopLogprobs { get; init; }

    /// <summary>Prompt logprobs from this prompt index on; null for none.</summary>
    [Id(15)]
    public int? PromptLogprobsFrom { get; init; }
}

/// <summary>An amount added to one token's logit.</summary>
[GenerateSerializer, Immutable, Alias("grid.token-bias")]
public readonly record struct TokenBias([property: Id(0)] int TokenId, [property: Id(1)] float Bias);

/// <summary>A sequence as its gateway starts it.</summary>
[GenerateSerializer, Immutable, Alias("grid.sequence-start")]
public sealed record SequenceStart
{
    /// <summary>Served model id.</summary>
    [Id(0)]
    public required string Model { get; init; }

    /// <summary>Prompt text; null when <see cref="PromptIds"/> is given.</summary>
    [Id(1)]
    public string? PromptText { get; init; }

    /// <summary>Whether special tokens written out in the text become their ids.</summary>
    [Id(2)]
    public bool ParseSpecialTokens { get; init; }

    /// <summary>Prompt ids; null when <see cref="PromptText"/> is given.</summary>
    [Id(3)]
    public int[]? PromptIds { get; init; }

    [Id(4)]
    public required GenerationParameters Generation { get; init; }

    [Id(5)]
    public string[] StopStrings { get; init; } = [];

    /// <summary>Whether the tokens that the tokenizer puts around a text are added.</summary>
    [Id(6)]
    public bool AddSpecialTokens { get; init; }

    /// <summary>Whether two workers compute it and only what both agree on counts.</summary>
    [Id(7)]
    public bool CrossCheck { get; init; }

    /// <summary>The bits that the client was told; null takes those that the model's name stands for.</summary>
    [Id(8)]
    public string? NumericsId { get; init; }

    /// <summary>The run that it takes up; null for a new sequence.</summary>
    [Id(9)]
    public FormerRun? Former { get; init; }
}

/// <summary>A run of a sequence that its gateway or its client has left, and whose client is back.</summary>
/// <param name="Name">The name of the sequence at workers (<see cref="SubmitRequest.Name"/>): its id when it ran at first.</param>
/// <param name="KnownTokens">Output tokens, from the first on, whose logprobs need not be told again: their ids are enough.</param>
[GenerateSerializer, Immutable, Alias("grid.former-run")]
public sealed record FormerRun([property: Id(0)] Guid Name, [property: Id(1)] int KnownTokens);

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
    public bool Resumed { get; init; }

    /// <summary>Names the sequence over all its runs, for <see cref="IGpuWorkerGrain.FindOutput"/>.</summary>
    [Id(7)]
    public Guid Name { get; init; }
}

/// <summary>Why a worker does not take a sequence.</summary>
public enum RefusalKind
{
    /// <summary>It was accepted.</summary>
    None = 0,

    /// <summary>It can run on no worker of this model: a field is out of range.</summary>
    Invalid = 1,

    /// <summary>No worker serves that model.</summary>
    ModelNotFound = 2,

    /// <summary>The waiting queue is full; later, or elsewhere, it may run.</summary>
    Overloaded = 3,

    /// <summary>The worker is draining, hangs, has failed, is in quarantine, or is not connected to the gateway.</summary>
    Unavailable = 4,

    /// <summary>It does not fit this worker's KV cache; a larger worker of the same model may take it.</summary>
    TooLarge = 5,
}

/// <summary>A worker's answer to a submission.</summary>
[GenerateSerializer, Immutable, Alias("grid.submit-reply")]
public sealed record SubmitReply
{
    /// <summary>The sequence waits or runs; its events come by the step stream.</summary>
    public static SubmitReply Accepted { get; } = new();

    [Id(0)]
    public RefusalKind Refusal { get; init; }

    /// <summary>The field at fault, where one is.</summary>
    [Id(1)]
    public string? Field { get; init; }

    /// <summary>What is wrong: value and rule.</summary>
    [Id(2)]
    public string Message { get; init; } = "";

    /// <summary>A refusal.</summary>
    public static SubmitReply Refused(RefusalKind kind, string message, string? field = null) =>
        new() { Refusal = kind, Message = message, Field = field };
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
