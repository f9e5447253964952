using System.Text.Json;
using Grid.Gateway.Http;
using Grid.Gateway.Json;
using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Sequences;

namespace Grid.Gateway.Requests;

/// <summary>A plan of /generate.</summary>
internal sealed record GeneratePlan : RequestPlan
{
    /// <summary>Whether the answer is a list: the client gave a list of prompts, or n above 1.</summary>
    public required bool IsList { get; init; }

    protected override string NameOf(string property) => property switch
    {
        nameof(GenerationParameters.PromptLogprobsFrom) => "logprob_start_len",
        nameof(GenerationParameters.TopLogprobs) => "top_logprobs_num",
        nameof(SequenceSpec.PromptText) or nameof(SequenceSpec.PromptIds) or nameof(SequenceSpec.CrossCheck)
            or nameof(SequenceSpec.Model) or Refusal.PromptLength => base.NameOf(property),
        nameof(GenerationParameters.MinNewTokens) => "sampling_params.min_new_tokens",
        nameof(GenerationParameters.MaxNewTokens) => "sampling_params.max_new_tokens",
        _ => $"sampling_params.{base.NameOf(property)}",
    };
}

/// <summary>POST /generate, SGLang's own form: JSON to a plan.</summary>
internal static class GenerateRequest
{
    /// <summary>max_new_tokens when the client gives none, as SGLang has it.</summary>
    public const int DefaultMaxNewTokens = 128;

    public static readonly string[] Unsupported =
    [
        "input_embeds", "image_data", "video_data", "audio_data", "modalities", "lora_path", "lora_id",
        "session_params", "custom_logit_processor", "token_ids_logprob", "extra_key", "bootstrap_host",
        "bootstrap_port", "bootstrap_room", "bootstrap_pair_key", "data_parallel_rank", "conversation_id",
        "custom_labels", "label", "http_worker_ipc", "validation_time", "return_hidden_states", "return_bytes", "background", "log_metrics: true",
        "no_logs", "return_entropy", "priority: 0", "return_routed_experts",
    ];

    // Decoding puts no spaces between special tokens, as fast tokenizers do not.
    public static readonly string[] UnsupportedSampling =
    [
        "json_schema", "regex", "ebnf", "structural_tag", "stop_regex", "custom_params", "stream_interval",
        "spaces_between_special_tokens: true or false",
    ];

    /// <summary>Maps and validates a body. Throws <see cref="ApiException"/>.</summary>
    public static GeneratePlan Parse(JsonElement body, ISequenceService service, GatewayOptions options)
    {
        var fields = new JsonField(body, "").Object();
        var model = ModelDirectory.Resolve(service, fields.Take("model")?.String());
        var (prompts, isList, promptField) = TakePrompts(fields, model, options.MaxSequencesPerRequest);
        var perPrompt = new PerPromptFields(fields, prompts.Length, isList);
        var logprobs = TakeLogprobs(perPrompt);
        string[]? requestIds = TakeRequestIds(fields, prompts.Length, isList);
        bool stream = fields.Take("stream")?.Boolean() ?? false;
        bool crossCheck = fields.Take("cross_check")?.Boolean() ?? false;
        var sampling = TakeSampling(fields, perPrompt, model, options, out int choices);
        bool cache = OpenAiFields.TakeCache(fields);
        bool receipt = OpenAiFields.TakeReceipt(fields, scoresOnly: sampling.All(one => one.AskedTokens == 0));
        OpenAiFields.RequireRoom("sampling_params.n", prompts.Length, choices, options);
        float? timeout = OpenAiFields.TakeTimeout(fields, options);
        string cacheSalt = OpenAiFields.TakeCacheSalt(fields);
        fields.RefuseOthers(Unsupported);
        RequireTextWhereUsed(model, sampling, logprobs);

        var sequences = new PlannedSequence[prompts.Length * choices];
        for (int index = 0; index < sequences.Length; index++)
        {
            int p = index / choices;
            var plan = Plan(sampling[p], logprobs[p], p, index % choices);
            sequences[index] = plan with
            {
                Spec = OpenAiFields.WithDigests(plan.Spec with { CrossCheck = crossCheck, CacheSalt = cacheSalt }, !plan.ScoreOnly && (receipt || options.Receipts)),
                IsShared = cache && !sampling[p].SeedIsDrawn,
                RequestId = requestIds is null ? null : choices == 1 ? requestIds[p] : $"{requestIds[p]}_{index % choices}",
            };
        }
        return new GeneratePlan
        {
            Model = model,
            Sequences = sequences,
            Prompts = prompts,
            PromptField = promptField,
            PromptsAreList = isList,
            Stream = stream,
            Receipt = receipt,
            Timeout = timeout,
            IsList = isList || choices > 1,
        };
    }

    private static void RequireTextWhereUsed(ServedModel model, Sampling[] sampling, Logprobs[] logprobs)
    {
        if (sampling.Any(one => one.Spec.StopStrings.Length > 0))
        {
            ModelDirectory.RequireText(model, "sampling_params.stop", "give 'stop_token_ids'");
        }
        if (logprobs.Any(one => one.WithText))
        {
            ModelDirectory.RequireText(model, "return_text_in_logprobs", "leave it out");
        }
    }

    private static PlannedSequence Plan(
        Sampling sampling, Logprobs logprobs, int promptIndex, int choice)
    {
        var spec = sampling.Spec.WithSeed(Seeds.ForChoice(sampling.Spec.Generation.Sampling.Seed, choice));
        return new PlannedSequence(spec with
        {
            AddSpecialTokens = true,
            Generation = spec.Generation with
            {
                Logprobs = logprobs.Wanted,
                TopLogprobs = logprobs.Wanted ? logprobs.Top : 0,
                PromptLogprobsFrom = logprobs is { Wanted: true, Start: >= 0 } ? logprobs.Start : null,
            },
        }, promptIndex)
        {
            ScoreOnly = sampling.AskedTokens == 0,
            AskedTokens = sampling.AskedTokens,
            TextInLogprobs = logprobs.WithText,
        };
    }

    private static (Prompt[] Prompts, bool IsList, string Field) TakePrompts(JsonFields fields, ServedModel model, int max)
    {
        var text = fields.TakeGiven("text");
        var ids = fields.TakeGiven("input_ids");
        if (ids is not null && text is { AsksForNothing: true })
        {
            text = null;
        }
        if (text is not null && ids is { AsksForNothing: false })
        {
            throw ids.Value.WrongValue("left out when 'text' is given");
        }
        if (text is not null)
        {
            ModelDirectory.RequireText(model, "text", "give 'input_ids'");
            var (prompts, isList) = PromptFields.Texts(text.Value, max, PromptFields.MayBeEmpty(model, addSpecialTokens: true));
            return (prompts, isList, "text");
        }
        if (ids is not null)
        {
            var (prompts, isList) = PromptFields.Ids(ids.Value, max);
            return (prompts, isList, "input_ids");
        }
        throw ApiErrors.Missing("text", "a string or a list of strings, unless 'input_ids' is given");
    }

    private static Logprobs[] TakeLogprobs(PerPromptFields fields)
    {
        bool[] wanted = fields.Take("return_logprob", field => field.Boolean(), false);
        int[] starts = fields.Take("logprob_start_len", field => field.Int32(-1), -1);
        int[] tops = fields.Take("top_logprobs_num", field => field.Int32(0, SamplingFields.MaxTopLogprobs), 0);
        bool[] withText = fields.Take("return_text_in_logprobs", field => field.Boolean(), false);
        return [.. wanted.Select((one, p) => new Logprobs(one, starts[p], tops[p], withText[p]))];
    }

    private static Sampling[] TakeSampling(
        JsonFields fields, PerPromptFields perPrompt, ServedModel model, GatewayOptions options, out int choices)
    {
        // One draw for the whole request: a list without seeds is replayed with one number.
        var silent = new SequenceSpec { Model = model.Id, Generation = new() { MaxNewTokens = DefaultMaxNewTokens } };
        var (seed, isDrawn) = Seeds.Settle(null, options, silent.Generation.Sampling.Temperature);
        var sampling = perPrompt.Take("sampling_params", field => TakeSampling(field.Object(), model, options, seed), new Sampling(silent.WithSeed(seed), 1, null, isDrawn));
        choices = sampling[0].Choices;
        for (int p = 1; p < sampling.Length; p++)
        {
            if (sampling[p].Choices != choices)
            {
                throw ApiErrors.WrongValue($"{fields.PathOf("sampling_params")}[{p}].n", $"{sampling[p].Choices}",
                    $"the same for every prompt ({choices})");
            }
        }
        return sampling;
    }

    private static Sampling TakeSampling(JsonFields fields, ServedModel model, GatewayOptions options, ulong drawnSeed)
    {
        int choices = fields.Take("n")?.Int32(1, SamplingFields.MaxChoices) ?? 1;
        int? asked = fields.Take("max_new_tokens")?.Int32(0);
        int max = asked ?? DefaultMaxNewTokens;
        int min = fields.Take("min_new_tokens")?.Int32(0) ?? 0;
        SamplingFields.RequireOrder(fields, "min_new_tokens", min, max);
        var spec = SamplingFields.Take(fields, model, openAi: false);
        var (seed, isDrawn) = Seeds.Settle(fields.Take("sampling_seed"), options, spec.Generation.Sampling.Temperature);
        spec = spec.WithSeed(isDrawn ? drawnSeed : seed);
        spec = spec with { Generation = spec.Generation with { MaxNewTokens = Math.Max(max, 1), MinNewTokens = min } };
        fields.RefuseOthers(UnsupportedSampling);
        return new Sampling(spec, choices, asked, isDrawn);
    }

    /// <summary>rid: a name, or a list of one per prompt; one name for a list of prompts is numbered, as SGLang does.</summary>
    private static string[]? TakeRequestIds(JsonFields fields, int prompts, bool isList)
    {
        if (fields.Take("rid") is not { } field)
        {
            return null;
        }
        if (field.Kind == JsonValueKind.Array && !(isList && field.Value.GetArrayLength() == prompts))
        {
            throw field.WrongValue(isList ? $"a string or a list of {prompts}" : "a string");
        }
        string[] names = field.Strings(prompts, SamplingFields.MaxNameLength);
        return field.Kind == JsonValueKind.String && isList ? [.. Enumerable.Range(0, prompts).Select(p => $"{names[0]}_{p}")] : names;
    }

    private readonly record struct Logprobs(bool Wanted, int Start, int Top, bool WithText);

    private readonly record struct Sampling(SequenceSpec Spec, int Choices, int? AskedTokens, bool SeedIsDrawn);
}
