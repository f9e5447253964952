using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Grid.Gateway.Requests;
using Grid.Gateway.Running;
using Grid.Grains.Messages;
using Grid.Sequences;

namespace Grid.Gateway.Resuming;

/// <summary>
/// A streamed request as it is kept: its plan, with everything that was drawn or looked up when it was made, so that
/// running it again says the same in the same words.
/// </summary>
internal sealed record StoredRequest
{
    /// <summary>Of this form of the record.</summary>
    public const int CurrentVersion = 1;

    private static readonly StoredRequestJson s_json = new(new JsonSerializerOptions
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    });

    public required int Version { get; init; }

    public required AnswerForm Form { get; init; }

    public required DateTimeOffset Created { get; init; }

    public required string Model { get; init; }

    public required string NumericsId { get; init; }

    public required StoredPrompt[] Prompts { get; init; }

    public required StoredSequence[] Sequences { get; init; }

    public required string PromptField { get; init; }

    public required string MaxTokensField { get; init; }

    public bool PromptsAreList { get; init; }

    public string? User { get; init; }

    public bool IsList { get; init; }

    public ulong Seed { get; init; }

    public int? TopLogprobs { get; init; }

    public bool Echo { get; init; }

    public bool IncludeUsage { get; init; }

    public KeyValuePair<string, string>[] Metadata { get; init; } = [];

    /// <summary>The record of a request whose sequences have started.</summary>
    public static byte[] Write(RequestPlan plan, IReadOnlyList<Transcript> transcripts, DateTimeOffset created)
    {
        var prompts = new StoredPrompt[plan.PromptCount];
        foreach (var transcript in transcripts)
        {
            var spec = transcript.Plan.Spec;
            prompts[transcript.Plan.PromptIndex] ??= new StoredPrompt
            {
                Text = spec.PromptText,
                Ids = spec.PromptIds,
                Tokens = transcript.PromptIds.Count,
                Digest = Digest(transcript.PromptIds),
            };
        }
        var openAi = plan as OpenAiPlan;
        return JsonSerializer.SerializeToUtf8Bytes(new StoredRequest
        {
            Version = CurrentVersion,
            Form = plan.Form,
            Created = created,
            Model = plan.Model.Id,
            NumericsId = plan.Model.NumericsId,
            Prompts = prompts,
            Sequences = [.. transcripts.Select(transcript => StoredSequence.Of(transcript))],
            PromptField = plan.PromptField,
            MaxTokensField = plan.MaxTokensField,
            PromptsAreList = plan.PromptsAreList,
            User = plan.User,
            IsList = plan is GeneratePlan { IsList: true },
            Seed = openAi?.Seed ?? 0,
            TopLogprobs = openAi?.TopLogprobs,
            Echo = openAi?.Echo ?? false,
            IncludeUsage = openAi?.IncludeUsage ?? false,
            Metadata = [.. openAi?.Metadata ?? []],
        }, s_json.StoredRequest);
    }

    /// <summary>Reads a record; null when it is of another version than this gateway's.</summary>
    public static StoredRequest? Read(byte[] record)
    {
        using var document = JsonDocument.Parse(record);
        return document.RootElement.GetProperty(nameof(Version)).GetInt32() == CurrentVersion
            ? document.Deserialize(s_json.StoredRequest)
            : null;
    }

    /// <summary>The plan, as it was made at first. The model has the id and the NumericsId of the record.</summary>
    public RequestPlan ToPlan(ServedModel model)
    {
        var sequences = Array.ConvertAll(Sequences, sequence => sequence.ToPlanned(Prompts[sequence.Prompt]));
        return Form == AnswerForm.Generate
            ? new GeneratePlan
            {
                Form = Form,
                Model = model,
                Sequences = sequences,
                PromptCount = Prompts.Length,
                PromptField = PromptField,
                MaxTokensField = MaxTokensField,
                PromptsAreList = PromptsAreList,
                Stream = true,
                User = User,
                IsList = IsList,
            }
            : new OpenAiPlan
            {
                Form = Form,
                Model = model,
                Text = ModelDirectory.RequireText(model),
                Sequences = sequences,
                PromptCount = Prompts.Length,
                PromptField = PromptField,
                MaxTokensField = MaxTokensField,
                PromptsAreList = PromptsAreList,
                Stream = true,
                User = User,
                Seed = Seed,
                TopLogprobs = TopLogprobs,
                Echo = Echo,
                IncludeUsage = IncludeUsage,
                Metadata = Metadata,
            };
    }

    /// <summary>Whether a prompt became the same ids as at first.</summary>
    public bool HasSamePrompt(Transcript transcript)
    {
        var prompt = Prompts[transcript.Plan.PromptIndex];
        return prompt.Tokens == transcript.PromptIds.Count && prompt.Digest == Digest(transcript.PromptIds);
    }

    private static string Digest(IReadOnlyList<int> ids) =>
        Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes<int>(ids as int[] ?? [.. ids])));
}

/// <summary>A prompt of a kept request.</summary>
internal sealed record StoredPrompt
{
    public string? Text { get; init; }

    public int[]? Ids { get; init; }

    /// <summary>Its length in ids.</summary>
    public required int Tokens { get; init; }

    /// <summary>SHA-256 of its ids.</summary>
    public required string Digest { get; init; }
}

/// <summary>A sequence of a kept request; its spec is without the prompt.</summary>
internal sealed record StoredSequence
{
    public required Guid Id { get; init; }

    public required int Prompt { get; init; }

    public required SequenceSpec Spec { get; init; }

    public bool ScoreOnly { get; init; }

    public int? AskedTokens { get; init; }

    public string? RequestId { get; init; }

    public bool TextInLogprobs { get; init; }

    public static StoredSequence Of(Transcript transcript)
    {
        var planned = transcript.Plan;
        return new()
        {
            Id = transcript.Id,
            Prompt = planned.PromptIndex,
            // As many tokens as the context allowed is a number by now: the workers may be others when it goes on.
            Spec = planned.Spec with
            {
                PromptText = null,
                PromptIds = null,
                Generation = planned.Spec.Generation with { MaxNewTokens = transcript.MaxNewTokens ?? planned.Spec.Generation.MaxNewTokens },
            },
            ScoreOnly = planned.ScoreOnly,
            AskedTokens = planned.AskedTokens,
            RequestId = planned.RequestId,
            TextInLogprobs = planned.TextInLogprobs,
        };
    }

    public PlannedSequence ToPlanned(StoredPrompt prompt) => new(Spec with { PromptText = prompt.Text, PromptIds = prompt.Ids }, Prompt)
    {
        ScoreOnly = ScoreOnly,
        AskedTokens = AskedTokens,
        RequestId = RequestId,
        TextInLogprobs = TextInLogprobs,
        PublicId = Id,
        KnownPromptTokens = prompt.Tokens,
    };
}

/// <summary>The record's JSON.</summary>
[JsonSerializable(typeof(StoredRequest))]
internal sealed partial class StoredRequestJson : JsonSerializerContext;
