using System.Text.Json;
using Grid.Gateway.Http;
using Grid.Gateway.Json;
using Grid.Sequences;

namespace Grid.Gateway.Requests;

/// <summary>POST /v1/completions: JSON to a plan.</summary>
internal static class CompletionRequest
{
    /// <summary>max_tokens when the client gives none, as OpenAI and vLLM have it.</summary>
    public const int DefaultMaxTokens = 16;

    public static readonly string[] Unsupported =
        [.. OpenAiFields.Unsupported, "suffix", "response_format", "max_completion_tokens", "store"];

    /// <summary>Maps and validates a body. Throws <see cref="ApiException"/>.</summary>
    public static CompletionPlan Parse(JsonElement body, ISequenceService service, GatewayOptions options)
    {
        var fields = new JsonField(body, "").Object();
        var model = ModelDirectory.Resolve(service, fields.Take("model")?.String());
        ModelDirectory.RequireText(model);
        // As vLLM has it: a raw prompt begins as the model's texts do.
        bool addSpecialTokens = fields.TakeGiven("add_special_tokens")?.Boolean() ?? true;
        var (prompts, isList) = PromptFields.TextOrIds(
            fields.Require("prompt", PromptFields.Rule), options.MaxSequencesPerRequest, PromptFields.MayBeEmpty(model, addSpecialTokens));
        int choices = OpenAiFields.TakeChoices(fields, prompts.Length, options);
        TakeBestOf(fields, choices);
        var stream = OpenAiFields.TakeStream(fields);
        bool echo = fields.Take("echo")?.Boolean() ?? false;
        int? top = fields.Take("logprobs")?.Int32(0, SamplingFields.MaxTopLogprobs);
        int? promptTop = OpenAiFields.TakePromptLogprobs(fields, stream.Stream);
        int? asked = TakeMaxTokens(fields, echo || promptTop is not null);
        int maxTokens = asked ?? DefaultMaxTokens;
        var spec = OpenAiFields.TakeSpec(
            fields, model, maxTokens, top, promptTop, scorePrompt: promptTop is not null || (echo && top is not null));
        var (seed, isDrawn) = Seeds.Settle(fields.Take("seed"), options, spec.Generation.Sampling.Temperature);
        bool shared = OpenAiFields.TakeCache(fields) && !isDrawn;
        bool receipt = OpenAiFields.TakeReceipt(fields, scoresOnly: asked == 0);
        spec = OpenAiFields.WithDigests(spec with { AddSpecialTokens = addSpecialTokens }, receipt || (options.Receipts && asked != 0));
        var plan = new CompletionPlan
        {
            Model = model,
            Sequences = OpenAiFields.Expand(spec, prompts.Length, choices, seed, asked, shared),
            Prompts = prompts,
            PromptField = "prompt",
            PromptsAreList = isList,
            Stream = stream.Stream,
            Receipt = receipt,
            EventIds = stream.EventIds,
            IncludeUsage = stream.IncludeUsage,
            ContinuousUsage = stream.ContinuousUsage,
            Seed = seed,
            TopLogprobs = top,
            PromptLogprobs = promptTop,
            ReturnTokenIds = fields.Take("return_token_ids")?.Boolean() ?? false,
            TokensAsIds = fields.Take("return_tokens_as_token_ids")?.Boolean() ?? false,
            Echo = echo,
            Timeout = OpenAiFields.TakeTimeout(fields, options),
            User = fields.Take("user")?.String(SamplingFields.MaxNameLength),
            Metadata = OpenAiFields.TakeMetadata(fields),
        };
        fields.RefuseOthers(Unsupported);
        return plan;
    }

    private static int? TakeMaxTokens(JsonFields fields, bool promptIsAnswered)
    {
        int? maxTokens = fields.Take("max_tokens")?.Int32(0);
        return maxTokens != 0 || promptIsAnswered
            ? maxTokens
            : throw ApiErrors.WrongValue("max_tokens", "0", "at least 1 unless 'echo' or 'prompt_logprobs' asks for the prompt");
    }

    /// <summary>best_of = n draws what is returned, which is what happens anyway; ranking more is not served.</summary>
    private static void TakeBestOf(JsonFields fields, int choices)
    {
        if (fields.Take("best_of")?.Int32(1) is { } bestOf && bestOf != choices)
        {
            throw ApiErrors.Unsupported("best_of", $"{bestOf}", $"leave it out or set it to n ({choices})");
        }
    }
}
