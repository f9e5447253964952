using System.Globalization;
using Grid.Gateway.Http;
using Grid.Gateway.Json;
using Grid.Grains.Messages;
using Grid.Sequences;

namespace Grid.Gateway.Requests;

/// <summary>How an answer is streamed.</summary>
/// <param name="Stream">Whether it is.</param>
/// <param name="IncludeUsage">Whether it ends with a usage event.</param>
/// <param name="ContinuousUsage">Whether every event has the usage so far.</param>
/// <param name="EventIds">Whether events have ids.</param>
internal readonly record struct StreamFields(bool Stream, bool IncludeUsage, bool ContinuousUsage, bool EventIds);

/// <summary>What /v1/chat/completions and /v1/completions have in common.</summary>
internal static class OpenAiFields
{
    /// <summary>Known to OpenAI's, vLLM's or SGLang's form of both endpoints, and not served yet.</summary>
    public static readonly string[] Unsupported =
    [
        "documents", "truncate_prompt_tokens", "allowed_token_ids", "bad_words", "logits_processors",
        "guided_json", "guided_regex", "guided_choice", "guided_grammar", "guided_decoding_backend",
        "structured_outputs", "regex", "ebnf", "json_schema", "lora_path", "kv_transfer_params",
        "request_id", "rid", "custom_logit_processor", "custom_params", "session_params", "bootstrap_host",
        "bootstrap_port", "bootstrap_room", "vllm_xargs", "logprob_token_ids", "prompt_embeds", "stop_regex",
        "spaces_between_special_tokens: true or false", "include_stop_str_in_output",
        "use_beam_search", "length_penalty: 1", "early_stopping",
        "return_hidden_states", "priority: 0", "return_routed_experts",
    ];

    /// <summary>Takes a key-value map: at most 16 pairs, keys of at most 64 characters, values of at most 512.</summary>
    public static IReadOnlyList<KeyValuePair<string, string>> TakeMetadata(JsonFields fields)
    {
        if (fields.Take("metadata")?.Object() is not { } metadata)
        {
            return [];
        }
        string[] names = metadata.Names.ToArray();
        if (names.Length > 16)
        {
            throw ApiErrors.WrongValue("metadata", $"a map of {names.Length}", "a map of at most 16");
        }
        return [.. names.Select(name => name.Length <= 64
            ? KeyValuePair.Create(name, metadata.TakeGiven(name)?.String(maxLength: 512) ?? throw ApiErrors.WrongType(metadata.PathOf(name), "null", "a string"))
            : throw ApiErrors.WrongValue("metadata", $"keyed by {JsonShown.Text(name)}", "keyed by at most 64 characters"))];
    }

    /// <summary>Takes cache_salt; empty where there is none.</summary>
    public static string TakeCacheSalt(JsonFields fields)
    {
        if (fields.Take("cache_salt") is not { } field)
        {
            return "";
        }
        return field.String(maxLength: 256);
    }

    /// <summary>Takes cache: whether the answer may be one that is remembered, or that somebody else is just given.</summary>
    public static bool TakeCache(JsonFields fields) => fields.TakeGiven("cache")?.Boolean() ?? true;

    /// <summary>Takes receipt, which is of output: where none is asked for there is none.</summary>
    public static bool TakeReceipt(JsonFields fields, bool scoresOnly)
    {
        bool receipt = fields.Take("receipt")?.Boolean() ?? false;
        return !receipt || !scoresOnly
            ? receipt
            : throw ApiErrors.WrongValue("receipt", "true", "left out where no tokens are asked for");
    }

    /// <summary>The same sequence with the digests that its receipt is made of.</summary>
    public static SequenceSpec WithDigests(SequenceSpec spec, bool wanted) =>
        wanted ? spec with { Generation = spec.Generation with { Digests = true } } : spec;

    /// <summary>Takes timeout, in seconds.</summary>
    public static float? TakeTimeout(JsonFields fields, GatewayOptions options)
    {
        float? most = (float?)options.RequestTimeout?.TotalSeconds;
        return fields.Take("timeout")?.Single(new NumberRange(0, most ?? 604_800, AboveMin: true)) ?? most;
    }

    /// <summary>Takes stream and stream_options.</summary>
    public static StreamFields TakeStream(JsonFields fields)
    {
        bool stream = fields.Take("stream")?.Boolean() ?? false;
        if (fields.Take("stream_options")?.Object() is not { } options)
        {
            return new(stream, false, false, false);
        }
        bool includeUsage = options.Take("include_usage")?.Boolean() ?? false;
        bool continuousUsage = options.Take("continuous_usage_stats")?.Boolean() ?? false;
        bool eventIds = options.Take("include_event_ids")?.Boolean() ?? false;
        options.RefuseOthers("include_obfuscation");
        return stream || !(includeUsage || continuousUsage || eventIds)
            ? new(stream, includeUsage, includeUsage && continuousUsage, eventIds)
            : throw ApiErrors.WrongValue("stream_options", "an object", "left out unless 'stream' is true");
    }

    /// <summary>Takes n; refuses more sequences than a request may start.</summary>
    public static int TakeChoices(JsonFields fields, int prompts, GatewayOptions options)
    {
        int choices = fields.Take("n")?.Int32(1, SamplingFields.MaxChoices) ?? 1;
        RequireRoom(fields.PathOf("n"), prompts, choices, options);
        return choices;
    }

    /// <summary>Refuses more sequences than a request may start.</summary>
    public static void RequireRoom(string path, int prompts, int choices, GatewayOptions options)
    {
        if ((long)prompts * choices > options.MaxSequencesPerRequest)
        {
            throw ApiErrors.WrongValue(path, choices.ToString(CultureInfo.InvariantCulture),
                $"such that prompts ({prompts}) times n stay within {options.MaxSequencesPerRequest}");
        }
    }

    /// <summary>Takes prompt_logprobs, which a stream cannot carry.</summary>
    public static int? TakePromptLogprobs(JsonFields fields, bool stream)
    {
        int? top = fields.Take("prompt_logprobs")?.Int32(0, SamplingFields.MaxTopLogprobs);
        return top is null || !stream
            ? top
            : throw ApiErrors.WrongValue("prompt_logprobs", top.Value.ToString(CultureInfo.InvariantCulture),
                "left out when 'stream' is true");
    }

    /// <summary>Takes the sampling fields, min_tokens and cross_check into a spec.</summary>
    public static SequenceSpec TakeSpec(
        JsonFields fields, ServedModel model, int? maxTokens, int? topLogprobs, int? promptTop, bool scorePrompt)
    {
        int minTokens = fields.Take("min_tokens")?.Int32(0) ?? 0;
        SamplingFields.RequireOrder(fields, "min_tokens", minTokens, maxTokens);
        var spec = SamplingFields.Take(fields, model, openAi: true);
        return spec with
        {
            Generation = spec.Generation with
            {
                MaxNewTokens = maxTokens is 0 ? 1 : maxTokens,
                MinNewTokens = minTokens,
                Logprobs = topLogprobs is not null,
                TopLogprobs = Math.Max(topLogprobs ?? 0, promptTop ?? 0),
                PromptLogprobsFrom = scorePrompt ? 0 : null,
            },
            CrossCheck = fields.Take("cross_check")?.Boolean() ?? false,
            CacheSalt = TakeCacheSalt(fields),
        };
    }

    /// <summary>Every answer to every prompt: answer i of a prompt runs with seed + i.</summary>
    public static PlannedSequence[] Expand(SequenceSpec spec, int prompts, int choices, ulong seed, int? askedTokens, bool shared) =>
        [.. Enumerable.Range(0, prompts * choices).Select(index =>
            new PlannedSequence(spec.WithSeed(Seeds.ForChoice(seed, index % choices)), index / choices)
            { ScoreOnly = askedTokens == 0, AskedTokens = askedTokens, IsShared = shared })];
}
