using System.Security.Cryptography;
using Grid.Grains.Messages;
using Grid.Numerics;

namespace Grid.Client;

/// <summary>
/// One sequence to generate. Fields, terms and ranges are those of the HTTP API. The grid checks everything and refuses by field,
/// value and rule.
/// </summary>
public sealed record GenerationRequest
{
    /// <summary>Served model id.</summary>
    public required string Model { get; init; }

    /// <summary>Whose sequence it is: where sequences have to wait, users take turns.</summary>
    public string User { get; init; } = "";

    /// <summary>Prompt text; exactly one of it and <see cref="PromptIds"/> is given.</summary>
    public string? PromptText { get; init; }

    /// <summary>Prompt token ids.</summary>
    public IReadOnlyList<int>? PromptIds { get; init; }

    /// <summary>Whether special tokens written out in the text become their ids.</summary>
    public bool ParseSpecialTokens { get; init; } = true;

    /// <summary>Whether the tokens that the tokenizer puts around a text are added (a beginning-of-sequence token): false for
    /// a chat that a template rendered, since it wrote them.</summary>
    public bool AddSpecialTokens { get; init; } = true;

    /// <summary>How tokens are drawn, made from the model's own recommendation: <c>own =&gt; own with { Temperature = 0 }</c>.</summary>
    public Func<SamplingParameters, SamplingParameters> Sampling { get; init; } = own => own;

    /// <summary>Null draws one; <see cref="Generation.Seed"/> tells it, so that every answer can be replayed.</summary>
    public ulong? Seed { get; init; }

    /// <summary>Output tokens at most; null for as many as the context allows.</summary>
    public int? MaxNewTokens { get; init; }

    public int MinNewTokens { get; init; }

    public IReadOnlyList<string> StopStrings { get; init; } = [];

    public IReadOnlyList<int> StopTokenIds { get; init; } = [];

    /// <summary>Whether the model's own end tokens do not end the sequence.</summary>
    public bool IgnoreEndTokens { get; init; }

    /// <summary>Whether output tokens carry their logprobs.</summary>
    public bool Logprobs { get; init; }

    /// <summary>How many most probable tokens to report at each place, with <see cref="Logprobs"/>.</summary>
    public int TopLogprobs { get; init; }

    /// <summary>Prompt logprobs from this prompt index on; null for none.</summary>
    public int? PromptLogprobsFrom { get; init; }

    /// <summary>Whether two workers compute it, and only what both gave with equal bits counts. Refused while fewer than two
    /// workers of the model take sequences.</summary>
    public bool CrossCheck { get; init; }

    /// <summary>Prompts of other salts are not found in the prefix cache; empty is a salt like any other. No part of the result.</summary>
    public string CacheSalt { get; init; } = "";

    /// <summary>The request with everything that an answer depends on, so that every attempt is the same.</summary>
    internal SequenceSpec ToSpec(ModelDescription served) => new()
    {
        Model = Model,
        NumericsId = served.NumericsId,
        User = User,
        PromptText = PromptText,
        PromptIds = PromptIds is { } ids ? [.. ids] : null,
        ParseSpecialTokens = ParseSpecialTokens,
        AddSpecialTokens = AddSpecialTokens,
        StopStrings = [.. StopStrings],
        CrossCheck = CrossCheck,
        CacheSalt = CacheSalt,
        Resumed = new ResumedRun(Guid.NewGuid(), 0, 0), // A name at workers that all attempts share.
        Generation = new GenerationParameters
        {
            Sampling = Sampling(served.Sampling with { Seed = Seed ?? BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong))) }),
            MaxNewTokens = MaxNewTokens,
            MinNewTokens = MinNewTokens,
            StopTokenIds = [.. StopTokenIds.Order().Distinct()],
            IgnoreEndTokens = IgnoreEndTokens,
            Logprobs = Logprobs,
            TopLogprobs = TopLogprobs,
            PromptLogprobsFrom = PromptLogprobsFrom,
        },
    };
}
