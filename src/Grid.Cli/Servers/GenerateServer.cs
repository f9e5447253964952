using System.Text.Json.Nodes;
using Grid.Cli.Verification;

namespace Grid.Cli.Servers;

/// <summary>A server that is asked by SGLang's /generate.</summary>
internal sealed class GenerateServer(ServerConnection connection, ServerDescription description) : AnsweringServer(connection, description)
{
    /// <summary>Its path.</summary>
    public const string Path = "generate";

    /// <inheritdoc/>
    protected override async Task<ServerDescription> ProbeAsync(ServerDescription known, int vocabulary, CancellationToken cancellationToken)
    {
        var (answer, takesText) = await AskForLittleAsync(vocabulary, cancellationToken);
        return Described(known, answer, takesText);
    }

    /// <inheritdoc/>
    protected override (string Path, JsonObject Body) Request(Questions questions)
    {
        bool text = questions.Prompts[0].Text is not null;
        var body = new JsonObject
        {
            [text ? "text" : "input_ids"] = new JsonArray([.. questions.Prompts.Select(prompt => text ? (JsonNode)prompt.Text! : new JsonArray([.. prompt.Ids.Select(id => (JsonNode)id)]))]),
            ["sampling_params"] = SamplingOf(questions),
            ["return_logprob"] = true,
            ["logprob_start_len"] = questions.ScorePrompts ? 0 : -1,
        };
        if (Description.TakesText)
        {
            body["return_text_in_logprobs"] = true;
        }

        if (Description.Model is { } model && Description.Workers is not null)
        {
            body["model"] = model; // Grid's own: SGLang has one model, and no such field.
        }

        if (questions.CrossCheck)
        {
            body["cross_check"] = true;
        }

        return (Path, body);
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<Answer> Read(Questions questions, JsonNode answer) => [.. answer.AsArray().Select(item => Read(item!))];

    private static Answer Read(JsonNode item)
    {
        var meta = item["meta_info"]!;
        var scored = ReadTokens(meta["output_token_logprobs"]);
        var ids = item["output_ids"]?.AsArray();
        return new Answer(
            (string?)item["text"] ?? "", scored.Count > 0 || ids is null ? scored : [.. ids.Select(id => new ScoredToken((int)id!, null, null))],
            meta["finish_reason"]?.ToJsonString() ?? "")
        {
            PromptTokens = ReadTokens(meta["input_token_logprobs"]),
            PromptCount = (int?)meta["prompt_tokens"],
            CachedCount = (int?)meta["cached_tokens"],
            Fingerprint = (string?)meta["system_fingerprint"],
        };
    }

    private static List<ScoredToken> ReadTokens(JsonNode? triples) => triples is JsonArray array
        ? [.. array.Select(triple => new ScoredToken((int)triple![1]!, (string?)triple[2], (double?)triple[0]))]
        : [];

    private static JsonObject SamplingOf(Questions questions)
    {
        var sampling = questions.Sampling;
        var fields = new JsonObject
        {
            ["temperature"] = sampling.Temperature,
            ["max_new_tokens"] = questions.MaxTokens,
            ["sampling_seed"] = sampling.Seed,
            ["top_p"] = sampling.TopP,
        };
        SamplingFields.AddUnusual(fields, sampling);
        return fields;
    }
}
