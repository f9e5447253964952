using System.Text.Json;
using System.Text.Json.Nodes;
using Grid.Gateway.Http;
using Grid.Gateway.Json;
using Grid.Sequences;
using Grid.Text;

namespace Grid.Gateway.Requests;

/// <summary>POST /v1/chat/completions: JSON to a plan.</summary>
internal static class ChatRequest
{
    public static readonly string[] Unsupported =
    [
        .. OpenAiFields.Unsupported, "functions", "audio", "prediction", "reasoning_effort", "verbosity", "web_search_options",
        "chat_template", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "mm_processor_kwargs", "suffix",
        "best_of", "reasoning", "thinking", "tools", "tool_choice: \"none\"", "function_call: \"none\"",
        "parallel_tool_calls: true or false", "response_format: {\"type\":\"text\"}", "modalities: [\"text\"]",
        "service_tier: \"auto\" or \"default\"", "store", "echo", "continue_final_message", "add_special_tokens",
        "include_reasoning: true", "separate_reasoning: true or false", "stream_reasoning: true or false",
    ];

    /// <summary>Most bytes of JSON of chat_template_kwargs.</summary>
    private const int MaxVariableBytes = 64 * 1024;

    /// <summary>Maps and validates a body. Throws <see cref="ApiException"/>.</summary>
    public static ChatPlan Parse(JsonElement body, ISequenceService service, GatewayOptions options)
    {
        var fields = new JsonField(body, "").Object();
        var model = ModelDirectory.Resolve(service, fields.Take("model")?.String());
        var text = ModelDirectory.RequireText(model);
        string prompt = TakePrompt(fields, model, text);
        int choices = OpenAiFields.TakeChoices(fields, 1, options);
        var stream = OpenAiFields.TakeStream(fields);
        int? top = TakeLogprobs(fields);
        int? promptTop = OpenAiFields.TakePromptLogprobs(fields, stream.Stream);
        var (maxTokens, maxTokensField) = TakeMaxTokens(fields, promptTop is not null);
        var spec = OpenAiFields.TakeSpec(fields, model, maxTokens, top, promptTop, scorePrompt: promptTop is not null);
        var (seed, isDrawn) = Seeds.Settle(fields.Take("seed"), options, spec.Generation.Sampling.Temperature);
        bool shared = OpenAiFields.TakeCache(fields) && !isDrawn;
        bool receipt = OpenAiFields.TakeReceipt(fields, scoresOnly: maxTokens == 0);
        spec = OpenAiFields.WithDigests(spec, receipt || (options.Receipts && maxTokens != 0));
        var plan = new ChatPlan
        {
            Model = model,
            Sequences = OpenAiFields.Expand(spec, 1, choices, seed, maxTokens, shared),
            Prompts = [new Prompt(prompt, null)],
            PromptField = "messages",
            MaxTokensField = maxTokensField,
            PromptsAreList = false,
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
            Timeout = OpenAiFields.TakeTimeout(fields, options),
            User = fields.Take("user")?.String(SamplingFields.MaxNameLength),
            Metadata = OpenAiFields.TakeMetadata(fields),
        };
        fields.RefuseOthers(Unsupported);
        return plan;
    }

    private static int? TakeLogprobs(JsonFields fields)
    {
        bool logprobs = fields.Take("logprobs")?.Boolean() ?? false;
        int? top = fields.Take("top_logprobs")?.Int32(0, SamplingFields.MaxTopLogprobs);
        if (top > 0 && !logprobs)
        {
            throw ApiErrors.WrongValue("top_logprobs", $"{top}", "left out unless 'logprobs' is true");
        }
        return logprobs ? top ?? 0 : null;
    }

    /// <summary>max_completion_tokens, or its older name max_tokens; none means as many as the context allows.</summary>
    private static (int? Tokens, string Field) TakeMaxTokens(JsonFields fields, bool promptIsAnswered)
    {
        int min = promptIsAnswered ? 0 : 1;
        int? older = fields.Take("max_tokens")?.Int32(min);
        int? current = fields.Take("max_completion_tokens")?.Int32(min);
        return older is null || current is null || older == current
            ? (current ?? older, current is null ? "max_tokens" : "max_completion_tokens")
            : throw ApiErrors.WrongValue("max_tokens", $"{older}", $"equal to 'max_completion_tokens' ({current}) when both are given");
    }

    /// <summary>Takes messages, add_generation_prompt and chat_template_kwargs, and renders them as the model has it.</summary>
    public static string TakePrompt(JsonFields fields, ServedModel model, TextModel text)
    {
        var messages = ChatMessages.Parse(fields.Require("messages", "a list of at least one message"));
        bool addGenerationPrompt = fields.TakeGiven("add_generation_prompt")?.Boolean() ?? true;
        var variables = TakeTemplateVariables(fields);
        if (text.ChatTemplate is not { } template)
        {
            throw ApiErrors.Invalid("model", "no_chat_template",
                $"'model' is {JsonShown.Text(model.Id)}, which has no chat template; use /v1/completions with it.");
        }
        try
        {
            return template.Render(messages, addGenerationPrompt, variables);
        }
        catch (ChatTemplateException exception)
        {
            throw ApiErrors.Invalid("messages", "chat_template_error",
                $"'messages' cannot be put into the model's chat template: {exception.Message}");
        }
    }

    /// <summary>chat_template_kwargs: variables for the model's own template, such as enable_thinking.</summary>
    private static JsonObject? TakeTemplateVariables(JsonFields fields)
    {
        const string Name = "chat_template_kwargs";
        if (fields.Take(Name) is not { } field)
        {
            return null;
        }
        field.RequireBytes(MaxVariableBytes);
        var named = field.Object();
        foreach (string reserved in (ReadOnlySpan<string>)["messages", "add_generation_prompt", "tools", "documents"])
        {
            if (named.TakeGiven(reserved) is not null)
            {
                throw ApiErrors.WrongValue(named.PathOf(reserved), "given", "left out: the request sets it elsewhere");
            }
        }
        try
        {
            field.RequireUnicode();
            return JsonNode.Parse(field.Value.GetRawText(), documentOptions: new() { AllowDuplicateProperties = false })!.AsObject();
        }
        catch (JsonException exception)
        {
            throw ApiErrors.Invalid(Name, "invalid_value", $"'{Name}' must hold each name once: {exception.Message}");
        }
    }
}
